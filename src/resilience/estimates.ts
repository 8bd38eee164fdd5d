const KEPT_SAMPLES = 500;
const RECOMPUTE_EVERY = 25;
const MIN_SAMPLES_P50 = 20;
const MIN_SAMPLES_P95 = 50;
const MAX_OPERATIONS = 64;
/** The weight of the newest attempt in the moving average. */
const EWMA_ALPHA = 0.2;

interface Samples {
  readonly ring: number[];
  count: number;
  p50Ms: number;
  p95Ms: number | undefined;
}

/**
 * How long the operations of one server take. Percentiles are of the last 500 successes of an
 * operation and are computed again with every 25th; of operations beyond 64 the one that was used
 * least recently is forgotten.
 */
export class LatencyEstimates {
  readonly #operations = new Map<string, Samples>();
  #ewmaMs: number | undefined;

  /** The moving average over all finished attempts, failures and timeouts included; 0 before the first. */
  get ewmaMs(): number {
    return this.#ewmaMs ?? 0;
  }

  /** Half of an operation's successes took at most so long; 0 until 20 are known. */
  p50Ms(operation: string): number {
    return this.#operations.get(operation)?.p50Ms ?? 0;
  }

  /** 95 % of an operation's successes took at most so long; `undefined` until 50 are known. */
  p95Ms(operation: string): number | undefined {
    return this.#operations.get(operation)?.p95Ms;
  }

  /** Learns from an attempt that ended, however it did. */
  addAttempt(elapsedMs: number): void {
    this.#ewmaMs = this.#ewmaMs === undefined
      ? elapsedMs
      : this.#ewmaMs + EWMA_ALPHA * (elapsedMs - this.#ewmaMs);
  }

  /** Learns from an operation that succeeded. */
  addSuccess(operation: string, elapsedMs: number): void {
    const samples = this.#use(operation);
    samples.ring[samples.count % KEPT_SAMPLES] = elapsedMs;
    const count = ++samples.count;
    if (count !== MIN_SAMPLES_P50 && count % RECOMPUTE_EVERY !== 0) return;
    const sorted = Float64Array.from(samples.ring).sort();
    samples.p50Ms = pickRank(sorted, 0.5);
    if (count >= MIN_SAMPLES_P95) samples.p95Ms = pickRank(sorted, 0.95);
  }

  #use(operation: string): Samples {
    const known = this.#operations.get(operation);
    // Insertion order is the order of use.
    if (known !== undefined) this.#operations.delete(operation);
    const samples = known ?? { ring: [], count: 0, p50Ms: 0, p95Ms: undefined };
    this.#operations.set(operation, samples);
    if (this.#operations.size > MAX_OPERATIONS) {
      for (const oldest of this.#operations.keys()) {
        this.#operations.delete(oldest);
        break;
      }
    }
    return samples;
  }
}

function pickRank(sorted: Float64Array, share: number): number {
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? 0;
}
