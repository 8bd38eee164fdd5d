import type { Scenario } from "./scenarios.ts";
import type { CallRecord, RunRecord } from "./simulate.ts";

/** What one client achieved in one scenario. Ratios are 0 to 1. */
export interface Metrics {
  /** Successes within the deadline, of all calls. */
  readonly goodput: number;
  /** Times to settle over all calls, failures included. */
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
  /** Unsafe calls whose effect came about more than once. */
  readonly duplicates: number;
  /** Calls reported as not run that did. */
  readonly misreported: number;
  /** Sends and refused connections per logical call. */
  readonly amplification: number;
  /** From the end of the fault to the first 2 s in which every call is good; `null` for never. */
  readonly recoveryMs: number | null;
  /** Calls settled by their deadline and one tick, of all calls. */
  readonly settledByDeadline: number;
}

/** {@linkcode Metrics} over several seeds. */
export interface Summary extends Metrics {
  /** The goodput of the seed on which it was lowest. */
  readonly worstSeedGoodput: number;
}

/** What a timer may be late. */
export const TICK_MS = 1;
const GOOD_WINDOW_MS = 2_000;
const WINDOW_STEP_MS = 250;

/** Measures one run. */
export function measure({ calls, sends }: RunRecord, scenario: Scenario): Metrics {
  const { deadlineMs } = scenario;
  const times = calls.map((call) => call.settledMs - call.atMs).sort((a, b) => a - b);
  const isGood = (call: CallRecord): boolean =>
    call.success && call.settledMs - call.atMs <= deadlineMs;
  const count = (test: (call: CallRecord) => boolean): number => calls.filter(test).length;
  return {
    goodput: count(isGood) / calls.length,
    p50Ms: pickRank(times, 0.5),
    p99Ms: pickRank(times, 0.99),
    p999Ms: pickRank(times, 0.999),
    duplicates: count(isDuplicate),
    misreported: count(isMisreported),
    amplification: sends / calls.length,
    recoveryMs: measureRecovery(calls, scenario, isGood),
    settledByDeadline: count((call) => call.settledMs - call.atMs <= deadlineMs + TICK_MS) /
      calls.length,
  };
}

/** Whether what must not happen twice did. */
export function isDuplicate({ tool, effects }: CallRecord): boolean {
  return tool === "unsafe" && effects > 1;
}

/** Whether a call that is reported as not run did run. */
export function isMisreported({ claimsNoRun, effects }: CallRecord): boolean {
  return claimsNoRun && effects > 0;
}

/** Sums up the runs of several seeds: medians, but the worst where only zero or all will do. */
export function summarise(runs: readonly Metrics[]): Summary {
  const medianOf = (pick: (metrics: Metrics) => number): number => toMedian(runs.map(pick));
  const worstOf = (pick: (metrics: Metrics) => number): number => Math.max(...runs.map(pick));
  const recovery = medianOf(({ recoveryMs }) => recoveryMs ?? Infinity);
  return {
    goodput: medianOf(({ goodput }) => goodput),
    p50Ms: medianOf(({ p50Ms }) => p50Ms),
    p99Ms: medianOf(({ p99Ms }) => p99Ms),
    p999Ms: medianOf(({ p999Ms }) => p999Ms),
    duplicates: worstOf(({ duplicates }) => duplicates),
    misreported: worstOf(({ misreported }) => misreported),
    amplification: medianOf(({ amplification }) => amplification),
    recoveryMs: recovery === Infinity ? null : recovery,
    settledByDeadline: -worstOf(({ settledByDeadline }) => -settledByDeadline),
    worstSeedGoodput: -worstOf(({ goodput }) => -goodput),
  };
}

function measureRecovery(
  calls: readonly CallRecord[],
  { faultEndMs, durationMs }: Scenario,
  isGood: (call: CallRecord) => boolean,
): number | null {
  if (faultEndMs === undefined) return null;
  for (let atMs = faultEndMs; atMs + GOOD_WINDOW_MS <= durationMs; atMs += WINDOW_STEP_MS) {
    const window = calls.filter((call) => call.atMs >= atMs && call.atMs < atMs + GOOD_WINDOW_MS);
    if (window.length > 0 && window.every(isGood)) return atMs - faultEndMs;
  }
  return null;
}

/** Returns the value that so many of all, as a share, do not exceed. */
function pickRank(sorted: readonly number[], share: number): number {
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? NaN;
}

function toMedian(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  if (sorted.length % 2 === 1) return sorted[middle] ?? NaN;
  return ((sorted[middle - 1] ?? NaN) + (sorted[middle] ?? NaN)) / 2;
}
