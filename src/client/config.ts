import { type Effect, EFFECTS } from "../errors/delivery.ts";
import {
  checkOptions,
  checkValue,
  misuse,
  type OptionRule,
  type OptionRules,
  overlay,
  resolveOptions,
} from "../errors/misuse.ts";
import { BREAKER_RULES, type BreakerOptions } from "../resilience/breaker_options.ts";
import { BUDGET_RULES, type BudgetOptions } from "../resilience/budget.ts";
import { type Clock, systemClock, systemRandom } from "../resilience/clock.ts";
import { QUEUE_RULES, type QueueOptions } from "../resilience/gate_options.ts";
import { LIMITER_RULES, type LimiterOptions } from "../resilience/limiter.ts";
import { RETRY_POLICY_RULES, type RetryPolicy } from "../resilience/retry.ts";
import type { ClientEvent } from "./events.ts";
import type { Connector, TraceContext } from "./ports.ts";

/** What is known of one operation besides what its server says. */
export interface OperationPolicy {
  /** What repeating it does. It overrules the server's hints. */
  readonly effect?: Effect;
  /**
   * Time for one execution in milliseconds, > 0, everything included.
   *
   * @default {the group's}
   */
  readonly timeoutMs?: number;
  /**
   * How often to send at most, the first time included, an integer >= 1.
   *
   * @default {the group's}
   */
  readonly maxAttempts?: number;
  /**
   * The longest silence of an attempt, in milliseconds, > 0.
   *
   * @default {the group's}
   */
  readonly progressIdleTimeoutMs?: number;
  /**
   * That its server recognises repeats by a key, and where it looks for that: an argument or the
   * request's metadata (MCP `_meta`). All attempts of an execution carry the same key, its id, and the
   * operation counts as idempotent unless `effect` says otherwise.
   */
  readonly idempotency?: IdempotencyKey;
}

/** Where a server looks for the key by which it recognises repeats. */
export interface IdempotencyKey {
  /** An argument of the operation, or the metadata of the request. */
  readonly place: "argument" | "meta";
  /** The name of the argument or of the metadata. */
  readonly name: string;
}

/** How the operations of a group are called. Plain data. */
export interface GroupPolicy extends RetryPolicy {
  /**
   * Time for one execution in milliseconds, > 0: waiting, every attempt and every pause included.
   * Nothing extends it. `Infinity` waits for ever.
   *
   * @default {the client's}
   */
  readonly timeoutMs?: number;
  /**
   * Whether the server's hints (`readOnlyHint`, `idempotentHint`) are believed. MCP says that clients
   * must not rely on hints of servers that they do not trust.
   *
   * @default {false}
   */
  readonly trustAnnotations?: boolean;
  /**
   * The least time that an attempt of an operation which may be repeated gets, in milliseconds, >= 0.
   * It gets more if what remains, shared by the attempts that are left, is more.
   *
   * @default {10000}
   */
  readonly attemptFloorMs?: number;
  /**
   * The longest that an attempt may go without a progress report, in milliseconds, > 0; it is then
   * given up as lost. For operations that report and may be repeated; silence is legal for others.
   *
   * @default {Infinity}
   */
  readonly progressIdleTimeoutMs?: number;
  /**
   * Whether a `safe` operation that takes longer than 95 % of its successes is sent a second time;
   * the first result counts. Costs the server at most a tenth more load.
   *
   * @default {false}
   */
  readonly hedge?: boolean;
  /**
   * Whether calls fail at once with `circuit_open` while the server is taken for down, instead of
   * waiting for it until their deadline.
   *
   * @default {false}
   */
  readonly failFast?: boolean;
  /**
   * What becomes of a call whose session the server has lost: `"transparent"` sends it again, once, on
   * a new session; `"error"` fails it with `session_lost`, for servers whose sessions hold state.
   *
   * @default {"transparent"}
   */
  readonly onSessionLoss?: "transparent" | "error";
  /**
   * Whether the server is told which attempt a request is, as `dev.automcp/attempt` in its metadata.
   *
   * @default {false}
   */
  readonly sendAttempt?: boolean;
  /**
   * Whether the server is told how much time remains in milliseconds, as `dev.automcp/deadline-ms`.
   *
   * @default {false}
   */
  readonly sendDeadline?: boolean;
  /** The only operations that the group has; without it, all of the server. */
  readonly include?: readonly string[];
  /** Operations that the group does not have. */
  readonly exclude?: readonly string[];
  /** What is known of single operations, by name. */
  readonly operations?: Readonly<Record<string, OperationPolicy>>;
}

/**
 * How one server is treated, whoever calls it. Plain data; groups that share a connector share the
 * server and must agree on it.
 */
