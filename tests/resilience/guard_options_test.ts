import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import fc from "fast-check";
import { CircuitBreaker } from "../../src/resilience/breaker.ts";
import type { BreakerOptions } from "../../src/resilience/breaker_options.ts";
import { type BudgetOptions, RetryBudget } from "../../src/resilience/budget.ts";
import { createGate } from "./gate_support.ts";
import type { QueueOptions } from "../../src/resilience/gate_options.ts";
import { ConcurrencyLimiter, type LimiterOptions } from "../../src/resilience/limiter.ts";
import { FakeClock } from "../support/fake_clock.ts";

const clock = new FakeClock();

/** What is created, how, and of each number the values beside its limits and at or within them. */
const LIMITS: [string, (options: object) => unknown, Record<string, [number[], number[]]>][] = [
  ["create a retry budget", (options: BudgetOptions) => new RetryBudget(options, clock), {
    capacity: [[-1, NaN, -Infinity], [0, 0.5, Infinity]],
    initial: [[-1, NaN], [0, 0.5, 9e9, Infinity]],
    perExecution: [[-Number.MIN_VALUE, NaN], [0, 0.5, Infinity]],
    perSecond: [[-1, NaN], [0, 0.5, Infinity]],
  }],
  ["create a breaker", (options: BreakerOptions) => new CircuitBreaker(options, { clock }), {
    tripAfter: [[0, 0.5, 1.5, -1, NaN], [1, 2, Infinity]],
    tripShare: [[0, -1, NaN], [Number.MIN_VALUE, 1, 1.1, Infinity]],
    pauseAfter: [[0, 0.5, 1.5, -1, NaN], [1, 2, Infinity]],
    pauseRatio: [[-1, -Number.MIN_VALUE, NaN], [0, 0.5, 1, 7]],
  }],
  ["create a limiter", (options: LimiterOptions) => new ConcurrencyLimiter(9, options, clock), {
    initialLimit: [[0, 0.9, -1, NaN], [1, 1.5, 20, Infinity]],
    decreaseFactor: [[0, -1, 1.01, NaN, Infinity], [Number.MIN_VALUE, 0.5, 1]],
    dropShare: [[-1, 1.01, NaN, Infinity], [0, 0.5, 1]],
  }],
  ["create a queue", (queue: QueueOptions) => createGate({ queue }), {
    maxQueue: [[0, 0.5, 1.5, -1, NaN], [1, 2, Infinity]],
    shedFactor: [[-1, -Number.MIN_VALUE, NaN], [0, 0.5, Infinity]],
  }],
];

Deno.test("F2 budget, breaker, limiter and queue take each number within its limits, refuse it beside", () => {
  for (const [act, create, limits] of LIMITS) {
    for (const [name, [wrong, right]] of Object.entries(limits)) {
      for (const value of wrong) {
        const error = assertThrows(() => create({ [name]: value }), RangeError);
        assertStringIncludes(error.message, `Cannot ${act} as '${name}' must be `);
        assertStringIncludes(error.message, `current value is ${value}`);
      }
      assertThrows(() => create({ [name]: "1" }), TypeError, `'${name}'`);
      for (const value of [...right, undefined]) create({ [name]: value });
    }
    assertThrows(() => create([]), TypeError, "must be an object");
  }
});

Deno.test("F2 ConcurrencyLimiter checks its highest limit", () => {
  for (const maxLimit of [0, 0.5, 1.5, -1, NaN]) {
    const error = assertThrows(() => new ConcurrencyLimiter(maxLimit), RangeError);
    assertStringIncludes(error.message, "Cannot create a limiter as 'maxLimit' must be an integer");
  }
  assertThrows(() => new ConcurrencyLimiter("1" as never), TypeError, "'maxLimit'");
  for (const maxLimit of [1, 2, Infinity]) new ConcurrencyLimiter(maxLimit);
});

Deno.test("F2 budget, breaker, limiter and queue refuse unknown keys and name the nearest", () => {
  const wrong: [() => unknown, string][] = [
    [() => new RetryBudget({ perExecutions: 1 } as object), "'perExecution'"],
    [() => new CircuitBreaker({ tripsAfter: 1 } as object), "'tripAfter'"],
    [() => new CircuitBreaker({}, { onTransitions: () => {} } as object), "'onTransition'"],
    [() => new ConcurrencyLimiter(9, { initalLimit: 1 } as object), "'initialLimit'"],
    [() => createGate({ queue: { maxQueues: 1 } as object }), "'maxQueue'"],
  ];
  for (const [act, text] of wrong) {
    assertStringIncludes(assertThrows(act, TypeError).message, `did you mean ${text}?`);
  }
});

Deno.test("F2 CircuitBreaker refuses what is no boolean, no clock and no function", () => {
  const wrong: [() => unknown, string][] = [
    [() => new CircuitBreaker({ metricsOnly: 1 as never }), "'metricsOnly' must be a boolean"],
    [() => new CircuitBreaker({}, { clock: 1 as never }), "'clock' must be an object"],
    [() => new CircuitBreaker({}, { random: 0.5 as never }), "'random' must be a function"],
    [
      () => new CircuitBreaker({}, { onTransition: 1 as never }),
      "'onTransition' must be a function",
    ],
  ];
  for (const [act, text] of wrong) {
    assertThrows(act, TypeError, `Cannot create a breaker as ${text}`);
  }
});

Deno.test("F2 budget, breaker and limiter work without options, on the runtime's own time", () => {
  const budget = new RetryBudget();
  assert(budget.take(50) && !budget.take(1));
  const breaker = new CircuitBreaker();
  for (let i = 0; i < 5; i++) breaker.record("hard", breaker.generation);
  assert(breaker.waitMs > 200 && breaker.waitMs <= 500, `${breaker.waitMs}`);
  const limiter = new ConcurrencyLimiter(50);
  limiter.ramp();
  assertEquals(limiter.limit, 8);
});

Deno.test("F2 RetryBudget keeps within its bounds under extreme configurations, and never holds NaN", async () => {
  const extreme = fc.constantFrom(0, 0.5, 1, 2 ** 53, Number.MAX_VALUE, Infinity);
  const config = fc.record({
    ...{ capacity: extreme, initial: extreme, perExecution: extreme, perSecond: extreme },
  }, { requiredKeys: [] });
  const waits = fc.array(fc.constantFrom(0, 1, 1e12), { maxLength: 4 });
  await fc.assert(fc.asyncProperty(config, extreme, waits, async (options, tokens, waits) => {
    const clock = new FakeClock();
    const budget = new RetryBudget(options, clock);
    for (const ms of waits) {
      await clock.advance(ms);
      const before = budget.tokens;
      assertEquals(budget.take(tokens), tokens <= before);
      budget.deposit();
      assert(budget.tokens >= 0 && budget.tokens <= (options.capacity ?? 50));
    }
  }));
});
