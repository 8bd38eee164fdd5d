import type { OptionRules } from "../errors/misuse.ts";

/**
 * Where a {@linkcode CircuitBreaker} stands: `"closed"` lets everybody pass; `"paused"` waits for as
 * long as a server that said "later" asked; `"open"` takes the server for dead; `"half_open"` checks
 * whether it still is; `"isolated"` was shut by hand.
 */
export type BreakerState = "closed" | "paused" | "open" | "half_open" | "isolated";

/** When a {@linkcode CircuitBreaker} shuts and for how long. Plain data. */
export interface BreakerOptions {
  /**
   * Hard failures in a row that trip it, an integer >= 1; `Infinity` for never.
   *
   * @default {5}
   */
  readonly tripAfter?: number;
  /**
   * The share of hard failures within 10 s, of at least 20 results, that trips it too, > 0. Above 1
   * for never.
   *
   * @default {0.8}
   */
  readonly tripShare?: number;
  /**
   * Refusals ("later") in a row that pause it, an integer >= 1; `Infinity` for never.
   *
   * @default {5}
   */
  readonly pauseAfter?: number;
  /**
   * How much of the longest hint of those refusals the pause lasts, >= 0. From 1 on nobody is sent
   * before the hint is over.
   *
   * @default {0.5}
   */
  readonly pauseRatio?: number;
  /**
   * Whether it only counts and never shuts by itself.
   *
   * @default {false}
   */
  readonly metricsOnly?: boolean;
}

/** What the options of a {@linkcode CircuitBreaker} must be, and are by default. */
export const BREAKER_RULES: OptionRules<BreakerOptions> = {
  tripAfter: { preset: 5, min: 1, integer: true },
  tripShare: { preset: 0.8, min: 0, above: true },
  pauseAfter: { preset: 5, min: 1, integer: true },
  pauseRatio: { preset: 0.5, min: 0 },
  metricsOnly: { preset: false, type: "boolean" },
};

/** A change of a breaker's state. */
export interface BreakerTransition {
  /** Where it stood. */
  readonly from: BreakerState;
  /** Where it stands now. */
  readonly to: BreakerState;
  /** Counts the changes; what was admitted in an earlier generation changes nothing in this one. */
  readonly generation: number;
  /** When a pause ends or the next check is due, in milliseconds from now. */
  readonly waitMs?: number;
}

/** A breaker as plain data, in wall-clock time: it can outlive its process. */
export interface BreakerSnapshot {
  /** Where it stood; who was checking the server then is gone. */
  readonly state: BreakerState;
  /** How often it had changed. */
  readonly generation: number;
  /** Checks of the server that failed since it was last healthy. */
  readonly failedChecks: number;
  /** Hard failures in a row, as long as it is closed. */
  readonly hardInARow: number;
  /** Refusals ("later") in a row, as long as it is closed. */
  readonly pushbacksInARow: number;
  /** The longest hint of those refusals, in milliseconds. */
  readonly hintMs: number;
  /** When the pause ends or the next check is due, in milliseconds since the Unix epoch. */
  readonly untilWallMs?: number;
  /** When the outage began, in milliseconds since the Unix epoch. */
  readonly outageSinceWallMs?: number;
  /** When the outage before ended, in milliseconds since the Unix epoch. */
  readonly closedAtWallMs?: number;
}

/** What a snapshot must hold. Instants that it leaves out are long past. */
export const SNAPSHOT_RULES: OptionRules<BreakerSnapshot> = {
  // A check that runs belongs to the breaker that began it.
  state: { oneOf: ["closed", "paused", "open", "isolated"], required: true },
  generation: { min: 1, integer: true, required: true },
  failedChecks: { preset: 0, min: 0, integer: true },
  hardInARow: { preset: 0, min: 0, integer: true },
  pushbacksInARow: { preset: 0, min: 0, integer: true },
  hintMs: { preset: 0, min: 0 },
  untilWallMs: { preset: -Infinity, min: -Infinity },
  outageSinceWallMs: { preset: -Infinity, min: -Infinity },
  closedAtWallMs: { preset: -Infinity, min: -Infinity },
};

/** A breaker at one moment: plain data. */
export interface BreakerStats {
  /** Where it stands. */
  readonly state: BreakerState;
  /** How often it has changed. */
  readonly generation: number;
  /** Results of the last 10 s that said something about the server. */
  readonly results: number;
  /** Hard failures among them. */
  readonly failures: number;
  /** How often it tripped. */
  readonly trips: number;
  /** How often it paused. */
  readonly pauses: number;
}
