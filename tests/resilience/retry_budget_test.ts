import { assert, assertEquals, assertRejects } from "@std/assert";
import { RetryableError } from "../../src/errors/errors.ts";
import { RetryBudget } from "../../src/resilience/budget.ts";
import { type FailedAttempt, retry, type RetryOptions } from "../../src/resilience/retry.ts";
import { FakeClock } from "../support/fake_clock.ts";

const LATER = new RetryableError("rate_limited", "Later");
const FAILED: FailedAttempt = { delivery: "not_executed", temporary: true };

/** Fails until nothing more is sent; tells how often it was sent and what that cost. */
async function fail(failed: Partial<FailedAttempt>, options: RetryOptions = {}) {
  const clock = new FakeClock();
  clock.sleep = (ms) => (clock.sleeps.push(ms), Promise.resolve());
  const budget = new RetryBudget({ capacity: 10, perSecond: 0 }, clock);
  let calls = 0;
  const refused: unknown[] = [];
  let thrown: unknown;
  try {
    await retry(() => Promise.reject(++calls > 40 ? new Error("enough") : LATER), {
      ...{ clock, budget, random: () => 0.5, maxAttempts: 3 },
      classify: (error) => error === LATER ? { ...FAILED, ...failed } : undefined,
      onBudgetEmpty: (error) => void refused.push(error),
      ...options,
    });
  } catch (error) {
    thrown = error;
  }
  const spent = Math.round((10 - budget.tokens) * 100) / 100;
  return { calls, spent, refused, thrown, waits: clock.sleeps };
}

Deno.test("R4 retry() pays 1 for a repeat, 0.35 after 'later', and what the verdict names", async () => {
  const table: [Partial<FailedAttempt>, number][] = [
    [{}, 2],
    [{ throttled: true }, 0.7],
    [{ tokens: 3 }, 6],
    [{ tokens: 0 }, 0],
    [{ tokens: 0, throttled: true }, 0],
  ];
  for (const [failed, spent] of table) {
    const end = await fail(failed);
    assertEquals([end.calls, end.spent, end.refused], [3, spent, []]);
  }
});

Deno.test("R4 retry() throws the failure itself once the budget is spent, and tells of it", async () => {
  const end = await fail({ tokens: 6 }, { maxAttempts: 9 });
  assertEquals([end.calls, end.spent], [2, 6]);
  assertEquals(end.refused, [LATER]);
  assert(end.thrown === LATER);
  assertEquals(end.waits.length, 1);
});

Deno.test("R4 retry() needs nobody who hears that the budget is spent", async () => {
  const end = await fail({ tokens: 11 }, { onBudgetEmpty: undefined as never });
  assertEquals([end.calls, end.spent, end.thrown === LATER], [1, 0, true]);
});

Deno.test("K12 retry() repeats what is free without a wait, an attempt or a token", async () => {
  const free = await fail({ free: true });
  assertEquals([free.calls, free.spent, free.waits], [41, 0, []]);
  const hinted = await fail({ free: true, retryAfterMs: 100 });
  assertEquals([hinted.calls, hinted.spent], [41, 0]);
  assertEquals(new Set(hinted.waits), new Set([125]));
  const switchedOff = await fail({ free: true }, { maxAttempts: 1 });
  assertEquals(switchedOff.calls, 1);
  const paid = await fail({ free: false });
  assertEquals([paid.calls, paid.spent], [3, 2]);
});

Deno.test("R1 retry() repeats what was repaired without a wait, an attempt or a token", async () => {
  const repaired = await fail({ repaired: true });
  assertEquals([repaired.calls, repaired.spent, repaired.waits], [41, 0, []]);
  const broken = await fail({ repaired: false });
  assertEquals([broken.calls, broken.spent], [3, 2]);
});

Deno.test("retry() refuses a budget, a least time or a listener of the wrong type", async () => {
  const wrong: [keyof RetryOptions, unknown, string][] = [
    ["budget", 5, "'budget' must be an object"],
    ["minRemainingMs", 5, "'minRemainingMs' must be a function"],
    ["onBudgetEmpty", "log", "'onBudgetEmpty' must be a function"],
  ];
  for (const [name, value, message] of wrong) {
    await assertRejects(() => retry(() => 1, { [name]: value }), TypeError, message);
  }
});

Deno.test("E5 retry() is not broken by a listener of the empty budget that throws", async () => {
  const reported: unknown[] = [];
  const onError = (event: ErrorEvent): void => {
    event.preventDefault();
    reported.push(event.error);
  };
  globalThis.addEventListener("error", onError);
  const defect = new Error("listener");
  const end = await fail({ tokens: 11 }, {
    onBudgetEmpty: () => {
      throw defect;
    },
  });
  await new Promise((resolve) => setTimeout(resolve, 0));
  globalThis.removeEventListener("error", onError);
  assertEquals([end.thrown === LATER, reported], [true, [defect]]);
});
