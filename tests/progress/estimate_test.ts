import { assert, assertEquals, assertGreater, assertLess } from "@std/assert";
import fc from "fast-check";
import { type Estimate, PaceEstimate } from "../../src/progress/estimate.ts";
import { track } from "./support.ts";

/** When each percent of the work is reported, in milliseconds. */
type Trace = readonly number[];

interface Forecast {
  readonly truthMs: number;
  readonly estimate: Estimate | undefined;
}

/** Returns what was expected at each percent. */
function forecasts(trace: Trace): Forecast[] {
  const pace = new PaceEstimate();
  return trace.map((atMs, percent) => {
    pace.sample(percent, atMs);
    return { truthMs: trace.at(-1)! - atMs, estimate: pace.estimate(100, atMs) };
  });
}

function makeTrace(atMs: (share: number) => number): Trace {
  return Array.from({ length: 101 }, (_, percent) => atMs(percent / 100));
}

function errorRatio({ truthMs, estimate }: Forecast): number {
  return Math.abs(estimate!.etaMs - truthMs) / truthMs;
}

Deno.test("PaceEstimate G4: is within 10 % after a quarter of a linear trace", async () => {
  for (const [everyMs, reports] of [[20, 1_000], [500, 120], [3_000, 200], [30_000, 40]] as const) {
    const { clock, tracker, report } = track();
    for (let i = 0; i < reports; i++) {
      report(i, reports);
      if (i >= reports / 4) {
        const { etaMs, etaLowMs, etaHighMs } = tracker.getProgress("a")!;
        const truthMs = (reports - i) * everyMs;
        assert(Math.abs(etaMs! - truthMs) <= 0.1 * truthMs, `${etaMs} at ${i} of ${reports}`);
        assert(etaLowMs! <= etaMs! && etaMs! <= etaHighMs!);
      }
      await clock.advance(everyMs);
    }
  }
});

Deno.test("PaceEstimate G4: follows an accelerating trace from above", () => {
  const seen = forecasts(makeTrace((share) => 60_000 * Math.sqrt(share)));
  const errors = [25, 50, 75, 95].map((percent) => errorRatio(seen[percent]!));
  for (let i = 1; i < errors.length; i++) assertLess(errors[i]!, errors[i - 1]!);
  for (const { estimate, truthMs } of seen.slice(25, 100)) assertGreater(estimate!.etaMs, truthMs);
});

Deno.test("PaceEstimate G4: brackets the truth of a jumpy trace", () => {
  let seed = 7;
  const random = (): number => (seed = (seed * 48_271) % 2_147_483_647) / 2_147_483_647;
  let atMs = 0;
  const trace = makeTrace(() => atMs += 600 * (0.1 + 2 * random()));
  for (const forecast of forecasts(trace).slice(25, 90)) {
    const { lowMs, highMs } = forecast.estimate!;
    assertLess(lowMs, forecast.truthMs);
    assertGreater(highMs, forecast.truthMs);
    assertLess(errorRatio(forecast), 0.5);
  }
});

Deno.test("PaceEstimate G4: knows nothing during a stall of more than three gaps", async () => {
  const { clock, tracker, report } = track();
  for (let i = 0; i <= 20; i++) {
    if (i > 0) await clock.advance(1_000);
    report(i, 100);
  }
  assertEquals(Math.round(tracker.getProgress("a")!.etaMs!), 80_000);
  await clock.advance(2_900);
  assertEquals(Math.round(tracker.getProgress("a")!.etaMs!), 77_100);
  await clock.advance(200);
  const { etaMs, etaLowMs, etaHighMs } = tracker.getProgress("a")!;
  assertEquals([etaMs, etaLowMs, etaHighMs], [undefined, undefined, undefined]);
  report(21, 100);
  assertGreater(tracker.getProgress("a")!.etaMs!, 79_000);
});

Deno.test("PaceEstimate G4: waits for three samples and one second", () => {
  const pace = new PaceEstimate();
  pace.sample(0, 0);
  pace.sample(1, 2_000);
  assertEquals(pace.estimate(10, 2_000), undefined);
  pace.sample(2, 4_000);
  assert(pace.estimate(10, 4_000) !== undefined);
  const quick = new PaceEstimate();
  for (let atMs = 0; atMs < 1_000; atMs += 100) quick.sample(atMs, atMs);
  assertEquals(quick.estimate(5_000, 900), undefined);
  quick.sample(1_000, 1_000);
  assertEquals(Math.round(quick.estimate(5_000, 1_000)!.etaMs), 4_000);
});

Deno.test("PaceEstimate G4: starts anew with an attempt and needs a total", async () => {
  const { clock, tracker, report } = track();
  for (let i = 0; i <= 20; i++) {
    report(i, 100);
    await clock.advance(1_000);
  }
  assert(tracker.getProgress("a")!.etaMs !== undefined);
  report(21);
  assertEquals(tracker.getProgress("a")!.etaMs, undefined);
  tracker.startAttempt("a", 2);
  report(1, 100);
  assertEquals(tracker.getProgress("a")!.etaMs, undefined);
});

Deno.test("PaceEstimate G4: is finite and ordered, or absent, for any input", () => {
  const value = fc.double({ noNaN: true, min: 0, max: Number.MAX_VALUE });
  const gapMs = fc.oneof(fc.constant(0), fc.double({ noNaN: true, min: 0, max: 1e12 }));
  fc.assert(fc.property(
    fc.array(fc.tuple(value, gapMs), { minLength: 3, maxLength: 20 }),
    value,
    gapMs,
    (reports, total, waitMs) => {
      const pace = new PaceEstimate();
      let atMs = 0;
      for (const [progress] of reports.toSorted(([a], [b]) => a - b)) {
        pace.sample(progress, atMs += 500);
      }
      for (const [, gap] of reports) pace.sample(Number.MAX_VALUE, atMs += gap);
      const estimate = pace.estimate(total, atMs + waitMs);
      if (estimate === undefined) return;
      const { etaMs, lowMs, highMs } = estimate;
      assert([lowMs, etaMs, highMs].every((ms) => Number.isFinite(ms) && ms >= 0));
      assert(lowMs <= etaMs && etaMs <= highMs);
    },
  ));
});
