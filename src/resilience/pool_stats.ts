import type { DestroyReason } from "./pool_options.ts";

/** A pool at one moment: plain data. */
export interface PoolStats {
  /** Resources in use: idle, busy and validating. */
  readonly size: number;
  /** Resources without a lease. */
  readonly idle: number;
  /** Resources with a lease. */
  readonly busy: number;
  /** Resources being validated before they are lent. */
  readonly validating: number;
  /** Resources that are lent no more and whose last leases are still out. */
  readonly draining: number;
  /** Resources being destroyed. */
  readonly closing: number;
  /** Resources being created. */
  readonly creating: number;
  /** Callers that wait for a lease. */
  readonly waiting: number;
  /** Leases that are out. */
  readonly leases: number;
  /** The most leases at once. */
  readonly poolSize: number;
  /** The most resources at once. */
  readonly maxResources: number;
  /** Resources created so far, without those that were unusable at once. */
  readonly created: number;
  /** Creations that failed so far, or whose resource was unusable at once. */
  readonly createFailed: number;
  /** Resources destroyed so far, by reason. */
  readonly destroyed: Readonly<Record<DestroyReason, number>>;
  /** Leases that were reported as out for too long. */
  readonly leaks: number;
  /** How long granted leases were waited for: how many waited up to so many milliseconds. */
  readonly acquireWait: readonly WaitBucket[];
}

/** One bar of a histogram of waits. */
export interface WaitBucket {
  /** The longest wait that counts here, in milliseconds; `null` is without limit. */
  readonly upToMs: number | null;
  /** How many waits were not longer, and longer than the bar before. */
  readonly count: number;
}

const LIMITS_MS: readonly number[] = [0, 1, 10, 100, 1_000, 10_000];

/** Makes the counts of a histogram of waits: a bar for each limit, and one beyond. */
export function createWaitCounts(): number[] {
  return new Array<number>(LIMITS_MS.length + 1).fill(0);
}

/** Counts one wait. */
export function countWait(counts: number[], waitMs: number): void {
  let bar = 0;
  while (bar < LIMITS_MS.length && waitMs > LIMITS_MS[bar]!) bar++;
  counts[bar]!++;
}

/** Returns the bars, the shortest waits first. */
export function toWaitBuckets(counts: readonly number[]): WaitBucket[] {
  return counts.map((count, bar) => ({ upToMs: LIMITS_MS[bar] ?? null, count }));
}
