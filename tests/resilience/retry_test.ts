import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import type { Effect } from "../../src/errors/delivery.ts";
import { createClientError } from "../../src/errors/errors.ts";
import { Deadline } from "../../src/resilience/deadline.ts";
import { type FailedAttempt, retry, type RetryOptions } from "../../src/resilience/retry.ts";
import { FakeClock, settle } from "../support/fake_clock.ts";
import { createRandom } from "../support/random.ts";
import { CountedAbort, flush } from "./support.ts";

/** What an attempt of a pattern may be, besides "O", which succeeds. */
const FAILURES: Record<string, FailedAttempt | undefined> = {
  L: { delivery: "unknown", temporary: true }, // lost
  R: { delivery: "not_executed", temporary: true, throttled: true }, // refused: later
  C: { delivery: "not_sent", temporary: true, counts: false }, // could not connect
  X: { delivery: "not_executed", temporary: true, repaired: true },
  U: { delivery: "unknown", temporary: true, repaired: true },
  P: { delivery: "not_executed", temporary: false }, // permanent
  E: { delivery: "executed", temporary: true }, // ran, its result is lost
  F: undefined, // foreign
};

/** Runs a pattern of failures; returns how it went. */
async function run(
  pattern: string,
  options: RetryOptions,
): Promise<{ sends: number; waitsMs: number[]; outcome: unknown }> {
  const clock = new FakeClock();
  const classify = (error: unknown): FailedAttempt | undefined => FAILURES[String(error)];
  let sends = 0;
  const running = retry((attempt) => {
    assertEquals(attempt, ++sends);
    const step = pattern[attempt - 1]!;
    if (step !== "O") throw step;
    return "done";
  }, { clock, classify, random: () => 0.5, ...options }).catch((error) => error);
  await clock.advance(100_000);
  assertEquals(clock.timers, 0);
  return { sends, waitsMs: clock.sleeps, outcome: await running };
}

Deno.test("R1 retry() sends exactly so often: maxAttempts × pattern of failures × effect", async () => {
  const maxima = [1, 2, 3, 5];
  const repeatable: Effect[] = ["safe", "idempotent"];
  const once = [1, 1, 1, 1];
  const table: [string, number[], number[]][] = [
    ["O", once, once],
    ["LO", [1, 2, 2, 2], once],
    ["LLLLLO", [1, 2, 3, 5], once],
    ["RRRRRO", [1, 2, 3, 5], [1, 2, 3, 5]],
    ["RLO", [1, 2, 3, 3], [1, 2, 2, 2]],
    ["LRO", [1, 2, 3, 3], once],
    ["RRLRO", [1, 2, 3, 5], [1, 2, 3, 3]],
    ["PO", once, once],
    ["RPO", [1, 2, 2, 2], [1, 2, 2, 2]],
    ["EO", once, once],
    ["FO", once, once],
    ["LFO", [1, 2, 2, 2], once],
    ["CCCCCCO", [1, 7, 7, 7], [1, 7, 7, 7]],
    ["CRCRCO", [1, 4, 6, 6], [1, 4, 6, 6]],
    ["CLCLCO", [1, 4, 6, 6], [1, 2, 2, 2]],
    ["XO", [2, 2, 2, 2], [2, 2, 2, 2]],
    ["XRO", [2, 3, 3, 3], [2, 3, 3, 3]],
    ["XRXRO", [2, 4, 5, 5], [2, 4, 5, 5]],
    ["UO", [2, 2, 2, 2], once],
  ];
  for (const [pattern, repeated, unsafe] of table) {
    for (const [column, maxAttempts] of maxima.entries()) {
      for (const effect of [...repeatable, "unsafe", undefined] as const) {
        const sends = repeatable.includes(effect!) ? repeated[column]! : unsafe[column]!;
        const result = await run(pattern, { maxAttempts, ...(effect && { effect }) });
        const row = `${pattern}, ${maxAttempts} attempts, ${effect}`;
        assertEquals(result.sends, sends, row);
        const last = pattern[sends - 1]!;
        assertEquals(result.outcome, last === "O" ? "done" : last, row);
      }
    }
  }
});

Deno.test("R2 retry() lets each failed send lengthen the wait, also one that costs no attempt", async () => {
  const table: [string, number[]][] = [
    ["LLLLO", [50, 75, 112.5, 168.75]],
    ["CCLO", [50, 75, 112.5]],
    ["XLO", [75]],
    ["RO", [500]],
    ["LRO", [50, 750]],
    ["XO", []],
  ];
  for (const [pattern, waitsMs] of table) {
    const result = await run(pattern, { effect: "safe", maxAttempts: 9 });
    assertEquals([result.waitsMs, result.outcome], [waitsMs, "done"], pattern);
  }
});

