import { checkNumber } from "../errors/misuse.ts";
import { type Clock, systemClock } from "./clock.ts";

const INSTANT = { min: -Infinity };
const LENGTH = { min: 0 };

/**
 * An instant after which nothing is worth doing. Passed down through every layer; nothing extends
 * it, and of two the nearer wins.
 *
 * @example The nearer of two deadlines wins
 * ```ts
 * import { Deadline } from "@automcp/client";
 * import { assert } from "@std/assert";
 *
 * const call = Deadline.after(30_000);
 * const caller = Deadline.after(5_000);
 * assert(call.nearer(caller).remainingMs() <= 5_000);
 * ```
 */
export class Deadline {
  /** The instant, in milliseconds of the clock's monotonic time. */
  readonly atMs: number;
  readonly #clock: Clock;

  /**
   * Creates a deadline at an instant.
   *
   * @param atMs The instant, in milliseconds of the clock's monotonic time; `Infinity` never comes.
   * @param clock The clock that it is measured on.
   * @throws {RangeError} If the instant is not a number.
   */
  constructor(atMs: number, clock: Clock = systemClock) {
    this.atMs = checkNumber("set a deadline", "atMs", atMs, INSTANT);
    this.#clock = clock;
  }

  /**
   * Returns the deadline that lies a length of time ahead.
   *
   * @param timeoutMs The length in milliseconds, >= 0; `Infinity` never comes.
   * @param clock The clock that it is measured on.
   * @returns The deadline.
   * @throws {RangeError} If the length is negative or not a number.
   *
   * @example A deadline half a minute ahead
   * ```ts
   * import { Deadline } from "@automcp/client";
   * import { assertEquals } from "@std/assert";
   *
   * assertEquals(Deadline.after(30_000).isPast(), false);
   * ```
   */
  static after(timeoutMs: number, clock: Clock = systemClock): Deadline {
    checkNumber("set a deadline", "timeoutMs", timeoutMs, LENGTH);
    return new Deadline(clock.now() + timeoutMs, clock);
  }

  /** Returns the time that remains in milliseconds, >= 0. */
  remainingMs(): number {
    return Math.max(0, this.atMs - this.#clock.now());
  }

  /**
   * Returns the instant on a clock, which may be another one.
   *
   * @param clock The clock.
   * @returns The instant, in milliseconds of that clock's monotonic time.
   */
  atMsOn(clock: Clock): number {
    return clock === this.#clock ? this.atMs : clock.now() + this.remainingMs();
  }

  /** Tells whether the instant has come. */
  isPast(): boolean {
    return this.#clock.now() >= this.atMs;
  }

  /**
   * Returns the nearer of this deadline and another one.
   *
   * @param other Another deadline on the same clock, or none.
   */
  nearer(other: Deadline | undefined): Deadline {
    return other !== undefined && other.atMs < this.atMs ? other : this;
  }
}
