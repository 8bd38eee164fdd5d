const KEPT_SAMPLES = 500;
const RECOMPUTE_EVERY = 25;
const MIN_SAMPLES_P50 = 20;
const MIN_SAMPLES_P95 = 50;
const MAX_OPERATIONS = 64;
/** The weight of the newest attempt in the moving average. */
const EWMA_ALPHA = 0.2;

interface Samples {
  readonly operation: string;
  /** The newest, in the order of their coming. */
  readonly ring: Float64Array;
  /** The same by length, the shortest first: to sort them anew would cost more than a call does. */
  readonly sorted: Float64Array;
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
  /** Those of the operation that was used last. */
  #newest: Samples | undefined;
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
    keep(samples, elapsedMs);
    const { count } = samples;
    if (count !== MIN_SAMPLES_P50 && count % RECOMPUTE_EVERY !== 0) return;
    const kept = samples.sorted.subarray(0, Math.min(count, KEPT_SAMPLES));
    samples.p50Ms = pickRank(kept, 0.5);
    if (count >= MIN_SAMPLES_P95) samples.p95Ms = pickRank(kept, 0.95);
  }

  #use(operation: string): Samples {
    if (this.#newest?.operation === operation) return this.#newest;
    const known = this.#operations.get(operation);
    // Insertion order is the order of use.
    if (known !== undefined) this.#operations.delete(operation);
    const samples = this.#newest = known ?? createSamples(operation);
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

function createSamples(operation: string): Samples {
  const ring = new Float64Array(KEPT_SAMPLES);
  const sorted = new Float64Array(KEPT_SAMPLES).fill(Infinity);
  return { operation, ring, sorted, count: 0, p50Ms: 0, p95Ms: undefined };
}

/** Puts a new sample in the place of the oldest one, or of none: there `Infinity` stands. */
function keep(samples: Samples, elapsedMs: number): void {
  const { ring, sorted, count } = samples;
  const place = count % KEPT_SAMPLES;
  const from = findPlace(sorted, count < KEPT_SAMPLES ? Infinity : ring[place]!);
  let to = findPlace(sorted, elapsedMs);
  if (to > from) sorted.copyWithin(from, from + 1, to--);
  else sorted.copyWithin(to + 1, to, from);
  sorted[to] = ring[place] = elapsedMs;
  samples.count++;
}

/** The first place whose sample is not shorter. */
function findPlace(sorted: Float64Array, ms: number): number {
  let from = 0;
  let to = sorted.length;
  while (from < to) {
    const middle = (from + to) >>> 1;
    if (sorted[middle]! < ms) from = middle + 1;
    else to = middle;
  }
  return from;
}

function pickRank(sorted: Float64Array, share: number): number {
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? 0;
}
