import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import { createClientError, isClientError } from "../../src/errors/errors.ts";
import { createPool, Creations, flush, watch, type Watched } from "./support.ts";

/** The life of a pool, step by step; after each it can be closed. */
const STEPS = [
  "A comes",
  "its creation succeeds",
  "B and C come",
  "their creation fails for now",
  "the wait after the failure ends",
  "their creation succeeds",
  "A fails its resource",
  "A is given back",
  "a creation succeeds",
  "B is evicted",
  "C is given back",
  "D comes and leaves",
  "E comes",
  "its creation runs",
] as const;

/** Lives the first steps, closes, and lets what was under way end before or after the grace. */
async function closeAfter(count: number, graceMs: number, late: boolean): Promise<void> {
  const creations = new Creations();
  const fixture = createPool({ create: creations.create, poolSize: 2 });
  const { clock, pool, destroyed, events } = fixture;
  const callers: Record<string, Watched> = {};
  const leaving = new AbortController();
  const act: Record<(typeof STEPS)[number], () => unknown> = {
    "A comes": () => callers["A"] = watch(pool.acquire()),
    "its creation succeeds": () => creations.running[0]!.succeed(),
    "B and C come": () => ["B", "C"].map((name) => callers[name] = watch(pool.acquire())),
    "their creation fails for now": () =>
      creations.running[0]!.fail(createClientError("connection_refused", "down")),
    "the wait after the failure ends": () => clock.advance(50),
    "their creation succeeds": () => creations.running[0]!.succeed(),
    "A fails its resource": () => callers["A"]!.lease!.fail("broken"),
    "A is given back": () => callers["A"]!.lease!.release(),
    "a creation succeeds": () => creations.running[0]!.succeed(),
    "B is evicted": () => pool.evict(callers["B"]!.lease!.value, "gone"),
    "C is given back": () => callers["C"]!.lease!.release(),
    "D comes and leaves": () => {
      callers["D"] = watch(pool.acquire(leaving));
      leaving.abort("left");
    },
    "E comes": () => callers["E"] = watch(pool.acquire()),
    "its creation runs": () => {},
  };
  for (const [index, step] of STEPS.slice(0, count).entries()) {
    await act[step]();
    // The last step and close() may fall into one tick.
    if (index < count - 1 || graceMs === 100) await flush();
  }
  let closed = false;
  const closing = pool.close({ graceMs });
  closing.then(() => closed = true);
  assertEquals(pool.stats().waiting, 0);
  await flush();
  for (const { outcome } of Object.values(callers)) assert(outcome !== "pending");
  const finish = async (): Promise<void> => {
    for (const { lease } of Object.values(callers)) await lease?.[Symbol.asyncDispose]();
    for (const creation of [...creations.running]) creation.succeed();
    await flush();
  };
  if (!late) await finish();
  assertEquals(closed || late || clock.timers > 0, true);
  await clock.advance(2 * graceMs + 1);
  assertEquals([closed, clock.timers], [true, 0]);
  await finish();
  const { size, idle, busy, draining, creating, waiting, leases, created } = pool.stats();
  assertEquals([size, idle, busy, draining, creating, waiting, leases], [0, 0, 0, 0, 0, 0, 0]);
  assertEquals([destroyed.length, new Set(destroyed).size], [created, created]);
  assertEquals(events.filter(({ type }) => type === "pool.misuse"), []);
  assertStrictEquals(pool.close(), closing);
}

Deno.test("P14 ResourcePool.close() ends with nothing left, after every step of a pool's life", async (t) => {
  for (let count = 0; count <= STEPS.length; count++) {
    await t.step(count === 0 ? "nothing" : STEPS[count - 1]!, async () => {
      for (const graceMs of [0, 1, 100]) {
        for (const late of [false, true]) await closeAfter(count, graceMs, late);
      }
    });
  }
});

Deno.test("P14 ResourcePool.close() waits for leases, but not longer than they are out", async () => {
  const { clock, pool, destroyed } = createPool({ poolSize: 2 });
  const [one, two] = [await pool.acquire(), await pool.acquire()];
  let closed = false;
  const closing = pool.close({ graceMs: 1_000 }).then(() => closed = true);
  await clock.advance(300);
  one.release();
  await flush();
  assertEquals([closed, destroyed, clock.timers], [false, [1], 1]);
  two.release();
  await flush();
  assertEquals([closed, destroyed, clock.timers], [true, [1, 2], 0]);
  await closing;
});

Deno.test("P14 ResourcePool.close() destroys a lease beyond graceMs once, whatever its holder does later", async () => {
  for (const failing of [false, true]) {
    const { clock, pool, destroyed, events } = createPool({ leasesPerResource: () => 2 });
    const [one, two] = [await pool.acquire(), await pool.acquire()];
    const closing = pool.close({ graceMs: 1_000 });
    await clock.advance(1_000);
    await closing;
    assertEquals([destroyed, pool.stats().leases], [[1], 2]);
    if (failing) one.fail("too late");
    pool.evict(one.value, "too late");
    one.release();
    two.release();
    await flush();
    const { size, draining, leases } = pool.stats();
    assertEquals([destroyed, size, draining, leases], [[1], 0, 0, 0]);
    const { failed, pool_closed, created_late } = pool.stats().destroyed;
    assertEquals([failed, pool_closed, created_late], [0, 1, 0]);
    assertEquals(events.filter(({ type }) => type === "pool.destroyed").length, 1);
    assertEquals(clock.timers, 0);
  }
});

