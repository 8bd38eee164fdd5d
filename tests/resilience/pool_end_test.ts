import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import { isClientError } from "../../src/errors/errors.ts";
import { ResourcePool } from "../../src/resilience/pool.ts";
import type { PoolEvent } from "../../src/resilience/pool_options.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { createPool, Creations, flush, type Item, watch } from "./support.ts";

Deno.test("P19 ResourcePool keeps a resource that answers between timeouts, and drains one that does not", async () => {
  const { pool, destroyed, events } = createPool({
    leasesPerResource: () => 3,
    maxResources: 1,
    retireAfterTimeouts: 5,
  });
  const [one, two] = [await pool.acquire(), await pool.acquire()];
  for (let round = 0; round < 2; round++) {
    for (let timeout = 0; timeout < 4; timeout++) (timeout % 2 ? one : two).noteTimeout();
    one.noteAnswer();
  }
  for (let timeout = 0; timeout < 4; timeout++) two.noteTimeout();
  assertEquals([pool.stats().size, pool.stats().draining], [1, 0]);
  one.noteTimeout();
  assertEquals([pool.stats().size, pool.stats().draining, destroyed], [0, 1, []]);
  one.noteTimeout();
  const next = await pool.acquire();
  assertEquals(next.value.id, 2);
  one.release();
  two.release();
  assertEquals([destroyed, pool.stats().destroyed.retired], [[1], 1]);
  const ended = events.find(({ type }) => type === "pool.destroyed");
  assertEquals(ended, { type: "pool.destroyed", generation: 1, reason: "retired" });
  next.release();
  await pool.close();
});

Deno.test("P19 ResourcePool makes room at once for who waits as it retires a resource", async () => {
  const { pool } = createPool({ poolSize: 2, maxResources: 1, retireAfterTimeouts: 1 });
  const hung = await pool.acquire();
  const waiting = watch(pool.acquire());
  hung.noteTimeout();
  await flush();
  assertEquals([waiting.lease?.value.id, pool.stats().leases], [2, 2]);
  hung.release();
  waiting.lease!.release();
  await pool.close();
});

Deno.test("P19 ResourcePool retires nothing by default, and nothing without state", async () => {
  for (const options of [{}, { isStateful: () => false, retireAfterTimeouts: 1 }]) {
    const { pool } = createPool(options);
    const lease = await pool.acquire();
    for (let timeout = 0; timeout < 100; timeout++) lease.noteTimeout();
    lease.release();
    assertEquals([pool.stats().idle, pool.stats().created], [1, 1]);
    await pool.close();
  }
});

Deno.test("P12 ManagedResource says nothing of its resource after its release but pool.misuse", async () => {
  const { pool, events } = createPool({ poolSize: 1, retireAfterTimeouts: 2 });
  const old = await pool.acquire();
  old.release();
  const lease = await pool.acquire();
  lease.noteTimeout();
  old.noteAnswer();
  old.noteTimeout();
  assertEquals([pool.stats().busy, pool.stats().draining], [1, 0]);
  lease.noteTimeout();
  assertEquals([pool.stats().busy, pool.stats().draining], [0, 1]);
  assertEquals(events.filter(({ type }) => type === "pool.misuse").length, 2);
  lease.release();
  await pool.close();
});

Deno.test("P12 ManagedResource of an earlier generation returns only its own, be it the same object again", async () => {
  const item: Item = { id: 7 };
  const { pool, destroyed } = createPool({ poolSize: 2, create: () => Promise.resolve(item) });
  const old = await pool.acquire();
  old.fail("broken");
  const lease = await pool.acquire();
  assertStrictEquals(lease.value, old.value);
  assertEquals([old.generation, lease.generation], [1, 2]);
  old.release();
  assertEquals([destroyed, pool.stats().busy, pool.stats().idle], [[7], 1, 0]);
  lease.release();
  assertEquals([destroyed, pool.stats().idle, pool.stats().leases], [[7], 1, 0]);
  await pool.close();
  assertEquals(destroyed, [7, 7]);
});

Deno.test("ResourcePool asks isUsable before each lease and lends what it denies to nobody", async () => {
  const ended = new Set<number>();
  const defect = new Error("no idea");
  const { pool, destroyed, events } = createPool({
    poolSize: 3,
    isUsable: ({ id }) => {
      if (id === 3 && ended.has(3)) throw defect;
      return !ended.has(id);
    },
  });
  const leases = await Promise.all([1, 2, 3].map(() => pool.acquire()));
  const waiting = watch(pool.acquire());
  ended.add(1);
  leases[0]!.release(); // to a waiter
  await flush();
  assertEquals([waiting.lease?.value.id, destroyed], [4, [1]]);
  for (const lease of [...leases.slice(1), waiting.lease!]) lease.release();
  ended.add(2);
  const tried = pool.tryAcquire(); // at once
  assertEquals([tried?.value.id, destroyed], [3, [1, 2]]);
  tried!.release();
  for (const id of [3, 4]) ended.add(id);
  const next = await pool.acquire(); // after a creation
  assertEquals([next.value.id, destroyed, pool.stats().size], [5, [1, 2, 3, 4], 1]);
  next.release();
  const errors = events.flatMap((event) => event.type === "pool.destroyed" ? [event.error] : []);
  assert(isClientError(errors[0]) && errors[0].code === "connection_lost");
  assertStrictEquals(errors[2], defect);
  assertEquals(pool.stats().destroyed.failed, 4);
  await pool.close();
});

