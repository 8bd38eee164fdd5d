import { type Effect, EFFECTS } from "../errors/delivery.ts";
import type { OptionRule, OptionRules } from "../errors/misuse.ts";
import type { BreakerOptions } from "../resilience/breaker_options.ts";
import type { BudgetOptions } from "../resilience/budget.ts";
import type { QueueOptions } from "../resilience/gate_options.ts";
import type { LimiterOptions } from "../resilience/limiter.ts";
import { RETRY_POLICY_RULES, type RetryPolicy } from "../resilience/retry.ts";

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

/** What a length of time that leaves some time must be. */
export const TIMEOUT_RULE: OptionRule = { min: 0, above: true };

/** What each value of a {@linkcode ServerPolicy} must be, and is by default. */
export const SERVER_RULES: OptionRules<ServerPolicy> = {
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
/** What each value of a {@linkcode GroupPolicy} must be, and is by default, besides when to repeat. */
export const GROUP_POLICY_RULES: OptionRules<Omit<GroupPolicy, keyof RetryPolicy | "timeoutMs">> = {
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
/** What each value of an {@linkcode OperationPolicy} must be. */
export const OPERATION_RULES: OptionRules<OperationPolicy> = {
  effect: { oneOf: EFFECTS },
  timeoutMs: TIMEOUT_RULE,
  maxAttempts: RETRY_POLICY_RULES.maxAttempts,
  progressIdleTimeoutMs: TIMEOUT_RULE,
  idempotency: { type: "object" },
};
/** What each value of an {@linkcode IdempotencyKey} must be. */
export const IDEMPOTENCY_RULES: OptionRules<IdempotencyKey> = {
  place: { oneOf: ["argument", "meta"], required: true },
  name: { type: "string", required: true },
};