Deno.test("P14 ResourcePool.close() says of what it takes from its holder that it did, and what had broken it", async () => {
  const { clock, pool, events } = createPool({ poolSize: 2 });
  const [broken, sound] = [await pool.acquire(), await pool.acquire()];
  broken.fail("broken");
  const closing = pool.close({ graceMs: 10 });
  await clock.advance(10);
  await closing;
  const ended = events.filter(({ type }) => type === "pool.destroyed");
  const end = { type: "pool.destroyed", reason: "pool_closed" } as const;
  assertEquals(ended, [{ ...end, generation: 1, error: "broken" }, { ...end, generation: 2 }]);
  assertEquals(pool.stats().destroyed.pool_closed, 2);
  for (const lease of [broken, sound]) lease.release();
});

Deno.test("P14 ResourcePool.close() acts at once: a place freed in its tick goes to nobody", async () => {
  const { pool } = createPool({ poolSize: 2, maxResources: 1, leasesPerResource: () => 2 });
  const [one, two] = [await pool.acquire(), await pool.acquire()];
  const waiting = watch(pool.acquire());
  const closing = pool.close();
  one.release();
  const late = watch(pool.acquire());
  await flush();
  assertEquals([waiting.outcome, late.outcome], ["pool_closed", "pool_closed"]);
  two.release();
  await closing;
});

Deno.test("P14 ResourcePool.close() tells creations through their signal and waits for those that listen", async () => {
  let reason: unknown;
  let again: Promise<void> | undefined;
  const fixture = createPool({
    create: ({ signal }) =>
      new Promise((_, reject) => {
        signal.addEventListener("abort", () => {
          reason = signal.reason;
          again = pool.close();
          reject(reason);
        });
      }),
  });
  const { clock, pool, events } = fixture;
  const caller = watch(pool.acquire());
  await flush();
  const closing = pool.close();
  await closing;
  assert(isClientError(reason) && reason.code === "pool_closed");
  assertStrictEquals(again, closing);
  assertEquals([caller.outcome, clock.timers, pool.stats().creating], ["pool_closed", 0, 0]);
  // It ended because it was told to: that is no failure of creating.
  assertEquals([events, pool.stats().createFailed], [[], 0]);
});

Deno.test("P14 ResourcePool.close() leaves a deaf creation behind after graceMs; P9 its late end is destroyed", async () => {
  for (const end of ["succeed", "fail"] as const) {
    const creations = new Creations();
    const { clock, pool, destroyed } = createPool({ create: creations.create });
    const caller = watch(pool.acquire());
    await flush();
    let closed = false;
    pool.close({ graceMs: 100 }).then(() => closed = true);
    await clock.advance(99);
    assertEquals([closed, caller.outcome], [false, "pool_closed"]);
    await clock.advance(1);
    assertEquals([closed, clock.timers, pool.stats().creating], [true, 0, 1]);
    creations.running[0]![end](createClientError("forbidden", "no"));
    await flush();
    const { size, creating, createFailed } = pool.stats();
    assertEquals([size, creating, createFailed], [0, 0, 0]);
    assertEquals(destroyed, end === "succeed" ? [1] : []);
    assertEquals(pool.stats().destroyed.created_late, destroyed.length);
  }
});

Deno.test("P14 ResourcePool.close() waits for destroying, again for graceMs at most", async () => {
  for (const hangs of [false, true]) {
    const { promise, resolve } = Promise.withResolvers<void>();
    const { clock, pool } = createPool({ destroy: () => promise });
    (await pool.acquire()).release();
    let closed = false;
    pool.close({ graceMs: 100 }).then(() => closed = true);
    await clock.advance(99);
    assertEquals([closed, pool.stats().closing, pool.stats().size], [false, 1, 0]);
    if (hangs) await clock.advance(1);
    else resolve();
    await flush();
    assertEquals([closed, pool.stats().closing, clock.timers], [true, hangs ? 1 : 0, 0]);
    resolve();
    await flush();
    assertEquals(pool.stats().closing, 0);
  }
});

Deno.test("P14 ResourcePool.close() is one promise, whose grace is that of the first call", async () => {
  const { clock, pool } = createPool();
  const lease = await pool.acquire();
  const closing = pool.close({ graceMs: 500 });
  assertStrictEquals(pool.close({ graceMs: 5 }), closing);
  assertStrictEquals(pool[Symbol.asyncDispose](), closing);
  await clock.advance(499);
  assertEquals(pool.stats().size, 1);
  await clock.advance(1);
  await closing;
  assertEquals(pool.stats().size, 0);
  lease.release();
});

Deno.test("P14 ResourcePool.close() without a limit waits until all is given back", async () => {
  const { clock, pool } = createPool();
  const lease = await pool.acquire();
  let closed = false;
  pool.close({ graceMs: Infinity }).then(() => closed = true);
  await clock.advance(1_000_000);
  assertEquals([closed, pool.stats().size], [false, 1]);
  lease.release();
  await flush();
  assertEquals([closed, pool.stats().size, clock.timers], [true, 0, 0]);
});

Deno.test("P14 ResourcePool.close() leaves what is lent to its holders, however old it grows", async () => {
  const { clock, pool, events } = createPool({ maxLifetimeMs: 1_000 });
  const lease = await pool.acquire();
  const closing = pool.close({ graceMs: 10_000 });
  await clock.advance(1_000);
  assertEquals([pool.tryAcquire(), watch(pool.acquire()).lease], [undefined, undefined]);
  assertEquals([pool.stats().size, pool.stats().draining], [1, 0]);
  lease.release();
  await closing;
  const ended = events.filter(({ type }) => type === "pool.destroyed");
  assertEquals(ended, [{ type: "pool.destroyed", generation: 1, reason: "pool_closed" }]);
});
