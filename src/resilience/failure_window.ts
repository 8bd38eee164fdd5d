import type { Clock } from "./clock.ts";

const BUCKETS = 10;

/** How many results there were of late, and how many of them were failures. */
export interface FailureCounts {
  readonly results: number;
  readonly failures: number;
}

/**
 * Counts results of the last so many milliseconds in ten buckets. Those whose time is over are
 * dropped on every reading and every writing: a failure after an hour of silence is alone.
 */
export class FailureWindow {
  readonly #clock: Clock;
  readonly #bucketMs: number;
  readonly #results = new Array<number>(BUCKETS).fill(0);
  readonly #failures = new Array<number>(BUCKETS).fill(0);
  #newest: number;
  #sum = { results: 0, failures: 0 };

  constructor(windowMs: number, clock: Clock) {
    this.#clock = clock;
    this.#bucketMs = windowMs / BUCKETS;
    this.#newest = this.#bucketNow();
  }

  /** Counts a result and returns the counts with it. */
  add(isFailure: boolean): FailureCounts {
    this.#rotate();
    const bucket = this.#newest % BUCKETS;
    this.#results[bucket]!++;
    this.#sum.results++;
    if (isFailure) {
      this.#failures[bucket]!++;
      this.#sum.failures++;
    }
    return this.#sum;
  }

  /** What was counted and is not too old. */
  get counts(): FailureCounts {
    this.#rotate();
    return this.#sum;
  }

  /** Forgets everything. */
  clear(): void {
    this.#results.fill(0);
    this.#failures.fill(0);
    this.#sum = { results: 0, failures: 0 };
  }

  #bucketNow(): number {
    return Math.floor(Math.max(0, this.#clock.now()) / this.#bucketMs);
  }

  #rotate(): void {
    const now = this.#bucketNow();
    for (let bucket = this.#newest + 1; bucket <= now && this.#sum.results > 0; bucket++) {
      const old = bucket % BUCKETS;
      this.#sum.results -= this.#results[old]!;
      this.#sum.failures -= this.#failures[old]!;
      this.#results[old] = this.#failures[old] = 0;
    }
    this.#newest = Math.max(this.#newest, now);
  }
}
