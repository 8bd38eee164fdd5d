import type { Scenario } from "./scenario.ts";
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
  /** Median time to settle of the calls that failed; `null` if none did. */
  readonly failMs: number | null;
  /** Of the calls whose outcome its client calls unknown, those that ran; `null` if there are none. */
  readonly unknownPrecision: number | null;
  /** The most exchanges that were open at once. */
  readonly maxExchanges: number;
  /** Timers, exchanges, jobs, listeners and unheard rejections that are left at rest. */
  readonly leftBehind: number;
  /** Sessions opened for each that a server forgot; `null` if none was. */
  readonly sessionsPerLoss: number | null;
  /** How often credentials were renewed; `null` if there are none. */
  readonly renewals: number | null;
  /** The most sends in 100 ms, of many instances; `null` for one. */
  readonly burst: number | null;
  /** Goodput and p99 of the servers other than the first, with the fault and without. */
  readonly othersGoodput: number | null;
  readonly controlGoodput: number | null;
  readonly othersP99Ms: number | null;
  readonly controlP99Ms: number | null;
  /** The share of calls that can be good; `null` if it is not computed. */
  readonly limit: number | null;
  /** What goodput is short of the limit. */
  readonly gap: number | null;
}

/** {@linkcode Metrics} over several seeds. */
export interface Summary extends Metrics {
  /** The goodput of the seed on which it was lowest. */
  readonly worstSeedGoodput: number;
}

/** What a run is measured against. */
export interface MeasureOptions {
  /** The run of the same client on the same seed without the fault. */
  readonly control?: RunRecord;
  readonly limit?: number | null;
}

/** What a timer may be late. */
export const TICK_MS = 1;
const GOOD_WINDOW_MS = 2_000;
const WINDOW_STEP_MS = 250;
const BURST_MS = 100;
const SECOND_MS = 1_000;

/** Measures one run. */
export function measure(
  run: RunRecord,
  scenario: Scenario,
  { control, limit = null }: MeasureOptions = {},
): Metrics {
  const { calls, sendsMs, rest } = run;
  const { deadlineMs } = scenario;
  const times = toTimes(calls);
  const count = (test: (call: CallRecord) => boolean): number => calls.filter(test).length;
  const unknown = calls.filter(({ isUnknown }) => isUnknown);
  const failTimes = toTimes(calls.filter(({ success }) => !success));
  const goodput = toGoodput(calls, deadlineMs);
  const ofOthers = ({ calls }: RunRecord) => calls.filter(({ server }) => server > 0);
  const others = control && ofOthers(run);
  const untouched = control && ofOthers(control);
  return {
    goodput,
    p50Ms: pickRank(times, 0.5),
    p99Ms: pickRank(times, 0.99),
    p999Ms: pickRank(times, 0.999),
    duplicates: count(isDuplicate),
    misreported: count(isMisreported),
    amplification: sendsMs.length / calls.length,
    recoveryMs: measureRecovery(calls, scenario),
    settledByDeadline: count((call) => call.settledMs - call.atMs <= deadlineMs + TICK_MS) /
      calls.length,
    failMs: failTimes.length > 0 ? pickRank(failTimes, 0.5) : null,
    unknownPrecision: unknown.length > 0
      ? unknown.filter(({ effects }) => effects > 0).length / unknown.length
      : null,
    maxExchanges: run.maxExchanges,
    leftBehind: Object.values(rest).reduce((sum, count) => sum + count, 0),
    sessionsPerLoss: run.sessionsPerLoss,
    renewals: scenario.servers.some(({ expiryMs }) => expiryMs !== undefined) ? run.renewals : null,
    burst: scenario.instances > 1 ? measureBurst(sendsMs) : null,
    othersGoodput: others ? toGoodput(others, deadlineMs) : null,
    controlGoodput: untouched ? toGoodput(untouched, deadlineMs) : null,
    othersP99Ms: others ? pickRank(toTimes(others), 0.99) : null,
    controlP99Ms: untouched ? pickRank(toTimes(untouched), 0.99) : null,
    limit,
    gap: limit === null ? null : limit - goodput,
  };
}