export interface ServerPolicy {
  /**
   * The most calls at once on the server, an integer >= 1.
   *
   * @default {10}
   */
  readonly poolSize?: number;
  /**
   * The longest wait for a connection, in milliseconds, >= 1.
   *
   * @default {5000}
   */
  readonly acquireTimeoutMs?: number;
  /**
   * How long a session may be idle before it is ended, in milliseconds, > 0. Connections that hold
   * nothing on the server are kept.
   *
   * @default {300000}
   */
  readonly idleTimeoutMs?: number;
  /**
   * How long a session is used, in milliseconds, > 0, less up to a quarter by lot.
   *
   * @default {1800000}
   */
  readonly maxLifetimeMs?: number;
  /**
   * After how many attempts in a row that ended by time, without an answer between, a session is used
   * no more, an integer >= 1.
   *
   * @default {5}
   */
  readonly retireAfterTimeouts?: number;
  /**
   * How long a connection may be lent before `pool.leak` reports it, in milliseconds, > 0.
   *
   * @default {Infinity}
   */
  readonly leakThresholdMs?: number;
  /** When the server is taken for down or is left alone, and for how long. */
  readonly breaker?: BreakerOptions;
  /** How the number of calls at once follows what the server can take. */
  readonly limiter?: LimiterOptions;
  /** How many calls may wait, and which are given up. */
  readonly queue?: QueueOptions;
  /** What repeats may cost. */
  readonly retryBudget?: BudgetOptions;
}

/** A named set of operations on one server, with its policy. */
export interface GroupConfig extends GroupPolicy, ServerPolicy {
  /** The server. Groups that are given the same connector share its pool. */
  readonly connector: Connector;
}

/** How an {@linkcode AutoMCPClient} works; policies are presets that a group may overrule. */
export interface ClientConfig extends RetryPolicy, ServerPolicy {
  /**
   * Time for one execution in milliseconds, > 0: waiting, every attempt and every pause included.
   *
   * @default {30000}
   */
  readonly timeoutMs?: number;
  /** The groups, by name. */
  readonly groups: Readonly<Record<string, GroupConfig>>;
  /**
   * Called with everything that happens, in order. If it throws, the error is reported in a
   * microtask. Unset, it costs nothing.
   */
  readonly onEvent?: (event: ClientEvent) => void;
  /**
   * Called for each attempt, directly after its `attempt.start`; what it returns is sent as the
   * attempt's trace context instead of the call's own.
   */
  readonly traceAttempt?: TraceAttempt;
  /** The clock of all deadlines and waits. */
  readonly clock?: Clock;
  /** A source of chance, 0 <= x < 1. */
  readonly random?: () => number;
}

/** Returns the trace context of an attempt, or nothing if it has none of its own. */
export type TraceAttempt = (executionId: string, attempt: number) => TraceContext | undefined;

/** A group with every value known and checked. */
export interface ResolvedGroup
  extends Required<RetryPolicy>, Required<ServerPolicy>, Required<Omit<GroupPolicy, "include">> {
  readonly name: string;
  readonly connector: Connector;
  readonly include: readonly string[] | undefined;
}

/** {@linkcode ClientConfig} with every value known and checked. */
export interface ResolvedClientConfig {
  readonly groups: readonly ResolvedGroup[];
  readonly onEvent: ((event: ClientEvent) => void) | undefined;
  readonly traceAttempt: TraceAttempt | undefined;
  readonly clock: Clock;
  readonly random: () => number;
}

/** What a length of time that leaves some time must be. */
export const TIMEOUT_RULE: OptionRule = { min: 0, above: true };