Deno.test("P8 ResourcePool counts a resource that is unusable at once as a failed creation, and waits", async () => {
  let asked = 0;
  const { clock, pool, destroyed, events } = createPool({
    create: ({ generation }) => (asked++, Promise.resolve({ id: generation })),
    isUsable: () => false,
  });
  const caller = watch(pool.acquire({ acquireTimeoutMs: 10_000 }));
  await clock.advance(10_000);
  assertEquals(caller.outcome, "pool_timeout");
  assert(isClientError((caller.error as Error).cause));
  assert(asked > 3 && asked <= 20, `${asked}`);
  const { created, createFailed, size, closing } = pool.stats();
  assertEquals([created, createFailed, size, closing], [0, asked, 0, 0]);
  assertEquals(destroyed, Array.from({ length: asked }, (_, index) => index + 1));
  assertEquals(clock.timers, 0);
  const first = events.find((event) => event.type === "pool.create_failed")!;
  assertEquals([first.generation, first.temporary, first.waitMs], [1, true, 50]);
  await pool.close();
});

Deno.test("ResourcePool.tryAcquire() lends what is free now: it neither waits, creates nor overtakes", async () => {
  const creations = new Creations();
  const { clock, pool } = createPool({ create: creations.create, poolSize: 2 });
  assertEquals([pool.tryAcquire(), creations.started, clock.timers], [undefined, 0, 0]);
  const first = watch(pool.acquire());
  await flush();
  creations.running[0]!.succeed();
  assertStrictEquals(pool.tryAcquire(), undefined); // it is the waiter's
  await flush();
  first.lease!.release();
  const lease = pool.tryAcquire();
  assertEquals([lease?.value.id, pool.stats().leases], [1, 1]);
  assertEquals([pool.tryAcquire(), creations.started], [undefined, 1]);
  lease!.release();
  await pool.close();
  assertStrictEquals(pool.tryAcquire(), undefined);
});

Deno.test("P1 ResourcePool stays within its bounds though its listener comes back while it looks", async () => {
  const limits = { poolSize: 2, maxResources: 2, leasesPerResource: () => 1 };
  let most = 0;
  let listening = false;
  const callers: ReturnType<typeof watch>[] = [];
  const onEvent = ({ type }: PoolEvent): void => {
    if (listening && type === "pool.destroyed") callers.push(watch(pool.acquire()));
    const { size, creating, leases } = pool.stats();
    most = Math.max(most, size + creating, leases);
  };
  const { clock, pool } = createPool({ ...limits, idleTimeoutMs: 1_000, onEvent });
  const [one, two] = [await pool.acquire(), await pool.acquire()];
  one.release();
  await clock.advance(999);
  two.release();
  listening = true;
  await clock.advance(1);
  callers.push(watch(pool.acquire()), watch(pool.acquire()));
  for (let turn = 0; turn < 4; turn++) {
    await flush();
    for (const { lease } of callers) await lease?.[Symbol.asyncDispose]();
  }
  listening = false;
  assertEquals([callers.every(({ outcome }) => outcome === "lease"), most], [true, 2]);
  await pool.close();
});

Deno.test("P14 ResourcePool.close() from a listener while a lease is looked for lends nothing", async () => {
  const { pool, clock } = createPool({
    poolSize: 4,
    leasesPerResource: () => 2,
    isUsable: ({ id }) => id !== 1 || !broken,
    onEvent: ({ type }) => type === "pool.destroyed" && void (closing ??= pool.close()),
  });
  let [broken, closing]: [boolean, Promise<void> | undefined] = [false, undefined];
  const leases = await Promise.all([1, 2, 3].map(() => pool.acquire()));
  leases.filter(({ value }) => value.id === 1).forEach((lease) => lease.release());
  broken = true;
  const caller = watch(pool.acquire());
  await flush();
  assertEquals([caller.outcome, clock.timers], ["pool_closed", 1]);
  leases.filter(({ value }) => value.id === 2).forEach((lease) => lease.release());
  await closing;
  assertEquals([pool.stats().size, pool.stats().leases, clock.timers], [0, 0, 0]);
});

Deno.test("P6 ResourcePool goes on if who waits leaves as it hears of the end of what it waited for", async () => {
  const leaving = new AbortController();
  let broken = false;
  const { pool, destroyed } = createPool({
    poolSize: 2,
    isUsable: ({ id }) => id !== 1 || !broken,
    onEvent: ({ type }) => {
      if (type !== "pool.destroyed") return;
      leaving.abort("left");
      two.release();
    },
  });
  const [one, two] = [await pool.acquire(), await pool.acquire()];
  const caller = watch(pool.acquire(leaving));
  broken = true;
  one.release();
  await flush();
  const { leases, idle, waiting } = pool.stats();
  assertEquals([caller.outcome, destroyed, leases, idle, waiting], ["left", [1], 0, 1, 0]);
  await pool.use(({ id }) => assertEquals(id, 2));
  await pool.close();
});

Deno.test("E5 ResourcePool needs nobody who hears of its events", async () => {
  const clock = new FakeClock();
  let creations = 0;
  const pool = new ResourcePool({
    clock,
    poolSize: 2,
    create: () =>
      ++creations === 1 ? Promise.reject(new Error("down")) : Promise.resolve(creations),
    destroy: () => Promise.reject(new Error("stuck")),
    leakThresholdMs: 10,
  });
  const waiting = pool.acquire();
  await clock.advance(5_000);
  const lease = await waiting;
  lease.fail(new Error("broke"));
  lease.release();
  lease.release();
  await clock.advance(10);
  await pool.close();
  const { createFailed, destroyed, leaks } = pool.stats();
  assertEquals([createFailed, destroyed.failed, leaks, clock.timers], [1, 1, 1, 0]);
});
