import { assert, assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import fc from "fast-check";
import { createPool, Creations, flush, watch } from "./support.ts";

Deno.test("P12 ManagedResource counts once, however often and in whatever way it is given back", async () => {
  const act = fc.constantFrom<"release" | "fail" | "dispose">("release", "fail", "dispose");
  await fc.assert(fc.asyncProperty(fc.array(act, { maxLength: 8 }), async (acts) => {
    const { pool, events, destroyed } = createPool({ poolSize: 2, leasesPerResource: () => 2 });
    const [lease, other] = [await pool.acquire(), await pool.acquire()];
    let [released, failed, misuses] = [false, false, 0];
    for (const act of acts) {
      if (act === "dispose") await lease[Symbol.asyncDispose]();
      else lease[act](new Error("broken") as never);
      if (released && act !== "dispose") misuses++;
      failed ||= act === "fail" && !released;
      released ||= act !== "fail";
    }
    const { leases, size, draining } = pool.stats();
    assertEquals([leases, size, draining], [released ? 1 : 2, failed ? 0 : 1, failed ? 1 : 0]);
    const misused = events.filter(({ type }) => type === "pool.misuse");
    assertEquals(misused, misused.map(() => ({ type: "pool.misuse", generation: 1 })));
    assertEquals([misused.length, destroyed], [misuses, []]);
    if (!released) lease.release();
    other.release();
    assertEquals(destroyed, failed ? [1] : []);
    await pool.close();
    assertEquals(destroyed, [1]);
  }));
});

Deno.test("P12 ManagedResource of an earlier generation cannot give back a later one", async () => {
  const { pool, events } = createPool({ poolSize: 1 });
  const old = await pool.acquire();
  old.fail("broken");
  old.release();
  const lease = await pool.acquire();
  const waiting = watch(pool.acquire());
  old.release();
  old.fail("again");
  await flush();
  assertEquals([old.generation, lease.generation, waiting.outcome], [1, 2, "pending"]);
  const { leases, size } = pool.stats();
  assertEquals([leases, size], [1, 1]);
  const misused = events.filter((event) => event.type === "pool.misuse");
  assertEquals(misused.map(({ generation }) => generation), [1, 1]);
  lease.release();
  await flush();
  waiting.lease!.release();
  await pool.close();
});

Deno.test("P12 ManagedResource refuses to be used as the method of something else", async () => {
  const { pool } = createPool();
  const lease = await pool.acquire();
  const { release } = lease;
  let thrown: unknown;
  try {
    release.call({ value: lease.value } as never);
  } catch (error) {
    thrown = error;
  }
  assert(thrown instanceof TypeError);
  assertEquals(pool.stats().leases, 1);
  lease.release();
  await pool.close();
});

Deno.test("P1 ResourcePool replaces a failed resource while hung leases on it are still out", async () => {
  const creations = new Creations();
  const { pool, destroyed, events } = createPool({
    create: creations.create,
    poolSize: 3,
    maxResources: 1,
    leasesPerResource: () => 3,
  });
  const [first, hung] = [watch(pool.acquire()), watch(pool.acquire())];
  await flush();
  creations.running[0]!.succeed();
  await flush();
  const error = new Error("session lost");
  first.lease!.fail(error);
  first.lease!.fail(new Error("again"));
  first.lease!.release();
  const next = watch(pool.acquire());
  await flush();
  creations.running[0]!.succeed();
  await flush();
  assertEquals([next.lease!.generation, destroyed], [2, []]);
  const { size, draining, leases } = pool.stats();
  assertEquals([size, draining, leases], [1, 1, 2]);
  hung.lease!.release();
  assertEquals([destroyed, pool.stats().draining, pool.stats().closing], [[1], 0, 1]);
  await flush();
  assertEquals(pool.stats().closing, 0);
  const ended = events.find((event) => event.type === "pool.destroyed")!;
  assertEquals(ended, { type: "pool.destroyed", generation: 1, reason: "failed", error });
  assertStrictEquals(ended.error, error);
  next.lease!.release();
  await pool.close();
});

Deno.test("P1 ResourcePool counts the leases of failed resources among its poolSize", async () => {
  const { pool } = createPool({ poolSize: 2 });
  const [one, two] = [await pool.acquire(), await pool.acquire()];
  one.fail("broken");
  two.fail("broken");
  const waiting = watch(pool.acquire());
  await flush();
  assertEquals([waiting.outcome, pool.stats().created, pool.stats().creating], ["pending", 2, 0]);
  one.release();
  await flush();
  assertEquals([waiting.outcome, pool.stats().leases], ["lease", 2]);
  two.release();
  waiting.lease!.release();
  await pool.close();
});

Deno.test("ResourcePool.evict() destroys an idle resource at once, a lent one with its last lease", async () => {
  const { pool, destroyed, events } = createPool({ poolSize: 2, leasesPerResource: () => 2 });
  const [one, two] = [await pool.acquire(), await pool.acquire()];
  const item = one.value;
  pool.evict(item, "closed");
  pool.evict(item, "closed again");
  one.release();
  assertEquals([destroyed, pool.stats().size], [[], 0]);
  two.release();
  assertEquals(destroyed, [1]);
  const end = { type: "pool.destroyed", generation: 1, reason: "failed", error: "closed" } as const;
  assertEquals(events.at(-1), end);
  const idle = await pool.acquire();
  idle.release();
  pool.evict(idle.value, "closed");
  assertEquals(destroyed, [1, 2]);
  pool.evict(item, "long gone");
  pool.evict({ id: 2 }, "only looks like it");
  await pool.close();
  pool.evict(idle.value, "after the end");
  assertEquals([destroyed, pool.stats().destroyed.failed], [[1, 2], 2]);
});

Deno.test("ResourcePool.evict() makes room for those who wait", async () => {
  const { pool } = createPool({ poolSize: 2, maxResources: 1 });
  const held = await pool.acquire();
  const waiting = watch(pool.acquire());
  pool.evict(held.value, "closed");
  await flush();
  assertEquals([waiting.lease?.generation, pool.stats().leases], [2, 2]);
  waiting.lease!.release();
  held.release();
  await pool.close();
});

Deno.test("ResourcePool.use() gives the lease back whatever its function does", async () => {
  const { pool, destroyed, events } = createPool({ poolSize: 1 });
  const failure = new Error("of the caller");
  const throws = (): never => {
    throw failure;
  };
  assertStrictEquals(await assertRejects(() => pool.use(throws)), failure);
  assertStrictEquals(await assertRejects(() => pool.use(() => Promise.reject(failure))), failure);
  assertEquals(await pool.use(({ id }, lease) => (lease.release(), id)), 1);
  await pool.use(async (_, lease) => await lease[Symbol.asyncDispose]());
  assertEquals([destroyed, pool.stats().idle, pool.stats().leases], [[], 1, 0]);
  await pool.use((_, lease) => lease.fail("broken"));
  assertEquals([destroyed, pool.stats().leases], [[1], 0]);
  assertEquals(events.filter(({ type }) => type === "pool.misuse"), []);
  await pool.close();
});

Deno.test("ResourcePool.use() does not call its function without a lease", async () => {
  const { pool } = createPool({ poolSize: 1 });
  const held = await pool.acquire();
  const reason = { no: "error" };
  let called = 0;
  const call = (options: Parameters<typeof pool.use>[1]): Promise<unknown> =>
    pool.use(() => called++, options).catch((error) => error);
  assertStrictEquals(await call({ signal: AbortSignal.abort(reason) }), reason);
  assert(await call({ acquireTimeoutMs: 0 }) instanceof Error);
  assert(await call({ acquireTimeoutMs: -1 }) instanceof RangeError);
  held.release();
  await pool.close();
  assert(await call({}) instanceof Error);
  assertEquals(called, 0);
});

Deno.test("ManagedResource and ResourcePool end with the block that awaits their use", async () => {
  const { pool, destroyed, clock } = createPool({ poolSize: 1 });
  {
    await using scope = pool;
    {
      await using lease = await scope.acquire();
      assertEquals(lease.value.id, 1);
    }
    assertEquals([pool.stats().leases, pool.stats().idle], [0, 1]);
  }
  assertEquals([destroyed, clock.timers], [[1], 0]);
});

Deno.test("ResourcePool reports a destroy that throws or rejects, and goes on", async () => {
  const error = new Error("stuck");
  const failing: (() => Promise<void>)[] = [() => Promise.reject(error), () => {
    throw error;
  }];
  for (const destroy of failing) {
    const { clock, pool, events } = createPool({ destroy });
    const lease = await pool.acquire();
    lease.fail("broken");
    lease.release();
    await flush();
    assertEquals(events.at(-1), { type: "pool.destroy_failed", generation: 1, error });
    assertEquals([pool.stats().closing, pool.stats().destroyed.failed], [0, 1]);
    assertEquals(await pool.use(({ id }) => id), 2);
    await pool.close();
    assertEquals(clock.timers, 0);
  }
});
