const HALF_LIFE_MS = 10_000;
const DECAY_PER_MS = Math.LN2 / HALF_LIFE_MS;
const MIN_SAMPLES = 3;
const MIN_SPAN_MS = 1_000;
const MAX_STALL_GAPS = 3;
/** Below this distance a sample tells more of the timer than of the pace; it joins the next one. */
const MIN_GAP_MS = 50;

/** When the work is expected to end, in milliseconds from the instant that was asked for. */
export interface Estimate {
  /** The expected time. */
  readonly etaMs: number;
  /** The time at one standard deviation more pace; not above `etaMs`. */
  readonly lowMs: number;
  /** The time at one standard deviation less pace; not below `etaMs`. */
  readonly highMs: number;
}

/**
 * Learns the pace of one attempt: exponentially weighted means over time (half-life 10 s) of the
 * progress per millisecond, of its square and of the number of samples.
 */
export class PaceEstimate {
  #samples = 0;
  #firstMs = 0;
  #lastMs = 0;
  #progress = 0;
  #weight = 0;
  #pace = 0;
  #paceSquared = 0;
  #samplesPerMs = 0;

  /**
   * Learns from one report.
   *
   * @param progress How far the attempt is; grows from call to call.
   * @param atMs When it was reported, on the monotonic clock.
   */
  sample(progress: number, atMs: number): void {
    const gapMs = atMs - this.#lastMs;
    if (this.#samples === 0) {
      this.#firstMs = atMs;
    } else if (gapMs < MIN_GAP_MS) {
      return;
    } else {
      const pace = (progress - this.#progress) / gapMs;
      const gain = -Math.expm1(-DECAY_PER_MS * gapMs);
      this.#weight += (1 - this.#weight) * gain;
      this.#pace += (pace - this.#pace) * gain;
      this.#paceSquared += (pace * pace - this.#paceSquared) * gain;
      this.#samplesPerMs += (1 / gapMs - this.#samplesPerMs) * gain;
    }
    this.#samples += 1;
    this.#lastMs = atMs;
    this.#progress = progress;
  }

  /**
   * Estimates when the rest is done.
   *
   * @param total What the progress grows to.
   * @param nowMs The instant to count from, on the monotonic clock.
   * @returns The estimate; `undefined` while too little is known, and during a stall.
   */
  estimate(total: number, nowMs: number): Estimate | undefined {
    if (this.#samples < MIN_SAMPLES || this.#lastMs - this.#firstMs < MIN_SPAN_MS) return;
    const sinceMs = Math.max(0, nowMs - this.#lastMs);
    if (sinceMs * this.#samplesPerMs > MAX_STALL_GAPS * this.#weight) return;
    // The means start at 0; dividing by the weight takes out what that pulls them down.
    const pace = this.#pace / this.#weight;
    const variance = Math.max(0, this.#paceSquared / this.#weight - pace * pace);
    const spread = 1 + Math.sqrt(variance) / pace;
    const restMs = Math.max(0, total - this.#progress) / pace;
    if (!Number.isFinite(restMs * spread)) return;
    return {
      etaMs: Math.max(0, restMs - sinceMs),
      lowMs: Math.max(0, restMs / spread - sinceMs),
      highMs: Math.max(0, restMs * spread - sinceMs),
    };
  }
}
