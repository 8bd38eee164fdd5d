import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import fc from "fast-check";
import { Deadline } from "../../src/resilience/deadline.ts";
import { type FailedAttempt, retry, type RetryOptions } from "../../src/resilience/retry.ts";
import { FakeClock } from "../support/fake_clock.ts";

const P50_MS = 400;
const FAILED: FailedAttempt = { delivery: "not_executed", temporary: true };

/** Fails twice with so much time; returns how it went. */
async function run(
  timeoutMs: number,
  failed: Partial<FailedAttempt> = {},
  { attemptMs = 0, lateMs = 0, ...options }: RetryOptions & {
    attemptMs?: number;
    lateMs?: number;
  } = {},
) {
  const clock = new FakeClock();
  const sleep = clock.sleep.bind(clock);
  clock.sleep = (ms, signal) => sleep(ms + lateMs, signal);
  const error = new Error("later");
  let sends = 0;
  let settledAtMs = NaN;
  const running = retry(async () => {
    await sleep(attemptMs);
    if (++sends < 3) throw error;
    return "done";
  }, {
    classify: () => ({ ...FAILED, ...failed }),
    random: () => 0.5,
    deadline: Deadline.after(timeoutMs, clock),
    minRemainingMs: () => P50_MS,
    clock,
    ...options,
  }).catch((thrown) => {
    assertStrictEquals(thrown, error);
    return "failed";
  }).finally(() => settledAtMs = clock.now());
  await clock.advance(60_000);
  assertEquals(clock.timers, 0);
  return [await running, sends, settledAtMs];
}

Deno.test("D3 retry() sends no repeat that has less than it needs, and waits for none", async () => {
  // The first wait is 50 ms, the second 75 ms.
  assertEquals(await run(P50_MS + 50), ["failed", 1, 0]);
  assertEquals(await run(P50_MS + 51), ["failed", 2, 50]);
  assertEquals(await run(P50_MS + 125), ["failed", 2, 50]);
  assertEquals(await run(P50_MS + 126), ["done", 3, 125]);
});

Deno.test("D3 retry() counts the hint and a repair's attempt too", async () => {
  const hinted = { retryAfterMs: 200 };
  assertEquals(await run(P50_MS + 250, hinted), ["failed", 1, 0]);
  assertEquals(await run(P50_MS + 251, hinted), ["failed", 2, 250]);
  for (const failed of [{ repaired: true }, { free: true }]) {
    assertEquals(await run(P50_MS, failed), ["failed", 1, 0]);
    assertEquals(await run(P50_MS + 1, failed), ["done", 3, 0]);
  }
});

Deno.test("D3 retry() never refuses the first send, whatever it needs", async () => {
  for (const timeoutMs of [0, 1, P50_MS - 1, P50_MS]) {
    assertEquals(await run(timeoutMs), ["failed", 1, 0]);
    const once = await retry(() => "done", {
      deadline: Deadline.after(timeoutMs, new FakeClock()),
      minRemainingMs: () => Infinity,
    });
    assertEquals(once, "done");
  }
});

Deno.test("D3 retry() asks what an attempt needs after each failure, and after each wait", async () => {
  const needsMs = [100, 700, 100, 100];
  const asked: number[] = [];
  const minRemainingMs = (): number => {
    asked.push(needsMs[asked.length]!);
    return asked.at(-1)!;
  };
  assertEquals(await run(500, {}, { minRemainingMs }), ["failed", 1, 50]);
  assertEquals(asked, [100, 700]);
});

Deno.test("D3 retry() sends no repeat after a wait that ended too late", async () => {
  assertEquals(await run(P50_MS + 60, {}, { lateMs: 9 }), ["failed", 2, 59]);
  assertEquals(await run(P50_MS + 60, {}, { lateMs: 10 }), ["failed", 1, 60]);
  assertEquals(await run(60, {}, { lateMs: 10, minRemainingMs: () => 0 }), ["failed", 1, 60]);
});

Deno.test("D3 retry(): no repeat begins with less than it needs, however long attempts take", async () => {
  const numbers = fc.nat(1_000);
  await fc.assert(
    fc.asyncProperty(numbers, numbers, fc.nat(200), numbers, async (timeoutMs, needMs, ...rest) => {
      const [attemptMs, lateMs] = rest as [number, number];
      const clock = new FakeClock();
      const sleep = clock.sleep.bind(clock);
      clock.sleep = (ms, signal) => sleep(ms + lateMs, signal);
      const deadline = Deadline.after(timeoutMs, clock);
      const left: number[] = [];
      const running = retry(async () => {
        left.push(deadline.remainingMs());
        await sleep(attemptMs);
        throw "later";
      }, {
        ...{ clock, deadline, minRemainingMs: () => needMs, random: () => 0.5, maxAttempts: 9 },
        classify: () => FAILED,
      }).catch(() => {});
      await clock.advance(100_000);
      await running;
      assert(left.length > 0 && left.slice(1).every((ms) => ms > needMs), `${left}`);
      assertEquals(clock.timers, 0);
    }),
    { numRuns: 300 },
  );
});
