import type { ProgressTracker } from "../progress/tracker.ts";
import type { Clock } from "../resilience/clock.ts";
import type { Deadline } from "../resilience/deadline.ts";
import type { Priority } from "../resilience/pool_options.ts";
import type { OwnController } from "./abort.ts";
import type { ResolvedGroup, TraceAttempt } from "./config.ts";
import type { Continuation } from "./continuation.ts";
import type { ClientEvent } from "./events.ts";
import type { GroupOperations } from "./group_operations.ts";
import type { ExecuteOptions } from "./options.ts";
import type { IdempotencyKey } from "./policy.ts";
import type { JsonObject } from "./ports.ts";
import type { ReplayStore } from "./replay.ts";
import type { Run } from "./run.ts";
import type { Server } from "./server.ts";
import type { ExecutionCounts } from "./stats.ts";

/** What a group shares with its client. */
export interface ClientContext {
  readonly server: Server;
  readonly tracker: ProgressTracker;
  readonly clock: Clock;
  readonly random: () => number;
  readonly onEvent: ((event: ClientEvent) => void) | undefined;
  readonly traceAttempt: TraceAttempt | undefined;
  readonly replay: ReplayStore;
  /** The executions that have not ended. */
  readonly running: Set<Run>;
}

/** What the executions of one group share. */
export interface GroupContext extends ClientContext {
  /** The group's name. */
  readonly group: string;
  readonly counts: ExecutionCounts;
  readonly operations: GroupOperations;
}

/** How one execution is made: its group's policy, overruled by its operation's and the call's own. */
export interface CallPolicy
  extends ResolvedGroup, Omit<ExecuteOptions, keyof ResolvedGroup | "priority"> {
  readonly priority: Priority;
  readonly idempotency?: IdempotencyKey;
}

/** One execution: what it does, and what it may use. */
export interface Call {
  readonly context: GroupContext;
  readonly executionId: string;
  readonly operation: string;
  readonly arguments: JsonObject;
  /** What its server has taken on before: the call only asks for the answer. */
  readonly continuation: Continuation | undefined;
  readonly policy: CallPolicy;
  readonly deadline: Deadline;
  /** Aborted by whatever ends the execution early: the caller, the deadline, `cancel()`, `close()`. */
  readonly controller: OwnController;
}

/**
 * Returns what is given over what is not, in an object that inherits from the base: a copy of thirty
 * values would be most of what a pending call holds.
 */
export function inherit<T extends object>(base: T, layer: Partial<T>): T {
  let own = base;
  for (const name in layer) {
    if (layer[name] === undefined) continue;
    if (own === base) own = Object.create(base);
    own[name] = layer[name];
  }
  return own;
}

/** Returns the arguments with the key by which the server recognises repeats, if they carry it. */
export function withKey(
  args: JsonObject,
  executionId: string,
  idempotency: IdempotencyKey | undefined,
): JsonObject {
  if (idempotency?.place !== "argument") return args;
  return { [idempotency.name]: executionId, ...args };
}

/** Returns an id that is unique in the world. */
export function createExecutionId(): string {
  // Node puts it together of twenty strings and holds them all; this makes it one, which is the same.
  return crypto.randomUUID().toLowerCase();
}
