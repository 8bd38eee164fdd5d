import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import fc from "fast-check";
import { createClientError } from "../../src/errors/errors.ts";
import type { AcquireOptions, PoolOptions } from "../../src/resilience/pool_options.ts";
import { retry, type RetryOptions } from "../../src/resilience/retry.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { createPool, flush, type Item, watch } from "./support.ts";

/** Values that no option may take for another: each is refused or does what it says. */
const EXTREMES = [NaN, -Infinity, -1, -Number.MIN_VALUE, 0, 0.5, 1, 2, 2 ** 31, 2 ** 53, Infinity];
const extreme = fc.constantFrom<unknown>(...EXTREMES, "3", 1, 2, 3, 10, 100, Infinity);
/** So many options at once would nearly never all be good. */
const mostlyGood = fc.constantFrom<unknown>(NaN, 0, 0.5, 1, 2, 3, 10, 100, 2 ** 31, Infinity);

/** Name, values below or beside the limit, values at and above it. */
const POOL_LIMITS: [keyof PoolOptions<Item>, number[], number[]][] = [
  ["poolSize", [0, -1, 0.5, 1.5, -Infinity, NaN], [1, 2, Infinity]],
  ["maxResources", [0, -1, 0.5, NaN], [1, 2, Infinity]],
  ["maxWaiters", [0, -1, 0.5, NaN], [1, 2, Infinity]],
  ["createParallelism", [0, -1, 0.5, NaN], [1, 2, Infinity]],
  ["acquireTimeoutMs", [-1, -Number.MIN_VALUE, NaN], [0, 0.5, 1, 2 ** 31, Infinity]],
  ["validateAfterIdleMs", [-1, NaN], [0, 0.5, Infinity]],
  ["validationTimeoutMs", [0, -1, NaN], [0.5, 1, Infinity]],
  ["idleTimeoutMs", [0, -1, NaN], [0.5, 1, Infinity]],
  ["maxLifetimeMs", [0, -1, NaN], [0.5, 1, Infinity]],
  ["retireAfterTimeouts", [0, -1, 1.5, NaN], [1, 2, Infinity]],
  ["leakThresholdMs", [0, -1, NaN], [0.5, 1, Infinity]],
];

Deno.test("F2 ResourcePool takes each number at and above its limit, refuses it below", async () => {
  for (const [name, below, above] of POOL_LIMITS) {
    for (const value of below) {
      const error = assertThrows(() => createPool({ [name]: value }), RangeError);
      assertStringIncludes(error.message, `Cannot create a pool as '${name}' must be `);
      assertStringIncludes(error.message, `current value is ${value}`);
    }
    assertThrows(() => createPool({ [name]: "1" as never }), TypeError, `'${name}'`);
    for (const value of above) await createPool({ [name]: value }).pool.close();
  }
});

Deno.test("F2 ResourcePool.acquire() and close() check their numbers at the call", async () => {
  const { clock, pool } = createPool();
  for (const value of [-1, NaN, -Infinity]) {
    assertThrows(() => pool.acquire({ acquireTimeoutMs: value }), RangeError, "acquireTimeoutMs");
    assertThrows(() => pool.close({ graceMs: value }), RangeError, "graceMs");
  }
  assertThrows(() => pool.acquire({ acquireTimeoutMs: "1" as never }), TypeError);
  assertThrows(() => pool.close({ graceMs: "1" as never }), TypeError);
  assertEquals([pool.stats().waiting, clock.timers], [0, 0]);
  await pool.close({ graceMs: 0 });
});

Deno.test("F2 ResourcePool and retry() refuse unknown keys and name the nearest", async () => {
  const { pool } = createPool();
  const wrong: [() => unknown, string][] = [
    [() => createPool({ poolsize: 1 } as object), "'poolSize'"],
    [() => createPool({ maxResource: 1 } as object), "'maxResources'"],
    [() => createPool({ verify: 1 } as object), "'verify' is no known option"],
    [() => pool.acquire({ acquireTimeout: 1 } as AcquireOptions), "'acquireTimeoutMs'"],
    [() => pool.close({ grace: 1 } as object), "'graceMs'"],
  ];
  for (const [act, text] of wrong) assertStringIncludes(assertThrows(act, TypeError).message, text);
  const options = { maxAttempt: 1 } as RetryOptions;
  await assertRejects(() => retry(() => 1, options), TypeError, "did you mean 'maxAttempts'?");
  await pool.close();
});

