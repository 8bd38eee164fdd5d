import type { ErrorCode } from "../errors/codes.ts";

/** A progress report as it came over the wire: unordered, unbounded, untrusted. */
export interface ProgressReport {
  /** How far it is, in the server's own unit. */
  readonly progress: number;
  /** What `progress` grows to, if the server knows. */
  readonly total?: number;
  /** What the server does at the moment. */
  readonly message?: string;
}

/** How far an execution is. */
export interface ProgressSnapshot {
  /** Position in the execution's numbered events, counted from 1. */
  readonly seq: number;
  /** The attempt that reported it, counted from 1. */
  readonly attempt: number;
  /** How far the attempt is, in the server's own unit; grows within an attempt. */
  readonly progress: number;
  /** What `progress` grows to, if the server knows. */
  readonly total?: number;
  /** Share that is done, 0 to 1; present if `total` is above 0, and never goes back. */
  readonly fraction?: number;
  /** What the server does at the moment, at most 1 KiB. */
  readonly message?: string;
  /** Expected time to the end in milliseconds; absent while nobody can know. */
  readonly etaMs?: number;
  /** Lower bound of the expected time in milliseconds. */
  readonly etaLowMs?: number;
  /** Upper bound of the expected time in milliseconds. */
  readonly etaHighMs?: number;
  /** When it was reported, in milliseconds since the Unix epoch. */
  readonly atMs: number;
}

/** How an execution ended, as its last event tells it. `completed` is a response of either status. */
export type ExecutionOutcome = "completed" | "failed" | "outcome_unknown" | "cancelled";

/**
 * Why a report was dropped: its value is no number, is below or equal to the one before, it came
 * after the end or from an attempt before, or newer reports replaced it above 1,000 a second.
 */
export type ProgressDropReason = "not_finite" | "regress" | "duplicate" | "late";

/** One numbered event of an execution. The last one, and only that, has an outcome as its type. */
export type ExecutionEvent =
  | {
    /** A new attempt is made. */
    readonly type: "attempt";
    /** Position in the execution's events, counted from 1. */
    readonly seq: number;
    /** The attempt, counted from 1. */
    readonly attempt: number;
    /** Why the attempt before it failed; absent for the first. */
    readonly reason?: ErrorCode;
    /** How long it was waited before the attempt, in milliseconds. */
    readonly waitMs?: number;
    /** When it happened, in milliseconds since the Unix epoch. */
    readonly atMs: number;
  }
  | ({
    /** The execution got further. */
    readonly type: "progress";
  } & ProgressSnapshot)
  | {
    /** Events that the bounded log had to drop. */
    readonly type: "gap";
    /** The first dropped event's `seq`. */
    readonly from: number;
    /** The last dropped event's `seq`. */
    readonly to: number;
  }
  | {
    /** How the execution ended. */
    readonly type: ExecutionOutcome;
    /** Position in the execution's events, counted from 1. */
    readonly seq: number;
    /** When it ended, in milliseconds since the Unix epoch. */
    readonly atMs: number;
  };
