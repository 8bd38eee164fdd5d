import { FakeClock } from "./fake_clock.ts";

/**
 * A clock that stands still beside real sockets: what ends on it has ended at once, and not because a
 * timer fired. Only waits that a test allows come to their end, without delay.
 */
export class StandingClock extends FakeClock {
  readonly #allowedMs: number;

  /** @param allowedMs The longest wait that ends. */
  constructor(allowedMs = 0) {
    super();
    this.#allowedMs = allowedMs;
  }

  override setTimer(ms: number, callback: () => void): () => void {
    if (ms > this.#allowedMs) return super.setTimer(ms, callback);
    const timer = setTimeout(callback, 0);
    return () => clearTimeout(timer);
  }
}