Deno.test("F2 ResourcePool refuses what is no function, and no known priority", async () => {
  for (
    const name of [
      ...["create", "destroy", "leasesPerResource", "isTemporary", "onEvent", "random"],
      ...["validate", "isUsable", "isStateful"],
    ]
  ) {
    const error = assertThrows(() => createPool({ [name]: 32 } as object), TypeError);
    assertStringIncludes(error.message, `'${name}' must be a function: current value is 32`);
  }
  const { pool } = createPool();
  const acquire = (): unknown => pool.acquire({ priority: "high" as never });
  assertThrows(acquire, TypeError, "'priority' must be ");
  assertEquals(pool.stats().waiting, 0);
  await pool.close();
});

Deno.test("F2 ResourcePool refuses an extreme configuration or serves under it", async () => {
  const config = fc.record({
    poolSize: extreme,
    maxResources: extreme,
    maxWaiters: extreme,
    createParallelism: extreme,
    acquireTimeoutMs: extreme,
    validateAfterIdleMs: mostlyGood,
    validationTimeoutMs: mostlyGood,
    idleTimeoutMs: mostlyGood,
    maxLifetimeMs: mostlyGood,
    retireAfterTimeouts: mostlyGood,
    leakThresholdMs: mostlyGood,
    validate: fc.constant(() => true),
  }, { requiredKeys: [] });
  let served = 0;
  await fc.assert(
    fc.asyncProperty(config, async (options) => {
      let fixture;
      try {
        fixture = createPool(options as Partial<PoolOptions<Item>>);
      } catch (error) {
        return assert(error instanceof RangeError || error instanceof TypeError);
      }
      const { clock, pool } = fixture;
      const caller = watch(pool.acquire());
      await flush();
      assertEquals(caller.outcome, options.acquireTimeoutMs === 0 ? "pool_timeout" : "lease");
      caller.lease?.release();
      await pool.close();
      assertEquals([pool.stats().size, clock.timers], [0, 0]);
      served++;
    }),
    { numRuns: 2_000 },
  );
  assert(served > 50, `${served} served`);
});

Deno.test("F2 retry() takes each number at and above its limit, refuses it below", async () => {
  const limits: [keyof RetryOptions, number[], number[]][] = [
    ["maxAttempts", [0, -1, 0.5, 1.5, NaN], [1, 2, Infinity]],
    ["baseDelayMs", [-1, -Number.MIN_VALUE, NaN], [0, 0.5, Infinity]],
    ["throttledBaseDelayMs", [-1, NaN], [0, 0.5, Infinity]],
    ["backoffFactor", [0.999, 0, -1, NaN], [1, 1.001, Infinity]],
    ["maxDelayMs", [-1, NaN], [0, 0.5, Infinity]],
    ["maxRetryAfterMs", [-1, NaN], [0, 0.5, Infinity]],
  ];
  for (const [name, below, above] of limits) {
    for (const value of below) {
      const error = await assertRejects(() => retry(() => 1, { [name]: value }), RangeError);
      assertStringIncludes(error.message, `Cannot retry as '${name}' must be `);
    }
    await assertRejects(() => retry(() => 1, { [name]: "1" }), TypeError, name);
    for (const value of above) assertEquals(await retry(() => 1, { [name]: value }), 1);
  }
});

Deno.test("F2 retry() refuses an extreme configuration or waits finitely under it", async () => {
  const config = fc.record({
    maxAttempts: extreme,
    baseDelayMs: extreme,
    throttledBaseDelayMs: extreme,
    backoffFactor: extreme,
    maxDelayMs: extreme,
    maxRetryAfterMs: extreme,
  }, { requiredKeys: [] });
  const hint = fc.constantFrom(undefined, ...EXTREMES);
  const random = fc.constantFrom(() => 0, () => 0.5, () => 1 - 2 ** -53);
  await fc.assert(
    fc.asyncProperty(config, hint, random, async (options, retryAfterMs, random) => {
      const clock = new FakeClock();
      clock.sleep = (ms) => (clock.sleeps.push(ms), Promise.resolve());
      const error = createClientError("rate_limited", "later");
      let sends = 0;
      try {
        await retry(() => {
          if (++sends < 5) throw error;
        }, {
          ...options as RetryOptions,
          clock,
          random,
          classify: () => ({ delivery: "not_executed", temporary: true, retryAfterMs }),
        });
      } catch (thrown) {
        const misuse = thrown instanceof RangeError || thrown instanceof TypeError;
        assert(misuse ? sends === 0 : thrown === error, String(thrown));
      }
      const longestMs = 2 ** 31 - 1 + 1_000;
      assert(clock.sleeps.every((ms) => ms > 0 && ms <= longestMs), `${clock.sleeps}`);
      if (retryAfterMs !== undefined && retryAfterMs >= 0) {
        assert(clock.sleeps.every((ms) => ms >= retryAfterMs), `${clock.sleeps}`);
      }
    }),
    { numRuns: 5_000 },
  );
});
