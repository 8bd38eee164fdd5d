import type { ErrorCode } from "../errors/codes.ts";
import type { Delivery, Effect } from "../errors/delivery.ts";
import type { ExecutionOutcome, ProgressDropReason } from "../progress/events.ts";
import type { PoolEvent } from "../resilience/pool_options.ts";

/** What every event of an execution carries. */
export interface ExecutionEventFacts {
  /** The execution. */
  readonly executionId: string;
  /** The server's name. */
  readonly server: string;
  /** When it happened, in milliseconds since the Unix epoch. */
  readonly atMs: number;
}

/** Everything that happens in a client, told apart by `type`. Holds no arguments and no results. */
export type ClientEvent =
  | (ExecutionEventFacts & {
    readonly type: "execution.start";
    readonly group: string;
    readonly operation: string;
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
    readonly code?: ErrorCode;
    readonly elapsedMs: number;
  })
  | (ExecutionEventFacts & {
    readonly type: "retry.scheduled";
    readonly reason: ErrorCode;
    readonly waitMs: number;
  })
  | {
    readonly type: "progress.dropped";
    readonly executionId: string;
    readonly reason: ProgressDropReason;
    readonly count: number;
    readonly atMs: number;
  }
  | (PoolEvent & { readonly server: string; readonly atMs: number });
