import { assert, assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { createClientError, isClientError } from "../../src/errors/errors.ts";
import type { ManagedResource } from "../../src/resilience/managed_resource.ts";
import { ResourcePool } from "../../src/resilience/pool.ts";
import type { PoolEvent, PoolOptions } from "../../src/resilience/pool_options.ts";
import { FakeClock, settle } from "../support/fake_clock.ts";
import type { Kit } from "../support/kit.ts";
import { createRandom } from "../support/random.ts";

interface Item {
  readonly id: number;
}

/** A pool over numbered items, and what became of them. */
function createPool(options: Partial<PoolOptions<Item>> = {}): {
  clock: FakeClock;
  pool: ResourcePool<Item>;
  destroyed: number[];
  events: string[];
} {
  const clock = new FakeClock();
  const destroyed: number[] = [];
  const events: string[] = [];
  const pool = new ResourcePool<Item>({
    create: ({ generation }) => Promise.resolve({ id: generation }),
    destroy: ({ id }) => void destroyed.push(id),
    onEvent: ({ type }: PoolEvent) => void events.push(type),
    clock,
    random: () => 0.5,
    ...options,
  });
  return { clock, pool, destroyed, events };
}

const codeOf = (error: unknown): unknown => isClientError(error) ? error.code : error;

export default function (t: Kit): void {
  t.test("ResourcePool P1 creates nothing before it is wanted, and never more than poolSize", async () => {
    const { pool } = createPool({ poolSize: 3 });
    assertEquals(pool.stats().size, 0);
    let most = 0, now = 0;
    await Promise.all(Array.from({ length: 50 }, () =>
      pool.use(async () => {
        most = Math.max(most, ++now);
        await Promise.resolve();
        now--;
      })));
    assertEquals([most, pool.stats().size, pool.stats().leases], [3, 3, 0]);
    await pool.close();
  });

  t.test("ResourcePool P2 shares a resource before it creates another", async () => {
    const { pool } = createPool({ poolSize: 4, leasesPerResource: () => 2, maxResources: 2 });
    const leases = [];
    for (let i = 0; i < 4; i++) leases.push(await pool.acquire());
    assertEquals(pool.stats().size, 2);
    assertEquals(new Set(leases.map(({ value }) => value.id)).size, 2);
    for (const lease of leases) lease.release();
    await pool.close();
  });

  t.test("ResourcePool P4 serves first come, first served, background after interactive", async () => {
    const { pool } = createPool({ poolSize: 1 });
    const held = await pool.acquire();
    const served: string[] = [];
    const wait = (name: string, priority: "interactive" | "background"): Promise<void> =>
      pool.use(() => void served.push(name), { priority });
    const waits = [wait("b1", "background"), wait("i1", "interactive"), wait("i2", "interactive")];
    held.release();
    await Promise.all(waits);
    assertEquals(served, ["i1", "i2", "b1"]);
    await pool.close();
  });

  t.test("ResourcePool P5 bounds a wait by its own timeout and says how long it was", async () => {
    const { clock, pool } = createPool({ poolSize: 1 });
    const held = await pool.acquire();
    const wait = pool.acquire({ acquireTimeoutMs: 1_000 }).catch((error) => error);
    await clock.advance(999);
    assertEquals(pool.stats().waiting, 1);
    await clock.advance(1);
    const error = await wait;
    assertEquals([codeOf(error), error.delivery], ["pool_timeout", "not_sent"]);
    assertEquals(
      codeOf(await pool.acquire({ acquireTimeoutMs: 0 }).catch((e) => e)),
      "pool_timeout",
    );
    held.release();
    assertEquals([pool.stats().waiting, clock.timers], [0, 0]);
    await pool.close();
  });

  t.test("ResourcePool P6 hands a place that is freed with an abort to the next waiter", async () => {
    const { pool } = createPool({ poolSize: 1 });
    for (const abortFirst of [true, false]) {
      const held = await pool.acquire();
      const controller = new AbortController();
      const reason = { no: "error" };
      const first = pool.acquire({ signal: controller.signal }).catch((thrown) => thrown);
      const second = pool.acquire();
      if (abortFirst) controller.abort(reason);
      held.release();
      if (!abortFirst) controller.abort(reason);
      const outcome = await first;
      if (abortFirst) assertStrictEquals(outcome, reason);
      else outcome.release();
      (await second).release();
      assertEquals([pool.stats().leases, pool.stats().waiting], [0, 0]);
    }
    await pool.close();
  });

  t.test("ResourcePool P6 leaves nothing of a thousand waiters of which half abort", async () => {
    const { clock, pool } = createPool({ poolSize: 10, maxWaiters: 1_000 });
    const controller = new AbortController();
    let done = 0;
    const calls = Array.from({ length: 1_000 }, (_, index) => {
      const signal = index % 2 === 0 ? { signal: controller.signal } : {};
      return pool.use(() => void done++, signal).catch((reason) => reason);
    });
    controller.abort("half");
    const reasons = await Promise.all(calls);
    assertEquals(reasons.filter((reason) => reason === "half").length, 500);
    assertEquals(done, 500);
    const { waiting, leases } = pool.stats();
    assertEquals([waiting, leases, clock.timers], [0, 0, 0]);
    await pool.close();
  });

  t.test("ResourcePool P7 refuses the newcomer beyond maxWaiters and touches nobody else", async () => {
    const { pool } = createPool({ poolSize: 1, maxWaiters: 2 });
    const held = await pool.acquire();
    const waits = [pool.acquire(), pool.acquire()];
    const refused = await pool.acquire().catch((error) => error);
    assertEquals([codeOf(refused), refused.retryable], ["pool_full", true]);
    held.release();
    for (const wait of waits) (await wait).release();
    await pool.close();
  });

  t.test("ResourcePool keeps waiters through a failed creation that passes, and names it if not", async () => {
    let failing = true;
    const failure = createClientError("connection_refused", "down");
    const { clock, pool, events } = createPool({
      create: () => failing ? Promise.reject(failure) : Promise.resolve({ id: 7 }),
    });
    const early = pool.acquire({ acquireTimeoutMs: 60 }).catch((error) => error);
    const late = pool.acquire({ acquireTimeoutMs: 10_000 });
    await clock.advance(60);
    const error = await early;
    assertEquals(codeOf(error), "pool_timeout");
    assertStrictEquals(error.cause, failure);
    failing = false;
    await clock.advance(5_000);
    (await late).release();
    assert(events.includes("pool.create_failed"));
    await pool.close();
    assertEquals(clock.timers, 0);
  });

  t.test("ResourcePool rejects all who wait once a creation fails for good", async () => {
    const failure = createClientError("forbidden", "no");
    const { clock, pool } = createPool({ create: () => Promise.reject(failure) });
    const waits = [pool.acquire(), pool.acquire()].map((wait) => wait.catch((error) => error));
    assertEquals(await Promise.all(waits), [failure, failure]);
    assertEquals(clock.timers, 0);
    await pool.close();
  });

  t.test("ResourcePool P8 creates one at a time", async () => {
    let creating = 0, most = 0;
    const { pool } = createPool({
      create: async ({ generation }) => {
        most = Math.max(most, ++creating);
        await settle();
        creating--;
        return { id: generation };
      },
    });
    const leases = await Promise.all(Array.from({ length: 10 }, () => pool.acquire()));
    assertEquals(most, 1);
    for (const lease of leases) lease.release();
    await pool.close();
  });

  t.test("ResourcePool P9 destroys what is created after close()", async () => {
    let finish: (item: Item) => void = () => {};
    const { pool, destroyed } = createPool({
      create: () => new Promise((resolve) => finish = resolve),
    });
    const wait = pool.acquire().catch((error) => error);
    await settle();
    const closing = pool.close();
    assertEquals(codeOf(await wait), "pool_closed");
    finish({ id: 9 });
    await closing;
    assertEquals([destroyed, pool.stats().size], [[9], 0]);
  });

  t.test("ResourcePool P12 takes a lease back once; again it only reports", async () => {
    const { pool, events } = createPool({ poolSize: 1 });
    const lease = await pool.acquire();
    lease.release();
    lease.release();
    lease.fail(new Error("too late"));
    await lease[Symbol.asyncDispose]();
    assertEquals(events.filter((type) => type === "pool.misuse").length, 2);
    const again = await pool.acquire();
    assertStrictEquals(again.value, lease.value);
    assertEquals(pool.stats().leases, 1);
    again.release();
    await pool.close();
  });

  t.test("ResourcePool replaces a failed resource after its last lease, never lends it again", async () => {
    const { pool, destroyed } = createPool({ poolSize: 2, leasesPerResource: () => 2 });
    const [one, two] = [await pool.acquire(), await pool.acquire()];
    one.fail(new Error("broken"));
    one.release();
    assertEquals(destroyed, []);
    const other = await pool.acquire();
    assert(other.value.id !== two.value.id);
    two.release();
    assertEquals(destroyed, [two.value.id]);
    other.release();
    await pool.close();
  });

  t.test("ResourcePool.use() gives back on success, throw and abort", async () => {
    const { pool } = createPool({ poolSize: 1 });
    const failure = new Error("of the caller");
    assertEquals(await pool.use(({ id }) => id), 1);
    assertStrictEquals(await assertRejects(() => pool.use(() => Promise.reject(failure))), failure);
    const used = pool.use((_, lease) => lease.release());
    await used;
    assertEquals([pool.stats().leases, pool.stats().idle], [0, 1]);
    await pool.close();
  });

  t.test("ResourcePool P14 close() rejects waiters, waits graceMs for leases, then destroys", async () => {
    const { clock, pool, destroyed } = createPool({ poolSize: 1 });
    const lease = await pool.acquire();
    const wait = pool.acquire().catch((error) => error);
    let closed = false;
    const closing = pool.close({ graceMs: 1_000 }).then(() => closed = true);
    assertEquals(codeOf(await wait), "pool_closed");
    assertEquals(codeOf(await pool.acquire().catch((error) => error)), "pool_closed");
    await clock.advance(999);
    assertEquals([closed, destroyed], [false, []]);
    await clock.advance(1);
    await closing;
    assertEquals([destroyed, clock.timers], [[1], 0]);
    lease.release();
    await pool.close();
    assertEquals(destroyed, [1]);
  });

  t.test("ResourcePool P10 validates what was idle for long, and goes on when it is dead", async () => {
    const validated: number[] = [];
    const { clock, pool, destroyed } = createPool({
      poolSize: 2,
      validateAfterIdleMs: 100,
      validationTimeoutMs: 50,
      validate: ({ id }) => (validated.push(id), new Promise(() => {})),
    });
    const leases = [await pool.acquire(), await pool.acquire()];
    for (const lease of leases) lease.release();
    (await pool.acquire()).release();
    assertEquals(validated, []);
    await clock.advance(101);
    const wait = pool.acquire();
    await clock.advance(100);
    assertEquals([(await wait).value.id, validated, destroyed], [3, [1, 2], [1, 2]]);
    (await wait).release();
    await pool.close();
    assertEquals(clock.timers, 0);
  });

  t.test("ResourcePool P11 ends what was idle for long, on a timer that is there no longer", async () => {
    const { clock, pool, destroyed } = createPool({ idleTimeoutMs: 100 });
    (await pool.acquire()).release();
    await clock.advance(100);
    assertEquals([destroyed, pool.stats().size, clock.timers], [[1], 0, 0]);
    await pool.close();
  });

  t.test("ResourcePool P13 reports a lease that is out for too long, with a stack", async () => {
    const leaks: unknown[] = [];
    const { clock, pool } = createPool({
      leakThresholdMs: 100,
      onEvent: (event) => event.type === "pool.leak" && leaks.push(typeof event.stack),
    });
    const lease = await pool.acquire();
    await clock.advance(200);
    assertEquals([leaks, pool.stats().leaks], [["string"], 1]);
    lease.release();
    await pool.close();
  });

  t.test("ResourcePool P19 drains a resource that times out again and again", async () => {
    const { pool, destroyed } = createPool({ retireAfterTimeouts: 2 });
    const lease = await pool.acquire();
    lease.noteTimeout();
    lease.noteAnswer();
    lease.noteTimeout();
    assertEquals(pool.stats().draining, 0);
    lease.noteTimeout();
    lease.release();
    assertEquals([destroyed, pool.stats().destroyed.retired], [[1], 1]);
    await pool.close();
  });

  t.test("ResourcePool.tryAcquire() lends what is free and usable now, or nothing", async () => {
    const { pool } = createPool({ poolSize: 1, isUsable: ({ id }) => id !== broken });
    let broken = 0;
    assertEquals(pool.tryAcquire(), undefined);
    (await pool.acquire()).release();
    const lease = pool.tryAcquire();
    assertEquals([lease?.value.id, pool.tryAcquire()], [1, undefined]);
    lease?.release();
    broken = 1;
    assertEquals([pool.tryAcquire(), pool.stats().size], [undefined, 0]);
    await pool.close();
  });

  t.test("ResourcePool survives seeded schedules: nothing lost, nothing over its bounds", async () => {
    for (let seed = 1; seed <= 10; seed++) await runSchedule(seed);
  });
}

/** Random callers against the pool's promises, checked after every step. */
async function runSchedule(seed: number): Promise<void> {
  const random = createRandom(seed);
  const below = (bound: number): number => Math.floor(random() * bound);
  const poolSize = 1 + below(4);
  const maxWaiters = 1 + below(6);
  const waitOn = (ms: number): Promise<void> => clock.sleep(ms);
  const { clock, pool } = createPool({
    poolSize,
    maxWaiters,
    random,
    create: async ({ generation }) => {
      const fails = random() < 0.2;
      await waitOn(below(100));
      if (fails) throw createClientError("connection_refused", "down");
      return { id: generation };
    },
  });
  const held: ManagedResource<Item>[] = [];
  const controllers: AbortController[] = [];
  let started = 0, settled = 0;
  for (let step = 0; step < 50; step++) {
    const dice = random();
    if (dice < 0.4) {
      const controller = new AbortController();
      controllers.push(controller);
      started++;
      pool.acquire({ signal: controller.signal })
        .then((lease) => void held.push(lease), () => {})
        .finally(() => settled++);
    } else if (dice < 0.65) {
      held.splice(below(held.length), 1)[0]?.release();
    } else if (dice < 0.75) {
      controllers.splice(below(controllers.length), 1)[0]?.abort();
    } else if (dice < 0.8) {
      held[below(held.length)]?.fail(new Error("broken"));
    } else {
      await clock.advance(below(200));
    }
    await settle();
    const stats = pool.stats();
    const where = `seed ${seed}, step ${step}: ${JSON.stringify(stats)}`;
    assertEquals(stats.leases, held.length, where);
    assert(stats.leases <= poolSize && stats.waiting <= maxWaiters, where);
    assert(stats.size + stats.creating <= poolSize, where);
    assert(stats.waiting === 0 || stats.idle === 0, where);
    assertEquals(started - settled, stats.waiting, where);
  }
  const closing = pool.close();
  await settle();
  for (const lease of held) lease.release();
  await clock.advance(20_000);
  await closing;
  const { size, draining, creating, waiting, leases } = pool.stats();
  assertEquals([size, draining, creating, waiting, leases], [0, 0, 0, 0, 0], `seed ${seed}`);
  assertEquals([settled, clock.timers], [started, 0], `seed ${seed}`);
}
