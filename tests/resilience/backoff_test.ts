import { assert, assertEquals } from "@std/assert";
import { type BackoffOptions, drawBackoffMs } from "../../src/resilience/backoff.ts";
import { MAX_TIMER_MS } from "../../src/resilience/clock.ts";
import { createRandom } from "../support/random.ts";

Deno.test("R2 drawBackoffMs() is uniform from 0 to its ceiling", () => {
  const [draws, bins] = [100_000, 20];
  for (
    const [failures, ceilingMs] of [[1, 100], [3, 225], [8, 1_708.59375], [60, 2_000]] as const
  ) {
    const random = createRandom(failures);
    const counts = new Array<number>(bins).fill(0);
    for (let draw = 0; draw < draws; draw++) {
      const waitMs = drawBackoffMs(failures, {}, random);
      assert(waitMs >= 0 && waitMs < ceilingMs, `${waitMs}`);
      counts[Math.floor(waitMs / ceilingMs * bins)]!++;
    }
    const expected = draws / bins;
    const chiSquare = counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
    // With 19 degrees of freedom, 43.8 is exceeded once in a thousand times by chance.
    assert(chiSquare < 43.8, `k = ${failures}: ${chiSquare}`);
  }
});

Deno.test("R2 drawBackoffMs() never overflows, whatever the options and failures", () => {
  const values = [0, 1, 100, 1e308, Infinity];
  for (const failures of [1, 2, 60, 1_075, 1e9, Number.MAX_SAFE_INTEGER]) {
    for (const baseDelayMs of values) {
      for (const maxDelayMs of values) {
        for (const backoffFactor of [1, 1.5, 1e308, Infinity]) {
          for (const share of [0, 0.5, 1 - 2 ** -53]) {
            const options = { baseDelayMs, maxDelayMs, backoffFactor };
            const waitMs = drawBackoffMs(failures, options, () => share);
            const text = JSON.stringify([failures, options, share, waitMs]);
            assert(waitMs >= 0 && waitMs <= Math.min(maxDelayMs, MAX_TIMER_MS), text);
          }
        }
      }
    }
  }
});

Deno.test("R2 drawBackoffMs() grows by its factor up to its limit; factor 1 stays", () => {
  const ceilings = (options: BackoffOptions): number[] =>
    [1, 2, 3, 4, 60].map((failures) => 2 * drawBackoffMs(failures, options, () => 0.5));
  assertEquals(ceilings({}), [100, 150, 225, 337.5, 2_000]);
  assertEquals(ceilings({ backoffFactor: 1 }), [100, 100, 100, 100, 100]);
  assertEquals(ceilings({ backoffFactor: 10, baseDelayMs: 1, maxDelayMs: 500 }), [
    ...[1, 10, 100, 500, 500],
  ]);
  assertEquals(ceilings({ baseDelayMs: 5_000 }), [2_000, 2_000, 2_000, 2_000, 2_000]);
  assertEquals(ceilings({ baseDelayMs: 0, backoffFactor: Infinity }), [0, 0, 0, 0, 0]);
  assertEquals(ceilings({ maxDelayMs: 0 }), [0, 0, 0, 0, 0]);
});