const hinted = (retryAfterMs: number): RetryOptions => ({
  classify: () => ({ delivery: "not_executed", temporary: true, retryAfterMs }),
});

Deno.test("R3 retry() never sends inside its own hint, on ten thousand seeds", async () => {
  let earliestMs = Infinity;
  for (let seed = 1; seed <= 10_000; seed++) {
    const random = createRandom(seed);
    const retryAfterMs = Math.floor(random() * 60_001);
    const clock = new FakeClock();
    clock.sleep = (ms) => (clock.sleeps.push(ms), Promise.resolve());
    await retry((attempt) => {
      if (attempt < 3) throw "later";
    }, { ...hinted(retryAfterMs), clock, random });
    const { sleeps } = clock;
    assertEquals(sleeps.length, retryAfterMs === 0 ? 0 : 2);
    for (const waitMs of sleeps) {
      earliestMs = Math.min(earliestMs, waitMs - retryAfterMs);
      assert(waitMs <= retryAfterMs + Math.min(1_000, retryAfterMs / 2), `${seed}`);
    }
  }
  assert(earliestMs >= 0, `${earliestMs}`);
});

Deno.test("R3 retry() spreads a thousand clients with one hint over half of it, up to 1 s", async () => {
  for (const [retryAfterMs, spreadMs] of [[200, 100], [2_000, 1_000], [60_000, 1_000]] as const) {
    const waits: number[] = [];
    for (let seed = 1; seed <= 1_000; seed++) {
      const clock = new FakeClock();
      clock.sleep = (ms) => (waits.push(ms), Promise.resolve());
      await retry((attempt) => {
        if (attempt < 2) throw "later";
      }, { ...hinted(retryAfterMs), clock, random: createRandom(seed) });
    }
    waits.sort((a, b) => a - b);
    const [first, last] = [waits[0]!, waits.at(-1)!];
    assert(first >= retryAfterMs && last <= retryAfterMs + spreadMs);
    assert(last - first > 0.98 * spreadMs, `${last - first}`);
    const gaps = waits.slice(1).map((ms, index) => ms - waits[index]!);
    assert(Math.max(...gaps) < spreadMs / 50, `${Math.max(...gaps)}`);
  }
});

Deno.test("R3 retry() throws a hint beyond its limit at once and keeps it, at the limit it waits", async () => {
  for (
    const [retryAfterMs, maxRetryAfterMs, sends] of [
      [60_000, 60_000, 2],
      [60_001, 60_000, 1],
      [0, 0, 2],
      [1, 0, 1],
      [2 ** 31, Infinity, 1],
      [Infinity, Infinity, 1],
    ] as const
  ) {
    const error = createClientError("rate_limited", "later", { retryAfterMs });
    const clock = new FakeClock();
    clock.sleep = () => Promise.resolve();
    let sent = 0;
    let thrown: unknown;
    retry(() => {
      if (++sent < 2) throw error;
    }, { clock, maxRetryAfterMs }).catch((reason) => thrown = reason);
    await settle();
    assertEquals([sent, clock.timers], [sends, 0], `${retryAfterMs}`);
    if (sends > 1) continue;
    assertStrictEquals(thrown, error);
    assertEquals(error.retryAfterMs, retryAfterMs);
  }
});

Deno.test("R3 retry() takes a hint that is no number or negative for absent", async () => {
  for (const retryAfterMs of [NaN, -1, -Infinity]) {
    const { delivery, temporary } = FAILURES["R"]!;
    const classify = (): FailedAttempt => ({ delivery, temporary, retryAfterMs });
    assertEquals((await run("RRO", { classify })).waitsMs, [50, 75], `${retryAfterMs}`);
  }
});

