import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import fc from "fast-check";
import type { PoolOptions, Priority } from "../../src/resilience/pool_options.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { createRandom } from "../support/random.ts";
import { runs } from "../support/runs.ts";
import { createPool, Creations, flush, type Item, watch } from "./support.ts";

const WAITERS = runs(100_000);

/** Runs calls that each hold their lease for a turn; returns the most at once and the resources. */
async function runCalls(
  calls: number,
  options: Parameters<typeof createPool>[0],
): Promise<{ most: number; resources: number; created: number }> {
  const { pool } = createPool(options);
  const resources = new Set<number>();
  let [now, most] = [0, 0];
  await Promise.all(Array.from({ length: calls }, () =>
    pool.use(async ({ id }) => {
      resources.add(id);
      most = Math.max(most, ++now);
      await flush();
      now--;
    })));
  const { created } = pool.stats();
  await pool.close();
  return { most, resources: resources.size, created };
}

Deno.test("P2 ResourcePool lets 64 calls run ten at once on one shared resource", async () => {
  const options = { poolSize: 10, maxResources: 1, leasesPerResource: () => Infinity };
  assertEquals(await runCalls(64, options), { most: 10, resources: 1, created: 1 });
});

Deno.test("P2 ResourcePool needs two resources of 32 leases for 64 calls at once", async () => {
  const options = { poolSize: 64, maxResources: 4, leasesPerResource: () => 32 };
  assertEquals(await runCalls(64, options), { most: 64, resources: 2, created: 2 });
  assertEquals(await runCalls(32, options), { most: 32, resources: 1, created: 1 });
});

Deno.test("P2 ResourcePool lends the resource with the fewest leases, of equals the oldest", async () => {
  const { pool } = createPool({ poolSize: 9, maxResources: 3, leasesPerResource: () => 3 });
  const leases = await Promise.all(Array.from({ length: 9 }, () => pool.acquire()));
  const on = (id: number) => leases.filter(({ value }) => value.id === id);
  for (const lease of [...on(1).slice(0, 1), ...on(2).slice(0, 2), ...on(3).slice(0, 2)]) {
    lease.release();
  }
  const next: number[] = [];
  for (let i = 0; i < 5; i++) {
    leases.push(await pool.acquire());
    next.push(leases.at(-1)!.value.id);
  }
  assertEquals(next, [2, 3, 1, 2, 3]);
  assertEquals([pool.stats().leases, pool.stats().size], [9, 3]);
  for (const lease of leases) lease.release();
  await pool.close();
});

Deno.test("P2 ResourcePool asks each resource how many leases it carries", async () => {
  const { pool } = createPool({ poolSize: 6, leasesPerResource: ({ id }) => id });
  const leases = await Promise.all(Array.from({ length: 6 }, () => pool.acquire()));
  assertEquals(leases.map(({ value }) => value.id), [1, 2, 2, 3, 3, 3]);
  for (const lease of leases) lease.release();
  await pool.close();
});

Deno.test("P3 ResourcePool gives a free place to who waits, not to who comes later", async () => {
  const { pool } = createPool({ poolSize: 1 });
  const held = await pool.acquire();
  const first = watch(pool.acquire());
  held.release();
  const second = watch(pool.acquire());
  await flush();
  assertEquals([first.outcome, second.outcome, pool.stats().idle], ["lease", "pending", 0]);
  first.lease!.release();
  await flush();
  assertEquals(second.outcome, "lease");
  second.lease!.release();
  await pool.close();
});

Deno.test("P3 ResourcePool lets nobody overtake a waiter in the microtasks after a creation", async () => {
  for (let turns = 0; turns < 12; turns++) {
    const creations = new Creations();
    const { pool } = createPool({ create: creations.create, poolSize: 1 });
    const waiting = watch(pool.acquire());
    await flush();
    creations.running[0]!.succeed();
    for (let turn = 0; turn < turns; turn++) await null;
    const newcomer = watch(pool.acquire());
    await flush();
    assertEquals([waiting.outcome, newcomer.outcome], ["lease", "pending"], `${turns}`);
    waiting.lease!.release();
    await flush();
    newcomer.lease!.release();
    await pool.close();
  }
});