/** Returns the goodput of the calls of each second, `null` for a second without any. */
export function toTimeline({ calls }: RunRecord, scenario: Scenario): (number | null)[] {
  const seconds = Array.from({ length: Math.ceil(scenario.durationMs / SECOND_MS) }, () => {
    return [] as CallRecord[];
  });
  for (const call of calls) seconds[Math.floor(call.atMs / SECOND_MS)]!.push(call);
  return seconds.map((some) => some.length > 0 ? toGoodput(some, scenario.deadlineMs) : null);
}

function toGoodput(calls: readonly CallRecord[], deadlineMs: number): number {
  return calls.filter((call) => isGood(call, deadlineMs)).length / calls.length;
}

function isGood({ success, settledMs, atMs }: CallRecord, deadlineMs: number): boolean {
  return success && settledMs - atMs <= deadlineMs;
}

/** Returns the times to settle, the shortest first. */
function toTimes(calls: readonly CallRecord[]): number[] {
  return calls.map(({ settledMs, atMs }) => settledMs - atMs).sort((a, b) => a - b);
}

/** Whether what must not happen twice did. */
export function isDuplicate({ tool, effects }: CallRecord): boolean {
  return tool === "unsafe" && effects > 1;
}

/** Whether a call that is reported as not run did run. */
export function isMisreported({ claimsNoRun, effects }: CallRecord): boolean {
  return claimsNoRun && effects > 0;
}

/** Metrics of which only the worst seed tells anything: the most, or the least, is the worst. */
const WORST: Readonly<Partial<Record<keyof Metrics, (...values: number[]) => number>>> = {
  duplicates: Math.max,
  misreported: Math.max,
  leftBehind: Math.max,
  settledByDeadline: Math.min,
};

/** Sums up the runs of several seeds: medians, but the worst where only zero or all will do. */
export function summarise(runs: readonly Metrics[]): Summary {
  const sum = (key: keyof Metrics): number | null => {
    const values = runs.map((metrics) => metrics[key]);
    // To never recover is the longest time of all, to have no failure is none.
    const known = key === "recoveryMs"
      ? values.map((value) => value ?? Infinity)
      : values.filter((value) => value !== null);
    if (known.length === 0) return null;
    const total = WORST[key]?.(...known) ?? toMedian(known);
    return total === Infinity ? null : total;
  };
  const keys = Object.keys(runs[0]!) as (keyof Metrics)[];
  const sums = Object.fromEntries(keys.map((key) => [key, sum(key)])) as unknown as Metrics;
  return { ...sums, worstSeedGoodput: Math.min(...runs.map(({ goodput }) => goodput)) };
}

function measureRecovery(
  calls: readonly CallRecord[],
  { windows, durationMs, deadlineMs }: Scenario,
): number | null {
  const endMs = windows.at(-1)?.endMs;
  if (endMs === undefined) return null;
  for (let atMs = endMs; atMs + GOOD_WINDOW_MS <= durationMs; atMs += WINDOW_STEP_MS) {
    const window = calls.filter((call) => call.atMs >= atMs && call.atMs < atMs + GOOD_WINDOW_MS);
    if (window.length > 0 && window.every((call) => isGood(call, deadlineMs))) return atMs - endMs;
  }
  return null;
}

function measureBurst(sendsMs: readonly number[]): number {
  const counts = new Map<number, number>();
  for (const atMs of sendsMs) {
    const bin = Math.floor(atMs / BURST_MS);
    counts.set(bin, (counts.get(bin) ?? 0) + 1);
  }
  return Math.max(...counts.values());
}

/** Returns the value that so many of all, as a share, do not exceed. */
function pickRank(sorted: readonly number[], share: number): number {
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? NaN;
}

/** Returns the median; of an even number, the mean of both. */
export function toMedian(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  if (sorted.length % 2 === 1) return sorted[middle] ?? NaN;
  return ((sorted[middle - 1] ?? NaN) + (sorted[middle] ?? NaN)) / 2;
}
