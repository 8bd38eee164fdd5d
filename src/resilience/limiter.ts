import { checkNumber, type OptionRules, resolveOptions } from "../errors/misuse.ts";
import { notifier } from "../errors/notify.ts";
import { type Clock, systemClock } from "./clock.ts";

/** How a {@linkcode ConcurrencyLimiter} adapts. Plain data. */
export interface LimiterOptions {
  /**
   * The limit at the start, >= 1, at most the highest.
   *
   * @default {20}
   */
  readonly initialLimit?: number;
  /**
   * What a drop leaves of the limit, > 0 and <= 1. With 1 the limit never falls.
   *
   * @default {0.9}
   */
  readonly decreaseFactor?: number;
  /**
   * The smoothed share of drops among attempts from which on a drop counts, 0 to 1. Below it a few
   * silent calls would starve all others.
   *
   * @default {0.15}
   */
  readonly dropShare?: number;
}

/** What the options of a {@linkcode ConcurrencyLimiter} must be, and are by default. */
export const LIMITER_RULES: OptionRules<LimiterOptions> = {
  initialLimit: { preset: 20, min: 1 },
  decreaseFactor: { preset: 0.9, min: 0, above: true, max: 1 },
  dropShare: { preset: 0.15, min: 0, max: 1 },
};

/** How an attempt ended, as far as it says how much its server can take. */
export type LimiterSample = "success" | "drop" | "none";

/** The weight of the newest attempt in the share of drops. */
const SHARE_ALPHA = 0.1;
/** The limit falls at most once in so long, in milliseconds. */
const MIN_DECREASE_MS = 50;
/** The limit that a gate opens with after it was shut. */
const RAMP_LIMIT = 8;

/**
 * How many attempts one server may be given at once: grows by one per round of successes while it is
 * used, shrinks by a tenth when attempts are dropped (additive increase, multiplicative decrease).
 *
 * @example Drops lower the limit
 * ```ts
 * import { ConcurrencyLimiter } from "@automcp/client";
 * import { assertEquals } from "@std/assert";
 *
 * const limiter = new ConcurrencyLimiter(10, { dropShare: 0 });
 * limiter.enter();
 * limiter.leave("drop");
 * assertEquals(limiter.limit, 9);
 * ```
 */
export class ConcurrencyLimiter {
  readonly #maxLimit: number;
  readonly #minLimit: number;
  readonly #options: Required<LimiterOptions>;
  readonly #clock: Clock;
  readonly #onChange: ((limit: number) => void) | undefined;
  #limit: number;
  #inFlight = 0;
  #dropShare = 0;
  #decreasedAtMs = -Infinity;

  /**
   * Creates a limiter.
   *
   * @param maxLimit The highest limit, an integer >= 1.
   * @param options How it adapts.
   * @param clock The clock that spaces decreases.
   * @param onChange Called with the limit in whole attempts when that has changed. If it throws, the
   * error is reported in a microtask.
   * @throws {TypeError} If an option is unknown or of the wrong type.
   * @throws {RangeError} If the highest limit or an option is out of its range.
   */
  constructor(
    maxLimit: number,
    options: LimiterOptions = {},
    clock: Clock = systemClock,
    onChange?: (limit: number) => void,
  ) {
    this.#options = resolveOptions("create a limiter", options, LIMITER_RULES);
    const rule = { min: 1, integer: true };
    this.#maxLimit = checkNumber("create a limiter", "maxLimit", maxLimit, rule);
    this.#limit = Math.min(this.#options.initialLimit, maxLimit);
    // Where it starts lower it may fall as low again; never does a drop raise it.
    this.#minLimit = Math.min(2, this.#limit);
    this.#clock = clock;
    this.#onChange = notifier(onChange);
  }

  /** The limit, in whole attempts. */
  get limit(): number {
    return Math.floor(this.#limit);
  }

  /** Attempts that have entered and not left. */
  get inFlight(): number {
    return this.#inFlight;
  }

  /** Whether another attempt may enter. */
  get hasRoom(): boolean {
    return this.#inFlight + 1 <= this.#limit;
  }

  /** Counts an attempt that begins. Whoever calls it has asked {@linkcode hasRoom}. */
  enter(): void {
    this.#inFlight++;
  }

  /**
   * Counts an attempt that ended, and learns from it.
   *
   * @param sample What it says of the server.
   * @param p50Ms How long the operation usually takes; decreases are at least so far apart.
   */
  leave(sample: LimiterSample, p50Ms = 0): void {
    const wasUsed = 2 * this.#inFlight >= this.#limit;
    this.#inFlight--;
    if (sample === "none") return;
    const isDrop = sample === "drop";
    this.#dropShare += SHARE_ALPHA * (Number(isDrop) - this.#dropShare);
    if (!isDrop) {
      if (wasUsed) this.#set(this.#limit + 1 / this.#limit);
      return;
    }
    const nowMs = this.#clock.now();
    const isTooSoon = nowMs - this.#decreasedAtMs < Math.max(p50Ms, MIN_DECREASE_MS);
    if (isTooSoon || this.#dropShare < this.#options.dropShare) return;
    this.#decreasedAtMs = nowMs;
    this.#set(this.#limit * this.#options.decreaseFactor);
  }

  /** Starts again from few, so that those who waited for a server do not all come at once. */
  ramp(): void {
    this.#set(Math.min(this.#limit, RAMP_LIMIT));
  }

  #set(limit: number): void {
    const before = this.limit;
    this.#limit = Math.min(this.#maxLimit, Math.max(this.#minLimit, limit));
    if (this.limit !== before) this.#onChange?.(this.limit);
  }
}
