import {
  checkOptions,
  checkValue,
  misuse,
  type OptionRules,
  overlay,
  resolveOptions,
} from "../errors/misuse.ts";
import { BREAKER_RULES } from "../resilience/breaker_options.ts";
import { BUDGET_RULES } from "../resilience/budget.ts";
import { type Clock, systemClock, systemRandom } from "../resilience/clock.ts";
import { QUEUE_RULES } from "../resilience/gate_options.ts";
import { LIMITER_RULES } from "../resilience/limiter.ts";
import { RETRY_POLICY_RULES, type RetryPolicy } from "../resilience/retry.ts";
import type { ClientEvent } from "./events.ts";
import {
  GROUP_POLICY_RULES,
  type GroupPolicy,
  IDEMPOTENCY_RULES,
  OPERATION_RULES,
  SERVER_RULES,
  type ServerPolicy,
  TIMEOUT_RULE,
} from "./policy.ts";
import type { Connector, TraceContext } from "./ports.ts";

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
  ...GROUP_POLICY_RULES,
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
