import { assertEquals } from "@std/assert";
import { measure, type Metrics, summarise, toTimeline } from "../../bench/chaos/metrics.ts";
import { define } from "../../bench/chaos/scenario.ts";
import type { CallRecord, RunRecord } from "../../bench/chaos/simulate.ts";

const SCENARIO = define("T", "a test", "", {}, {
  deadlineMs: 1_000,
  durationMs: 10_000,
  windows: [{ startMs: 3_000, endMs: 4_000 }],
});

/** A run of 100 calls, the n-th of which takes n ms. */
function createRun(changes: Record<number, Partial<CallRecord>> = {}): RunRecord {
  return {
    calls: Array.from({ length: 100 }, (_, index): CallRecord => ({
      index,
      atMs: index * 100,
      tool: "unsafe",
      server: index % 2,
      instance: 0,
      settledMs: index * 100 + index,
      success: true,
      claimsNoRun: false,
      isUnknown: false,
      effects: 1,
      ...changes[index],
    })),
    sendsMs: Array.from({ length: 110 }, (_, at) => at < 3 ? 50 : at * 90),
    maxExchanges: 4,
    sessionsPerLoss: null,
    renewals: 0,
    rest: { timers: 0, exchanges: 1, jobs: 0, listeners: 2, rejections: 0 },
    trace: [],
  };
}

Deno.test("measure counts late successes, duplicates, false claims and the first good window", () => {
  const run = createRun({
    0: { settledMs: 5_000 },
    1: { success: false, claimsNoRun: true },
    2: { effects: 2 },
    41: { success: false, isUnknown: true },
    3: { success: false, isUnknown: true, effects: 0 },
  });
  assertEquals(measure(run, SCENARIO, { limit: 0.99 }), {
    goodput: 0.96,
    p50Ms: 50,
    p99Ms: 99,
    p999Ms: 5_000,
    duplicates: 1,
    misreported: 1,
    amplification: 1.1,
    recoveryMs: 250,
    settledByDeadline: 0.99,
    failMs: 3,
    unknownPrecision: 0.5,
    maxExchanges: 4,
    leftBehind: 3,
    sessionsPerLoss: null,
    renewals: null,
    burst: null,
    othersGoodput: null,
    controlGoodput: null,
    othersP99Ms: null,
    controlP99Ms: null,
    limit: 0.99,
    gap: 0.99 - 0.96,
  });
});

Deno.test("measure compares the servers other than the first with a run without the fault", () => {
  const run = createRun({ 0: { success: false }, 1: { success: false } });
  const scenario = { ...SCENARIO, instances: 2 };
  const { othersGoodput, othersP99Ms, controlGoodput, controlP99Ms, burst } = measure(
    run,
    scenario,
    {
      control: createRun({ 99: { settledMs: 9_901 } }),
    },
  );
  assertEquals([othersGoodput, othersP99Ms], [0.98, 99]);
  assertEquals([controlGoodput, controlP99Ms], [1, 97]);
  assertEquals(burst, 3);
});

Deno.test("toTimeline tells the goodput of each second, and nothing of one without calls", () => {
  const run = createRun({ 10: { success: false } });
  const timeline = toTimeline(run, { ...SCENARIO, durationMs: 11_000 });
  assertEquals(timeline, [1, 0.9, 1, 1, 1, 1, 1, 1, 1, 1, null]);
});

Deno.test("summarise takes medians, but the worst of what must be zero or all", () => {
  const metrics = measure(createRun(), SCENARIO);
  const bad: Metrics = {
    ...metrics,
    goodput: 0.5,
    duplicates: 2,
    settledByDeadline: 0.9,
    recoveryMs: null,
    failMs: 7,
  };
  const one = summarise([metrics, metrics, bad]);
  assertEquals([one.goodput, one.worstSeedGoodput], [1, 0.5]);
  assertEquals([one.duplicates, one.settledByDeadline, one.leftBehind], [2, 0.9, 3]);
  // Of those seeds that have failures, the median; what never recovers is slower than all others.
  assertEquals([one.failMs, one.recoveryMs], [7, 0]);
  assertEquals(summarise([metrics, bad, bad]).recoveryMs, null);
});
