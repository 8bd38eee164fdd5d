import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { LatencyEstimates } from "../../src/resilience/estimates.ts";

/** The time that a share of the samples does not exceed, as naively as it can be said. */
function naivePercentile(samples: readonly number[], share: number): number {
  const kept = samples.slice(-500);
  const sorted = [...new Set(kept)].sort((a, b) => a - b);
  return sorted.find((ms) => kept.filter((other) => other <= ms).length >= share * kept.length)!;
}

/** As many samples as were there when it was last computed. */
const known = (samples: readonly number[], least: number): readonly number[] => {
  const counts = samples.map((_, index) => index + 1);
  const last = counts.findLast((count) => count >= least && (count === 20 || count % 25 === 0));
  return samples.slice(0, last ?? 0);
};

Deno.test("D5 LatencyEstimates gives the p50 and p95 of a naive list", () => {
  const lengths = fc.constantFrom(19, 20, 24, 25, 26, 49, 50, 51, 99, 100, 499, 500, 510, 550, 620);
  const sample = fc.oneof(fc.nat(20), fc.double({ min: 0, max: 1e4, noNaN: true }));
  const samples = lengths.chain((length) =>
    fc.array(sample, { minLength: length, maxLength: length, size: "max" })
  );
  fc.assert(
    fc.property(samples, (samples) => {
      const estimates = new LatencyEstimates();
      for (const [index, ms] of samples.entries()) {
        estimates.addSuccess("add", ms);
        if (samples.length - index > 2) continue;
        const seen = samples.slice(0, index + 1);
        const [half, most] = [known(seen, 20), known(seen, 50)];
        const p50Ms = half.length === 0 ? 0 : naivePercentile(half, 0.5);
        const p95Ms = most.length === 0 ? undefined : naivePercentile(most, 0.95);
        assertEquals([estimates.p50Ms("add"), estimates.p95Ms("add")], [p50Ms, p95Ms]);
      }
    }),
    { numRuns: 300 },
  );
});

Deno.test("D5 LatencyEstimates knows p50 from 20 successes on, p95 from 50 on, of each operation", () => {
  const estimates = new LatencyEstimates();
  const seen: unknown[] = [];
  for (let count = 1; count <= 50; count++) {
    estimates.addSuccess("add", count);
    if ([19, 20, 24, 25, 49, 50].includes(count)) {
      seen.push([count, estimates.p50Ms("add"), estimates.p95Ms("add")]);
    }
  }
  assertEquals(seen, [
    [19, 0, undefined],
    [20, 10, undefined],
    [24, 10, undefined],
    [25, 13, undefined],
    [49, 13, undefined],
    [50, 25, 48],
  ]);
  assertEquals([estimates.p50Ms("sum"), estimates.p95Ms("sum")], [0, undefined]);
});

Deno.test("D5 LatencyEstimates forgets what is older than the last 500 successes", () => {
  const estimates = new LatencyEstimates();
  for (let i = 0; i < 500; i++) estimates.addSuccess("add", 1_000);
  for (let i = 0; i < 250; i++) estimates.addSuccess("add", 10);
  assertEquals([estimates.p50Ms("add"), estimates.p95Ms("add")], [10, 1_000]);
  for (let i = 0; i < 225; i++) estimates.addSuccess("add", 10);
  assertEquals([estimates.p50Ms("add"), estimates.p95Ms("add")], [10, 10]);
});

Deno.test("D5 LatencyEstimates keeps 64 operations, those that succeeded last", () => {
  const estimates = new LatencyEstimates();
  for (let operation = 0; operation < 64; operation++) {
    for (let i = 0; i < 20; i++) estimates.addSuccess(`${operation}`, 7);
  }
  estimates.addSuccess("0", 7);
  for (let i = 0; i < 20; i++) estimates.addSuccess("new", 7);
  const known = ["0", "1", "2", "63", "new"].map((operation) => estimates.p50Ms(operation));
  assertEquals(known, [7, 0, 7, 7, 7]);
});

Deno.test("D5 LatencyEstimates averages all attempts, a fifth of it the newest", () => {
  const estimates = new LatencyEstimates();
  assertEquals(estimates.ewmaMs, 0);
  estimates.addAttempt(100);
  assertEquals(estimates.ewmaMs, 100);
  estimates.addAttempt(200);
  assertEquals(estimates.ewmaMs, 120);
  estimates.addAttempt(0);
  assertEquals(estimates.ewmaMs, 96);
  assertEquals(estimates.p50Ms("add"), 0);
  const samples = fc.array(fc.nat(10_000), { minLength: 1, maxLength: 40, size: "max" });
  fc.assert(fc.property(samples, (samples) => {
    const estimates = new LatencyEstimates();
    for (const ms of samples) estimates.addAttempt(ms);
    const last = samples.length - 1;
    const naive = samples.reduce(
      (sum, ms, index) => sum + ms * 0.8 ** (last - index) * (index === 0 ? 1 : 0.2),
      0,
    );
    assert(Math.abs(estimates.ewmaMs - naive) < 1e-6);
  }));
});
