import { assert, assertEquals, assertThrows } from "@std/assert";
import type { Effect } from "../../src/errors/delivery.ts";
import { type BudgetOptions, RetryBudget } from "../../src/resilience/budget.ts";
import { Deadline } from "../../src/resilience/deadline.ts";
import { type FailedAttempt, retry, type RetryOptions } from "../../src/resilience/retry.ts";
import { FakeClock, settle } from "../support/fake_clock.ts";

function createBudget(options: BudgetOptions = {}) {
  const clock = new FakeClock();
  return { clock, budget: new RetryBudget(options, clock) };
}

Deno.test("R4 RetryBudget starts at 50, brings 0.2 per execution and 1 per second, and holds 50", async () => {
  const { clock, budget } = createBudget();
  assertEquals(budget.tokens, 50);
  budget.deposit();
  await clock.advance(1_000);
  assertEquals(budget.tokens, 50);
  assert(budget.take(50));
  assertEquals([budget.tokens, budget.take(0.01), budget.take(0)], [0, false, true]);
  budget.deposit();
  assertEquals(budget.tokens, 0.2);
  await clock.advance(1_500);
  assert(Math.abs(budget.tokens - 1.7) < 1e-9);
  await clock.advance(1e9);
  assertEquals(budget.tokens, 50);
  assertEquals(clock.timers, 0);
});

Deno.test("R4 RetryBudget.take() spends nothing if there is not enough", () => {
  const { budget } = createBudget({ capacity: 2 });
  assertEquals([budget.take(2.01), budget.tokens], [false, 2]);
  assertEquals([budget.take(0.5), budget.tokens], [true, 1.5]);
  assertEquals([budget.take(1.5), budget.tokens], [true, 0]);
});

Deno.test("R4 RetryBudget.take() counts the time that has passed, whoever asked before", async () => {
  const { clock, budget } = createBudget({ capacity: 2, initial: 0 });
  await clock.advance(2_000);
  assertEquals([budget.take(2), budget.take(0.01)], [true, false]);
});

Deno.test("R4 RetryBudget lets a fifth of ten thousand calls repeat, and 50, under frozen time", () => {
  for (const [perExecution, ratio] of [[undefined, 0.2], [0.1, 0.1], [0, 0], [1, 1]] as const) {
    const { budget } = createBudget(perExecution === undefined ? {} : { perExecution });
    let repeats = 0;
    for (let call = 0; call < 10_000; call++) {
      budget.deposit();
      if (budget.take(1)) repeats++;
    }
    const expected = Math.min(10_000, 10_000 * ratio + 50);
    assert(Math.abs(repeats - expected) <= 1, `${repeats} of ${expected}`);
  }
});

Deno.test("R4 RetryBudget of no capacity refuses all that costs, one without a bound nothing", () => {
  const none = createBudget({ capacity: 0 }).budget;
  none.deposit();
  assertEquals([none.take(0.01), none.take(0), none.tokens], [false, true, 0]);
  const all = createBudget({ capacity: Infinity }).budget;
  assertEquals([all.take(1e300), all.take(Infinity), all.tokens], [true, true, Infinity]);
});

Deno.test("R4 RetryBudget fills at once at an infinite rate, as soon as time passes", async () => {
  const { clock, budget } = createBudget({ capacity: 3, initial: 1, perSecond: Infinity });
  assertEquals([budget.take(1), budget.tokens, budget.take(1)], [true, 0, false]);
  await clock.advance(1);
  assertEquals(budget.tokens, 3);
});

Deno.test("F2 RetryBudget takes a clock that goes back for one that stands", () => {
  let nowMs = 10_000;
  const clock = new FakeClock();
  clock.now = () => nowMs;
  const budget = new RetryBudget({ capacity: 10, initial: 5 }, clock);
  nowMs = 4_000;
  assertEquals(budget.tokens, 5);
  nowMs = 5_000;
  assertEquals(budget.tokens, 6);
});

Deno.test("F2 RetryBudget.take() refuses what is no number of tokens, which would lift the bound", () => {
  const { budget } = createBudget();
  for (const tokens of [NaN, -1, -Infinity]) {
    const text = "Cannot take from a retry budget as 'tokens' must be a number >= 0";
    assertThrows(() => budget.take(tokens), RangeError, text);
  }
  assertThrows(() => budget.take("1" as never), TypeError, "'tokens'");
  assertEquals(budget.tokens, 50);
});

