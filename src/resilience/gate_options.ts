import type { AbortSource } from "./abort_source.ts";
import type { HealthEvidence } from "../errors/health.ts";
import type { OptionRules } from "../errors/misuse.ts";
import type { BreakerOptions, BreakerTransition } from "./breaker_options.ts";
import type { Clock } from "./clock.ts";
import type { Deadline } from "./deadline.ts";
import type { LimiterOptions } from "./limiter.ts";
import type { Priority } from "./pool_options.ts";

/** How many may wait for a server, and who is given up. Plain data. */
export interface QueueOptions {
  /**
   * The most calls that may wait at once, an integer >= 1. One too many drops the call of the lowest
   * priority that has the least time.
   *
   * @default {512}
   */
  readonly maxQueue?: number;
  /**
   * A waiting call is dropped when others wait and what remains of its time is less than so many
   * times the moving average of attempts, >= 0, or than the operation usually takes. 0 drops nobody.
   *
   * @default {1.5}
   */
  readonly shedFactor?: number;
}

/** What the options of a queue must be, and are by default. */
export const QUEUE_RULES: OptionRules<QueueOptions> = {
  maxQueue: { preset: 512, min: 1, integer: true },
  shedFactor: { preset: 1.5, min: 0 },
};

/** What happens at a gate. */
export type GateEvent =
  | (BreakerTransition & { readonly type: "breaker.transition" })
  | { readonly type: "limiter.change"; readonly limit: number }
  | { readonly type: "queue.shed"; readonly waitedMs: number; readonly neededMs: number };

/** What a gate stands in front of, and how. */
export interface GateOptions {
  /** The most attempts at once, an integer >= 1. */
  readonly maxLimit: number;
  readonly breaker: BreakerOptions;
  readonly limiter: LimiterOptions;
  readonly queue: QueueOptions;
  readonly clock: Clock;
  readonly random: () => number;
  /** Asks the server for a sign of life. */
  readonly check: (signal: AbortSignal) => Promise<unknown>;
  readonly onEvent: ((event: GateEvent) => void) | undefined;
}

/** Who wants to pass. */
export interface EnterOptions {
  /** The operation, whose usual time is known. */
  readonly operation: string;
  readonly deadline: Deadline;
  /** Ends the wait; its reason is thrown untouched. */
  readonly signal: AbortSource;
  readonly priority: Priority;
  /** Whether to fail at once where the breaker is shut. */
  readonly failFast: boolean;
}

/** How an attempt ended: the one verdict that breaker, limiter and estimates learn from. */
export interface AttemptEnd {
  readonly operation: string;
  /** What it says of the server's health. */
  readonly health: HealthEvidence;
  /** Whether time ended it after it was sent. */
  readonly timedOut: boolean;
  /** Whether the operation did what it was asked. */
  readonly succeeded: boolean;
  /** How long the server asked to wait, in milliseconds. */
  readonly retryAfterMs: number | undefined;
  readonly elapsedMs: number;
}

/** A gate's queue at one moment: plain data. */
export interface QueueStats {
  /** Calls that wait for the server. */
  readonly waiting: number;
  /** Calls dropped so far because their time was too short. */
  readonly shed: number;
  /** Calls dropped so far because too many waited. */
  readonly overflowed: number;
}
