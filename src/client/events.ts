import type { ErrorCode } from "../errors/codes.ts";
import type { Delivery, Effect } from "../errors/delivery.ts";
import type { ExecutionOutcome, ProgressDropReason } from "../progress/events.ts";
import type { GateEvent } from "../resilience/gate_options.ts";
import type { PoolEvent } from "../resilience/pool_options.ts";
import type { Continuation } from "./continuation.ts";
import type { ConnectionResult, TraceContext } from "./ports.ts";

/** What every event of an execution carries. */
export interface ExecutionEventFacts {
  /** The execution. */
  readonly executionId: string;
  /** The server's name. */
  readonly server: string;
  /** When it happened, in milliseconds since the Unix epoch. */
  readonly atMs: number;
}

/**
 * Everything that happens in a client, told apart by `type`. Holds no arguments and no results; what
 * `execution.deferred` holds may get somebody at a result.
 */
export type ClientEvent =
  | (ExecutionEventFacts & {
    readonly type: "execution.start";
    readonly group: string;
    readonly operation: string;
    /** The trace that the caller belongs to, if it said so. */
    readonly trace?: TraceContext;
  })
  | (ExecutionEventFacts & {
    readonly type: "execution.end";
    readonly outcome: ExecutionOutcome;
    /** What repeating the operation does; absent if it ended before that was known. */
    readonly effect?: Effect;
    readonly code?: ErrorCode;
    readonly delivery: Delivery;
    readonly attempts: number;
    readonly elapsedMs: number;
  })
  | (ExecutionEventFacts & {
    readonly type: "attempt.start";
    readonly attempt: number;
    /** Which connection of the pool carries it. */
    readonly generation: number;
  })
  | (ExecutionEventFacts & {
    readonly type: "attempt.end";
    readonly attempt: number;
    readonly delivery: Delivery;
    /** How the operation answered, if it did. */
    readonly status?: ConnectionResult["status"];
    /** What it failed with; absent too if the caller, the deadline or another copy ended it. */
    readonly code?: ErrorCode;
    readonly elapsedMs: number;
  })
  | (ExecutionEventFacts & {
    /**
     * The server has taken the operation on and answers later, or what is needed to ask it has changed.
     */
    readonly type: "execution.deferred";
    readonly attempt: number;
    /** What resumes the execution elsewhere: to be kept as a credential is. */
    readonly continuation: Continuation;
  })
  | (ExecutionEventFacts & {
    readonly type: "retry.scheduled";
    readonly reason: ErrorCode;
    readonly waitMs: number;
    /** What is left of the retry budget. */
    readonly tokens: number;
  })
  | (ExecutionEventFacts & {
    /** A failure is final because the retry budget is spent. */
    readonly type: "budget.empty";
    readonly reason: ErrorCode;
    readonly tokens: number;
  })
  | (ExecutionEventFacts & {
    readonly type: "hedge.sent";
    /** The attempt that the second copy is. */
    readonly attempt: number;
    /** How long the first copy had been out. */
    readonly afterMs: number;
  })
  | (ExecutionEventFacts & {
    /** Whether the second copy was the one whose result counts. */
    readonly type: "hedge.won" | "hedge.lost";
    readonly afterMs: number;
  })
  | {
    readonly type: "progress.dropped";
    readonly executionId: string;
    readonly reason: ProgressDropReason;
    readonly count: number;
    readonly atMs: number;
  }
  | (ServerEvent & { readonly server: string; readonly atMs: number });

/** What happens at a server, whoever calls it. */
export type ServerEvent =
  | GateEvent
  | PoolEvent
  | {
    /** A lost session has been replaced, once for all callers. */
    readonly type: "session.replaced";
    /** The connection that replaces it. */
    readonly generation: number;
  };

/** An event of an execution without what all of them carry. */
export type OwnEvent<E = ClientEvent> = E extends
  { executionId: string; server: string; atMs: number } ? Omit<E, "executionId" | "server" | "atMs">
  : never;

/** Tells an event of one execution. */
export type EmitOwn = (event: OwnEvent) => void;
