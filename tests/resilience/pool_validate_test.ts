import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import type { PoolOptions } from "../../src/resilience/pool_options.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { createPool, flush, type Item, type PoolFixture, watch } from "./support.ts";

/** A validation that the test settles. */
interface Validation {
  readonly id: number;
  readonly signal: AbortSignal;
  settle(valid: boolean): void;
  fail(error: unknown): void;
}

/** A pool that holds so many idle resources, all of them due to be validated. */
async function createStalePool(
  resources: number,
  options: Partial<PoolOptions<Item>> = {},
): Promise<PoolFixture & { validations: Validation[] }> {
  const validations: Validation[] = [];
  const fixture = createPool({
    poolSize: 6,
    validateAfterIdleMs: 30_000,
    validate: ({ id }, { signal }) => {
      const { promise, resolve, reject } = Promise.withResolvers<boolean>();
      validations.push({ id, signal, settle: resolve, fail: reject });
      return promise;
    },
    ...options,
  });
  const capacity = options.leasesPerResource?.({ id: 0 }) ?? 1;
  const all = Array.from({ length: resources * capacity }, () => fixture.pool.acquire());
  for (const lease of await Promise.all(all)) lease.release();
  await fixture.clock.advance(30_001);
  return { ...fixture, validations };
}

Deno.test("P10 ResourcePool validates on borrow, and only what was idle longer than validateAfterIdleMs", async () => {
  const { clock, pool, validations } = await createStalePool(1);
  assertEquals([validations.length, clock.timers], [0, 0]);
  const caller = watch(pool.acquire());
  assertEquals([validations.length, pool.stats().validating, pool.stats().size], [1, 1, 1]);
  await flush();
  assertEquals(caller.outcome, "pending");
  validations[0]!.settle(true);
  await flush();
  assertEquals([caller.lease!.value.id, pool.stats().validating, clock.timers], [1, 0, 0]);
  caller.lease!.release();
  for (const idleMs of [0, 30_000]) {
    await clock.advance(idleMs);
    (await pool.acquire()).release();
  }
  assertEquals(validations.length, 1);
  await clock.advance(30_001);
  const late = watch(pool.acquire());
  assertEquals(validations.length, 2);
  validations[1]!.settle(true);
  await flush();
  late.lease!.release();
  await pool.close();
});

Deno.test("P10 ResourcePool takes false, a throw, a rejection and a timeout for invalid, and goes on", async () => {
  const error = new Error("dead");
  const table: [PoolOptions<Item>["validate"] & object, string | undefined][] = [
    [() => false, undefined],
    [() => Promise.resolve(false), undefined],
    [() => Promise.reject(error), "Error: dead"],
    [() => {
      throw error;
    }, "Error: dead"],
    [() => new Promise(() => {}), "TimeoutError: Not validated within 5000 ms"],
  ];
  for (const [validate, reported] of table) {
    const { clock, pool, destroyed, events } = await createStalePool(1, { validate });
    const caller = watch(pool.acquire({ acquireTimeoutMs: 6_000 }));
    await clock.advance(reported?.startsWith("Timeout") ? 5_000 : 0);
    assertEquals([caller.lease?.value.id, destroyed, clock.timers], [2, [1], 0]);
    const ended = events.find((event) => event.type === "pool.destroyed")!;
    assertEquals([ended.reason, "error" in ended ? String(ended.error) : undefined], [
      "invalid",
      reported,
    ]);
    assertEquals(pool.stats().destroyed.invalid, 1);
    caller.lease!.release();
    await pool.close();
  }
});

Deno.test("P5 ResourcePool does not restart a wait after failed validations: three dead resources", async () => {
  const { clock, pool, destroyed, validations } = await createStalePool(3, {
    validationTimeoutMs: 400,
    maxResources: 3,
    create: ({ generation }) =>
      generation <= 3 ? Promise.resolve({ id: generation }) : new Promise(() => {}),
  });
  const caller = watch(pool.acquire({ acquireTimeoutMs: 1_000 }));
  await clock.advance(999);
  assertEquals([caller.outcome, destroyed, validations.length], ["pending", [1, 2], 3]);
  await clock.advance(1);
  assertEquals([caller.outcome, clock.timers], ["pool_timeout", 1]);
  await clock.advance(200);
  assertEquals([destroyed, pool.stats().size, clock.timers], [[1, 2, 3], 0, 0]);
  assert(validations.every(({ signal }) => signal.aborted));
  // Too late to matter, and no unhandled rejection either.
  for (const validation of validations) validation.fail(new Error("late"));
  await pool.close({ graceMs: 0 });
});

Deno.test("P3 ResourcePool serves a waiter from elsewhere while a resource is validated", async () => {
  const { pool, validations } = await createStalePool(2);
  const first = watch(pool.acquire());
  validations[0]!.settle(true);
  await flush();
  const waiting = watch(pool.acquire());
  assertEquals(validations.map(({ id }) => id), [1, 2]);
  first.lease!.release();
  await flush();
  assertEquals([waiting.lease?.value.id, pool.stats().validating], [1, 1]);
  validations[1]!.settle(true);
  await flush();
  assertEquals([pool.stats().idle, pool.stats().validating], [1, 0]);
  waiting.lease!.release();
  await pool.close();
});