/** Starts a retry that always fails and aborts its signal at a point of its way. */
async function abortAt(point: string): Promise<void> {
  const clock = new FakeClock();
  const controller = new CountedAbort();
  const reason = { no: "error" };
  const abort = (at: string): void => void (at === point && controller.abort(reason));
  let sentAborted = false;
  let thrown: unknown = "pending";
  abort("before");
  retry(async (attempt) => {
    sentAborted ||= controller.signal.aborted;
    abort(`in attempt ${attempt}`);
    await null;
    abort(`in attempt ${attempt}, later`);
    throw "lost";
  }, {
    clock,
    signal: controller.signal,
    random: () => 0.5,
    classify: () => (abort("in classify"), { delivery: "not_sent", temporary: true }),
    onRetry: () => abort("in onRetry"),
  }).catch((error) => thrown = error);
  await settle();
  abort("in the wait");
  await settle();
  const ended = ["before", "in attempt 1", "in attempt 1, later", "in classify", "in onRetry"];
  if ([...ended, "in the wait"].includes(point)) assertStrictEquals(thrown, reason, point);
  await clock.advance(60_000);
  abort("after");
  if (point === "after") assertEquals(thrown, "lost");
  else assertStrictEquals(thrown, reason, point);
  assertEquals([sentAborted, clock.timers, controller.listeners], [false, 0, 0], point);
}

Deno.test("R6 retry() rejects with the signal's own reason, never calls its function aborted", async (t) => {
  for (
    const point of [
      ...["before", "in attempt 1", "in attempt 1, later", "in classify", "in onRetry"],
      ...["in the wait", "in attempt 2", "after"],
    ]
  ) await t.step(point, () => abortAt(point));
});

Deno.test("R6 retry() throws the reason, not what the aborted attempt threw", async () => {
  for (const [failure, maxAttempts] of [["P", 3], ["F", 3], ["L", 1], ["L", 3]] as const) {
    const controller = new AbortController();
    const reason = { no: "error" };
    const classified: unknown[] = [];
    const thrown = await retry(() => {
      controller.abort(reason);
      throw failure;
    }, {
      effect: "safe",
      maxAttempts,
      signal: controller.signal,
      classify: (error) => (classified.push(error), FAILURES[failure]),
    }).catch((error) => error);
    assertStrictEquals(thrown, reason);
    assertEquals(classified, []);
  }
});

Deno.test("R6 retry() does not call its function when the abort comes with the wait's end", async () => {
  const orders: ((over: () => void, abort: () => void) => void)[] = [
    (over, abort) => (over(), abort()),
    (over, abort) => (abort(), over()),
  ];
  for (const order of orders) {
    const clock = new FakeClock();
    const controller = new AbortController();
    clock.sleep = () => new Promise((over) => order(over, () => controller.abort("first")));
    const attempts: number[] = [];
    const thrown = await retry((attempt) => {
      attempts.push(attempt);
      throw createClientError("rate_limited", "later");
    }, { clock, signal: controller.signal }).catch((error) => error);
    assertEquals([thrown, attempts], ["first", [1]]);
  }
});

Deno.test("R7 retry() throws in the same macrotask when the wait would end behind the deadline", async () => {
  for (const [remainingMs, sends] of [[49, 1], [50, 1], [51, 2], [0, 1], [Infinity, 2]] as const) {
    const clock = new FakeClock();
    const error = createClientError("connection_lost", "cut");
    const deadline = Deadline.after(remainingMs, clock);
    let sent = 0;
    let thrown: unknown;
    const options: RetryOptions = { effect: "safe", maxAttempts: 2, clock, random: () => 0.5 };
    retry(() => {
      sent++;
      throw error;
    }, { ...options, deadline }).catch((reason) => thrown = reason);
    await flush();
    assertEquals(thrown === error, sends === 1, `${remainingMs}`);
    await clock.advance(50);
    assertEquals([sent, clock.timers], [sends, 0], `${remainingMs}`);
    assertStrictEquals(thrown, error);
  }
});

Deno.test("D3 retry() starts no re-send behind the deadline, but never refuses the first send", async () => {
  for (const failure of ["X", "L", "R", "C"]) {
    const clock = new FakeClock();
    const past = new Deadline(-1, clock);
    const options = { clock, deadline: past, baseDelayMs: 0, throttledBaseDelayMs: 0 };
    const result = await run(`${failure}O`, { effect: "safe", ...options });
    assertEquals([result.sends, result.outcome], [1, failure]);
  }
  assertEquals(await retry(() => "first", { deadline: Deadline.after(0) }), "first");
});

Deno.test("F1 retry() with one seed gives one trace", async () => {
  const trace = async (): Promise<string> => {
    const events: unknown[] = [];
    const random = createRandom(7);
    await run("LRLRLO", { effect: "safe", maxAttempts: 9, random, onRetry: (e) => events.push(e) });
    return JSON.stringify(events);
  };
  assertEquals(await trace(), await trace());
  assert((await trace()).includes('"attempt":5'));
});