/** Runs an operation that always fails so; returns what it sent, cost, and told. */
async function fail(failed: Partial<FailedAttempt>, options: RetryOptions = {}, capacity = 50) {
  const { clock, budget } = createBudget({ capacity, perSecond: 0 });
  const error = new Error("later");
  const empty: unknown[] = [];
  let sends = 0;
  const running = retry(() => {
    sends++;
    throw error;
  }, {
    ...{ clock, budget, effect: "safe" as Effect, maxAttempts: 4, random: () => 0.5 },
    classify: () => ({ delivery: "not_executed", temporary: sends < 9, ...failed }),
    onBudgetEmpty: (error) => void empty.push(error),
    ...options,
  }).catch((error) => error);
  await clock.advance(600_000);
  assertEquals(await running, error);
  assertEquals(clock.timers, 0);
  const spent = Math.round((capacity - budget.tokens) * 1_000) / 1_000;
  return { sends, spent, empty: empty.length, told: empty[0] === error };
}

Deno.test("R4 retry() pays 1 for a re-send, 0.35 after a refusal, what is stated, nothing for a repair", async () => {
  const table: [Partial<FailedAttempt>, number, number][] = [
    [{}, 4, 3],
    [{ throttled: true }, 4, 1.05],
    [{ throttled: true, retryAfterMs: 1 }, 4, 1.05],
    [{ retryAfterMs: 1 }, 4, 3],
    [{ tokens: 0.5 }, 4, 1.5],
    [{ tokens: 0, throttled: true }, 4, 0],
    [{ counts: false }, 9, 8],
    [{ repaired: true }, 9, 0],
    [{ free: true }, 9, 0],
    [{ free: true, throttled: true, tokens: 7 }, 9, 0],
    [{ temporary: false }, 1, 0],
    [{ delivery: "executed" }, 1, 0],
  ];
  for (const [failed, sends, spent] of table) {
    const result = await fail(failed);
    assertEquals(result, { sends, spent, empty: 0, told: false }, JSON.stringify(failed));
  }
});

Deno.test("R4 retry() throws the original error when the budget is empty, and says so once", async () => {
  assertEquals(await fail({}, {}, 2.9), { sends: 3, spent: 2, empty: 1, told: true });
  assertEquals(await fail({}, {}, 0), { sends: 1, spent: 0, empty: 1, told: true });
  const throttled = await fail({ throttled: true }, {}, 0.7);
  assertEquals(throttled, { sends: 3, spent: 0.7, empty: 1, told: true });
  assertEquals(await fail({ free: true }, {}, 0), { sends: 9, spent: 0, empty: 0, told: false });
});

Deno.test("R4 retry() spends nothing on a re-send that the number, the hint or the time forbids", async () => {
  const none = { sends: 1, spent: 0, empty: 0, told: false };
  assertEquals(await fail({}, { maxAttempts: 1 }), none);
  assertEquals(await fail({ retryAfterMs: 2 }, { maxRetryAfterMs: 1 }), none);
  const deadline = Deadline.after(0, new FakeClock());
  assertEquals(await fail({ repaired: true }, { deadline }), none);
});

Deno.test("R4 retry() calls share one budget, and success gives nothing back", async () => {
  const { clock, budget } = createBudget({ capacity: 3, perSecond: 0 });
  const classify = (): FailedAttempt => ({ delivery: "not_sent", temporary: true });
  const outcomes = Array.from({ length: 6 }, () =>
    retry((attempt) => {
      if (attempt === 1) throw "later";
      return "done";
    }, { budget, clock, classify }).catch((error) => error));
  await clock.advance(1_000);
  const counts = Object.groupBy(await Promise.all(outcomes), String);
  assertEquals([counts["done"]?.length, counts["later"]?.length, budget.tokens], [3, 3, 0]);
});

Deno.test("E5 retry() goes on when onBudgetEmpty throws, and reports it in a microtask", async () => {
  const reported: unknown[] = [];
  const report = (event: ErrorEvent): void => {
    event.preventDefault();
    reported.push(event.error);
  };
  addEventListener("error", report);
  const thrown = await retry(() => Promise.reject("later"), {
    budget: createBudget({ capacity: 0 }).budget,
    classify: () => ({ delivery: "not_sent", temporary: true }),
    onBudgetEmpty: () => {
      throw "listener";
    },
  }).catch((error) => error);
  await settle();
  removeEventListener("error", report);
  assertEquals([thrown, reported], ["later", ["listener"]]);
});
