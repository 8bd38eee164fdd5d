import { assert, assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import type { Effect } from "../../src/errors/delivery.ts";
import { createClientError } from "../../src/errors/errors.ts";
import { drawBackoffMs } from "../../src/resilience/backoff.ts";
import { Deadline } from "../../src/resilience/deadline.ts";
import { retry, type RetryOptions } from "../../src/resilience/retry.ts";
import { parseRetryAfter } from "../../src/resilience/retry_after.ts";
import { FakeClock } from "../support/fake_clock.ts";
import type { Kit } from "../support/kit.ts";
import { createRandom } from "../support/random.ts";

const LOST = createClientError("connection_lost", "cut", { effect: "safe" });
const LIMITED = createClientError("rate_limited", "later");

/** Runs a function that always fails, on a fake clock; returns the sends, the waits and the end. */
async function exhaust(
  error: unknown,
  options: RetryOptions,
): Promise<{ sends: number; waitsMs: number[]; thrown: unknown; timers: number }> {
  const clock = new FakeClock();
  let sends = 0;
  const running = retry(() => {
    sends++;
    throw error;
  }, { clock, random: () => 0.5, ...options }).catch((thrown) => thrown);
  await clock.advance(600_000);
  return { sends, waitsMs: clock.sleeps, thrown: await running, timers: clock.timers };
}

export default function (t: Kit): void {
  t.test("retry() R1 sends maxAttempts times, the first included, as effect and delivery allow", async () => {
    for (const maxAttempts of [1, 2, 3, 5]) {
      const table: [Effect, unknown, number][] = [
        ["safe", LOST, maxAttempts],
        ["idempotent", LOST, maxAttempts],
        ["unsafe", LOST, 1],
        ["unsafe", LIMITED, maxAttempts],
        ["safe", createClientError("forbidden", "no"), 1],
        ["safe", createClientError("invalid_result", "ran"), 1],
        ["safe", new Error("foreign"), 1],
      ];
      for (const [effect, error, sends] of table) {
        const result = await exhaust(error, { effect, maxAttempts });
        assertEquals(result.sends, sends, `${effect} ${maxAttempts} ${error}`);
        assertStrictEquals(result.thrown, error);
        assertEquals(result.timers, 0);
      }
    }
  });

  t.test("retry() R2 waits a random share of 100, 150, 225, 337.5 ms", async () => {
    const { waitsMs } = await exhaust(LOST, { effect: "safe", maxAttempts: 5 });
    assertEquals(waitsMs, [50, 75, 112.5, 168.75]);
  });

  t.test("drawBackoffMs() R2 is spread evenly under a ceiling that never overflows", () => {
    const random = createRandom(1);
    const draws = Array.from({ length: 10_000 }, () => drawBackoffMs(60, {}, random));
    const mean = draws.reduce((sum, ms) => sum + ms, 0) / draws.length;
    assert(draws.every((ms) => ms >= 0 && ms < 2_000));
    assert(Math.abs(mean - 1_000) < 30, `mean ${mean}`);
    assertEquals(drawBackoffMs(5_000, {}, () => 0.5), 1_000);
    assertEquals(drawBackoffMs(9, { backoffFactor: 1 }, () => 0.5), 50);
    assertEquals(drawBackoffMs(9, { baseDelayMs: 0 }, () => 0.5), 0);
  });

  t.test("retry() R3 never comes back before its hint, and spreads what it adds", async () => {
    const error = createClientError("rate_limited", "later", { retryAfterMs: 1_000 });
    for (const [share, waitMs] of [[0, 1_000], [0.5, 1_250], [0.999, 1_499.5]] as const) {
      const { waitsMs } = await exhaust(error, { maxAttempts: 2, random: () => share });
      assertEquals(waitsMs, [waitMs]);
    }
  });

  t.test("retry() R3 throws at once if the hint is longer than allowed or than the deadline", async () => {
    const clock = new FakeClock();
    const error = createClientError("unavailable", "later", {
      retryAfterMs: 61_000,
      delivery: "not_executed",
    });
    const deadline = Deadline.after(2_000, clock);
    const short = createClientError("rate_limited", "later", { retryAfterMs: 2_000 });
    for (const [failure, options] of [[error, {}], [short, { deadline, clock }]] as const) {
      const result = await exhaust(failure, { ...options, random: () => 0 });
      assertEquals([result.sends, result.waitsMs], [1, []]);
    }
  });

  t.test("retry() R6 stops in its wait with the reason of the signal, and leaves no timer", async () => {
    const clock = new FakeClock();
    const controller = new AbortController();
    let sends = 0;
    const running = retry(() => {
      sends++;
      throw LOST;
    }, { effect: "safe", clock, random: () => 0.9, signal: controller.signal });
    const caught = running.catch((reason) => reason);
    await clock.advance(1);
    const reason = { no: "error" };
    controller.abort(reason);
    assertStrictEquals(await caught, reason);
    await clock.advance(60_000);
    assertEquals([sends, clock.timers], [1, 0]);
  });

  t.test("retry() R6 never calls its function once the signal is aborted", async () => {
    let sends = 0;
    const reason = new Error("the caller's own");
    const running = retry(() => sends++, { signal: AbortSignal.abort(reason) });
    assertStrictEquals(await assertRejects(() => running), reason);
    assertEquals(sends, 0);
  });

  t.test("retry() tells of each wait before it, and survives a listener that throws nothing", async () => {
    const seen: number[] = [];
    await exhaust(LOST, { effect: "safe", onRetry: ({ attempt }) => void seen.push(attempt) });
    assertEquals(seen, [1, 2]);
  });

  t.test("retry() refuses unknown keys and numbers out of range", async () => {
    const wrong: [RetryOptions, string][] = [
      [{ maxAttempts: 0 }, "RangeError"],
      [{ maxAttempts: 1.5 }, "RangeError"],
      [{ baseDelayMs: -1 }, "RangeError"],
      [{ backoffFactor: 0.9 }, "RangeError"],
      [{ maxDelayMs: NaN }, "RangeError"],
      [{ maxAttempt: 3 } as RetryOptions, "TypeError"],
    ];
    for (const [options, name] of wrong) {
      const error = await assertRejects(() => retry(() => 1, options));
      assertEquals(error.name, name, JSON.stringify(options));
    }
  });

  t.test("parseRetryAfter() reads seconds and all three HTTP dates, and refuses the rest", () => {
    const wallMs = Date.UTC(1994, 10, 6, 8, 49, 30);
    const table: [string | null, number | undefined][] = [
      ["0", 0],
      [" 120 ", 120_000],
      ["Sun, 06 Nov 1994 08:49:37 GMT", 7_000],
      ["Sunday, 06-Nov-94 08:49:37 GMT", 7_000],
      ["Sun Nov  6 08:49:37 1994", 7_000],
      ["Sun, 06 Nov 1994 08:00:00 GMT", 0],
      [null, undefined],
      ["", undefined],
      ["-1", undefined],
      ["1.5", undefined],
      ["tomorrow", undefined],
      ["1994-11-06T08:49:37Z", undefined],
    ];
    for (const [value, ms] of table) assertEquals(parseRetryAfter(value, wallMs), ms, `${value}`);
  });
}