Deno.test("P4 ResourcePool serves waiters first come, first served, within a priority", async () => {
  const arrivals = fc.array(
    fc.record({
      priority: fc.constantFrom<Priority>("interactive", "background"),
      leaves: fc.boolean(),
    }),
    { maxLength: 30, size: "max" },
  );
  await fc.assert(fc.asyncProperty(arrivals, async (arrivals) => {
    const { clock, pool } = createPool({ poolSize: 1 });
    const held = await pool.acquire();
    const served: number[] = [];
    const leaving = new AbortController();
    const calls = arrivals.map(({ priority, leaves }, index) => {
      const options = { priority, ...(leaves && { signal: leaving.signal }) };
      return pool.use(() => void served.push(index), options).catch(() => {});
    });
    leaving.abort();
    held.release();
    await Promise.all(calls);
    const stay = (wanted: Priority): number[] =>
      [...arrivals.keys()].filter((index) =>
        arrivals[index]!.priority === wanted && !arrivals[index]!.leaves
      );
    assertEquals(served, [...stay("interactive"), ...stay("background")]);
    assertEquals([pool.stats().leases, clock.timers], [0, 0]);
    await pool.close();
  }));
});

Deno.test(`P4 ResourcePool keeps the order of ${WAITERS} waiters of which half leave`, async () => {
  const { pool } = createPool({ poolSize: 1, maxWaiters: Infinity, acquireTimeoutMs: Infinity });
  const held = await pool.acquire();
  const random = createRandom(4);
  const controllers: AbortController[] = [];
  const served: number[] = [];
  const calls = Array.from({ length: WAITERS }, (_, index) => {
    if (index % 2 === 0) return pool.use(() => void served.push(index));
    const controller = new AbortController();
    controllers.push(controller);
    return pool.use(() => void served.push(index), controller).catch(() => {});
  });
  // In an order that has nothing to do with the queue's, where a search would take minutes.
  controllers.sort(() => random() - 0.5);
  for (const controller of controllers) controller.abort();
  assertEquals(pool.stats().waiting, WAITERS / 2);
  held.release();
  await Promise.all(calls);
  assertEquals(served.length, WAITERS / 2);
  assert(served.every((index, turn) => index === 2 * turn));
  await pool.close();
});

Deno.test("P16 ResourcePool.stats() is plain data that counts waits by powers of ten", async () => {
  const { clock, pool } = createPool({ poolSize: 1, acquireTimeoutMs: Infinity });
  for (const waitMs of [0, 0.5, 1, 1.5, 10, 11, 100, 1_000, 10_000, 10_001]) {
    const held = await pool.acquire();
    const waiting = pool.acquire();
    await clock.advance(waitMs);
    held.release();
    (await waiting).release();
  }
  const stats = pool.stats();
  // Ten more at once: those whose lease was held.
  assertEquals(stats.acquireWait, [
    { upToMs: 0, count: 11 },
    { upToMs: 1, count: 2 },
    { upToMs: 10, count: 2 },
    { upToMs: 100, count: 2 },
    { upToMs: 1_000, count: 1 },
    { upToMs: 10_000, count: 1 },
    { upToMs: null, count: 1 },
  ]);
  assertEquals(structuredClone(stats), stats);
  assertEquals(JSON.parse(JSON.stringify(stats)), stats);
  await pool.close();
  assertEquals([stats.size, pool.stats().size], [1, 0]);
});

Deno.test("ResourcePool asks what time it is only where an option or a waiter needs it", async () => {
  class CountedClock extends FakeClock {
    reads = 0;
    override now(): number {
      this.reads++;
      return super.now();
    }
  }
  const table: [Partial<PoolOptions<Item>>, boolean][] = [
    [{}, false],
    [{ validate: () => true }, true],
    [{ idleTimeoutMs: 1_000 }, true],
    [{ maxLifetimeMs: 1_000 }, true],
  ];
  for (const [options, isTimed] of table) {
    const clock = new CountedClock();
    const { pool } = createPool({ clock, ...options });
    (await pool.acquire()).release();
    for (const lend of [() => pool.acquire(), () => pool.tryAcquire()]) {
      clock.reads = 0;
      const lease = await lend();
      assertEquals(clock.reads > 0, isTimed, Object.keys(options).join());
      clock.reads = 0;
      lease!.release();
      assertEquals(clock.reads > 0, isTimed, Object.keys(options).join());
    }
    await pool.close();
  }
});

Deno.test("F1 ResourcePool with one seed gives one trace of events", async () => {
  const trace = async (): Promise<string> => {
    const random = createRandom(3);
    const { clock, pool, events } = createPool({
      random,
      create: ({ generation }) =>
        random() < 0.6 ? Promise.reject("down") : Promise.resolve({ id: generation }),
    });
    for (let i = 0; i < 20; i++) {
      pool.use((_, lease) => void (random() < 0.3 && lease.fail("broken"))).catch(() => {});
      await clock.advance(200);
    }
    await pool.close();
    return JSON.stringify(events);
  };
  const first = await trace();
  assertStrictEquals(await trace(), first);
  for (const type of ["created", "create_failed", "destroyed"]) {
    assert(first.includes(`"pool.${type}"`), type);
  }
});
