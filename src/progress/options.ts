import type { ErrorCode } from "../errors/codes.ts";
import { type OptionRules, resolveOptions } from "../errors/misuse.ts";
import { type Clock, systemClock } from "../resilience/clock.ts";
import type { ProgressDropReason } from "./events.ts";

/** How a {@linkcode ProgressTracker} works and what it keeps. */
export interface ProgressTrackerOptions {
  /**
   * What time is measured on.
   *
   * @default {systemClock}
   */
  readonly clock?: Clock;
  /**
   * Lets `fraction` go back, as it does when a new attempt starts over or a total grows.
   *
   * @default {false}
   */
  readonly allowRegress?: boolean;
  /**
   * How long an execution can still be read after its end, in milliseconds, >= 0; `Infinity` leaves
   * it to `maxEnded`.
   *
   * @default {60_000}
   */
  readonly endedTtlMs?: number;
  /**
   * How many executions can still be read after their end, an integer >= 0.
   *
   * @default {1_000}
   */
  readonly maxEnded?: number;
  /**
   * How many events of one execution are kept for its readers, an integer >= 1. A reader that falls
   * further behind gets a `gap`.
   *
   * @default {256}
   */
  readonly maxLogEvents?: number;
  /**
   * How many bytes of events of one execution are kept, an integer >= 1; the newest event always is.
   *
   * @default {65_536}
   */
  readonly maxLogBytes?: number;
  /**
   * Called when an execution ends, with the number of its reports that were dropped for each reason;
   * afterwards with each one that comes too late. If it throws, the error is reported in a microtask.
   */
  readonly onDropped?: (executionId: string, reason: ProgressDropReason, count: number) => void;
}

/** How progress is read. */
export interface SubscribeOptions {
  /** Ends the reading; what waits for the next value rejects with its reason. */
  readonly signal?: AbortSignal;
}

/** How events are read. */
export interface ReadEventsOptions extends SubscribeOptions {
  /**
   * The `seq` of the last event that is known already, an integer >= 0.
   *
   * @default {0}
   */
  readonly after?: number;
}

/** Why an attempt is made. */
export interface AttemptReason {
  /** The error that ended the attempt before. */
  readonly reason?: ErrorCode;
  /** How long it was waited, in milliseconds. */
  readonly waitMs?: number;
}

/** {@linkcode ProgressTrackerOptions}, checked and complete. */
export interface ResolvedProgressTrackerOptions {
  readonly clock: Clock;
  readonly allowRegress: boolean;
  readonly endedTtlMs: number;
  readonly maxEnded: number;
  readonly maxLogEvents: number;
  readonly maxLogBytes: number;
  readonly onDropped: ProgressTrackerOptions["onDropped"];
}

const RULES: OptionRules<ProgressTrackerOptions> = {
  clock: { preset: systemClock },
  allowRegress: { preset: false, type: "boolean" },
  endedTtlMs: { preset: 60_000, min: 0 },
  maxEnded: { preset: 1_000, min: 0, integer: true },
  maxLogEvents: { preset: 256, min: 1, integer: true },
  maxLogBytes: { preset: 65_536, min: 1, integer: true },
  onDropped: { type: "function", listener: true },
};

/**
 * Checks and completes the options of a tracker.
 *
 * @param options The options.
 * @returns The options, none missing.
 * @throws {RangeError} If a bound is out of its range.
 * @throws {TypeError} If an option is unknown.
 */
export function resolveProgressTrackerOptions(
  options: ProgressTrackerOptions,
): ResolvedProgressTrackerOptions {
  return resolveOptions("track progress", options, RULES);
}