const SERVER_RULES: OptionRules<ServerPolicy> = {
  poolSize: { preset: 10, min: 1, integer: true },
  acquireTimeoutMs: { preset: 5_000, min: 1 },
  idleTimeoutMs: { preset: 300_000, ...TIMEOUT_RULE },
  maxLifetimeMs: { preset: 1_800_000, ...TIMEOUT_RULE },
  retireAfterTimeouts: { preset: 5, min: 1, integer: true },
  leakThresholdMs: { preset: Infinity, ...TIMEOUT_RULE },
  breaker: { preset: {}, type: "object" },
  limiter: { preset: {}, type: "object" },
  queue: { preset: {}, type: "object" },
  retryBudget: { preset: {}, type: "object" },
};
const PRESET_RULES: OptionRules<RetryPolicy & ServerPolicy & { timeoutMs?: number }> = {
  ...RETRY_POLICY_RULES,
  ...SERVER_RULES,
  timeoutMs: { preset: 30_000, ...TIMEOUT_RULE },
};
const CLIENT_RULES: OptionRules<ClientConfig> = {
  ...PRESET_RULES,
  groups: { type: "object", required: true },
  onEvent: { type: "function", listener: true },
  traceAttempt: { type: "function" },
  clock: { preset: systemClock },
  random: { preset: systemRandom, type: "function" },
};
const GROUP_RULES: OptionRules<GroupConfig> = {
  ...PRESET_RULES,
  connector: { type: "object", required: true },
  trustAnnotations: { preset: false, type: "boolean" },
  attemptFloorMs: { preset: 10_000, min: 0 },
  progressIdleTimeoutMs: { preset: Infinity, ...TIMEOUT_RULE },
  hedge: { preset: false, type: "boolean" },
  failFast: { preset: false, type: "boolean" },
  onSessionLoss: { preset: "transparent", oneOf: ["transparent", "error"] },
  sendAttempt: { preset: false, type: "boolean" },
  sendDeadline: { preset: false, type: "boolean" },
  include: { type: "list" },
  exclude: { preset: [], type: "list" },
  operations: { preset: {}, type: "object" },
};
const OPERATION_RULES: OptionRules<OperationPolicy> = {
  effect: { oneOf: EFFECTS },
  timeoutMs: TIMEOUT_RULE,
  maxAttempts: RETRY_POLICY_RULES.maxAttempts,
  progressIdleTimeoutMs: TIMEOUT_RULE,
  idempotency: { type: "object" },
};
const IDEMPOTENCY_RULES: OptionRules<IdempotencyKey> = {
  place: { oneOf: ["argument", "meta"], required: true },
  name: { type: "string", required: true },
};

/**
 * Checks a configuration and fills in what it leaves out.
 *
 * @throws {TypeError} If a key is unknown, with the nearest known one, or a value is of the wrong type.
 * @throws {RangeError} If a number is out of its range.
 */
export function resolveClientConfig(config: ClientConfig): ResolvedClientConfig {
  const { groups, onEvent, traceAttempt, clock, random, ...presets } = resolveOptions<
    ResolvedClientConfig & ClientConfig,
    ClientConfig
  >("create a client", config, CLIENT_RULES);
  const resolved = Object.entries(groups).map(([name, group]) =>
    resolveGroup(name, group as GroupConfig, presets)
  );
  checkSharedServers(resolved);
  return { groups: resolved, onEvent, traceAttempt, clock, random };
}

function resolveGroup(
  name: string,
  config: GroupConfig,
  presets: Omit<ClientConfig, "groups">,
): ResolvedGroup {
  const act = `create group '${name}'`;
  if (!/^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/.test(name)) {
    const requirement = "1 to 64 of A-Z a-z 0-9 _ . -";
    throw new TypeError(misuse(act, "its name", requirement, name));
  }
  const all = overlay<GroupConfig>(config, presets, config);
  const group = resolveOptions<ResolvedGroup, GroupConfig>(act, all, GROUP_RULES);
  checkValue<unknown>(act, "'connector.connect'", group.connector.connect, { type: "function" });
  for (const [operation, policy] of Object.entries(group.operations)) {
    const actOfOperation = `${act}, operation '${operation}',`;
    checkOptions(actOfOperation, policy, OPERATION_RULES);
    const { idempotency } = policy;
    if (idempotency !== undefined) resolveOptions(actOfOperation, idempotency, IDEMPOTENCY_RULES);
  }
  checkOptions(`${act}, breaker,`, group.breaker, BREAKER_RULES);
  checkOptions(`${act}, limiter,`, group.limiter, LIMITER_RULES);
  checkOptions(`${act}, queue,`, group.queue, QUEUE_RULES);
  checkOptions(`${act}, retryBudget,`, group.retryBudget, BUDGET_RULES);
  return { ...group, name };
}

/** Groups that share a connector share its pool, so they cannot differ in what the pool is. */
function checkSharedServers(groups: readonly ResolvedGroup[]): void {
  const first = new Map<Connector, ResolvedGroup>();
  for (const group of groups) {
    const other = first.get(group.connector) ?? group;
    first.set(group.connector, other);
    const keys = Object.keys(SERVER_RULES) as (keyof ServerPolicy)[];
    const key = keys.find((key) => toText(group[key]) !== toText(other[key]));
    if (key === undefined) continue;
    const requirement = `that of '${other.name}' with its connector`;
    throw new TypeError(
      misuse(`create group '${group.name}'`, `'${key}'`, requirement, toText(group[key])),
    );
  }
}

/** A value that can be compared and shown, whatever the order of its keys. */
function toText(value: unknown): string {
  if (typeof value !== "object" || value === null) return String(value);
  return Object.entries(value).sort().map(([key, one]) => `${key}: ${one}`).join(", ");
}