Deno.test("P10 ResourcePool validates as many as are waited for, and creates only beyond them", async () => {
  const cases: [capacity: number, callers: number, validations: number, creating: number][] = [
    [1, 1, 1, 0],
    [1, 2, 2, 0],
    [1, 3, 2, 1],
    [3, 3, 1, 0],
    [3, 4, 2, 0],
  ];
  for (const [capacity, callers, validating, creating] of cases) {
    const { pool, validations } = await createStalePool(2, { leasesPerResource: () => capacity });
    const waiting = Array.from({ length: callers }, () => watch(pool.acquire()));
    await null;
    assertEquals([pool.stats().validating, pool.stats().creating], [validating, creating]);
    for (const { settle } of validations) settle(true);
    await flush();
    for (const { lease } of waiting) lease!.release();
    await pool.close();
  }
});

Deno.test("P10 ResourcePool validates as many as it takes at once when one that could carry many is invalid", async () => {
  // Five leases at once, on one resource that carries three of them and two that carry one.
  const { clock, pool, validations } = await createStalePool(5, {
    leasesPerResource: ({ id }) => id === 1 ? 3 : 1,
    create: ({ generation }) =>
      generation <= 3 ? Promise.resolve({ id: generation }) : new Promise(() => {}),
  });
  const callers = Array.from({ length: 3 }, () => watch(pool.acquire()));
  assertEquals(validations.map(({ id }) => id), [1]);
  validations[0]!.settle(false);
  await flush();
  assertEquals(validations.map(({ id }) => id), [1, 2, 3]);
  for (const { settle } of validations) settle(true);
  await flush();
  for (const { lease } of callers.slice(0, 2)) lease!.release();
  await flush();
  callers[2]!.lease!.release();
  const closing = pool.close({ graceMs: 0 });
  await clock.advance(0);
  await closing;
});

Deno.test("P10 ResourcePool keeps what was validated for somebody who left", async () => {
  const { clock, pool, validations } = await createStalePool(1);
  const controller = new AbortController();
  const caller = watch(pool.acquire(controller));
  controller.abort("left");
  validations[0]!.settle(true);
  await flush();
  assertEquals([caller.outcome, pool.stats().idle, clock.timers], ["left", 1, 0]);
  (await pool.acquire()).release();
  assertEquals(validations.length, 1);
  await pool.close();
});

Deno.test("P14 ResourcePool ends a validation when its resource is evicted or the pool closes", async () => {
  for (const act of ["evict", "close"] as const) {
    for (const valid of [true, false]) {
      const items: Item[] = [];
      const { clock, pool, destroyed, validations } = await createStalePool(1, {
        isStateful: (item) => items.push(item) > 0,
      });
      const caller = watch(pool.acquire());
      if (act === "evict") pool.evict(items[0]!, new Error("gone"));
      else pool.close();
      await flush();
      assertEquals([destroyed, validations[0]!.signal.aborted], [[1], true]);
      assertEquals(caller.outcome, act === "evict" ? "lease" : "pool_closed");
      validations[0]!.settle(valid);
      await flush();
      assertEquals([pool.stats().validating, clock.timers], [0, 0]);
      caller.lease?.release();
      await pool.close();
      assertEquals(destroyed, act === "evict" ? [1, 2] : [1]);
    }
  }
});

Deno.test("P10 ResourcePool with validateAfterIdleMs 0 validates every idle resource once per lease", async () => {
  /** Moves on whenever it is read, as a real one does. */
  class TickingClock extends FakeClock {
    #ticks = 0;
    override now(): number {
      return super.now() + this.#ticks++ / 1_000;
    }
  }
  let validated = 0;
  const { pool } = createPool({
    clock: new TickingClock(),
    validateAfterIdleMs: 0,
    validate: () => ++validated > 0,
  });
  for (let lease = 0; lease < 5; lease++) (await pool.acquire()).release();
  assertEquals(validated, 4); // the first was just created
  await pool.close();
});

Deno.test("P10 ResourcePool.tryAcquire() passes over what must be validated first", async () => {
  const { pool, validations } = await createStalePool(2);
  assertStrictEquals(pool.tryAcquire(), undefined);
  assertEquals([validations.length, pool.stats().idle], [0, 2]);
  const caller = watch(pool.acquire());
  validations[0]!.settle(true);
  await flush();
  caller.lease!.release();
  const lease = pool.tryAcquire();
  assertEquals(lease?.value.id, 1);
  lease!.release();
  await pool.close();
});

Deno.test("P14 ResourcePool touches nothing else when the validation of an evicted resource ends", async () => {
  const items: Item[] = [];
  const { clock, pool, destroyed, validations } = await createStalePool(2, {
    create: ({ generation: id }) => id > 2 ? new Promise<Item>(() => {}) : Promise.resolve({ id }),
    isStateful: (item) => items.push(item) > 0,
    maxLifetimeMs: 50_000,
    maxResources: 2,
    validationTimeoutMs: 600_000,
    acquireTimeoutMs: 600_000,
  });
  const callers = [watch(pool.acquire()), watch(pool.acquire())];
  await clock.advance(30_000); // both are too old by now, and still being validated
  pool.evict(items[0]!, new Error("gone"));
  await flush();
  assertEquals([destroyed, validations[1]!.signal.aborted], [[1], false]);
  void pool.close({ graceMs: 0 });
  await clock.advance(0);
  assertEquals(callers.map(({ outcome }) => outcome), ["pool_closed", "pool_closed"]);
});
