import { assert, assertEquals } from "@std/assert";
import { systemClock, type TimerOptions } from "../../src/resilience/clock.ts";
import { runCommand } from "../support/command.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { createRandom } from "../support/random.ts";
import { createPool, flush, type Item, watch } from "./support.ts";

Deno.test("P11 ResourcePool ends a stateful resource once it was idle for idleTimeoutMs, with one timer", async () => {
  const { clock, pool, destroyed, events } = createPool({ poolSize: 2, idleTimeoutMs: 1_000 });
  const [one, two] = [await pool.acquire(), await pool.acquire()];
  assertEquals(clock.timers, 0);
  one.release();
  assertEquals(clock.timers, 1);
  await clock.advance(400);
  two.release();
  assertEquals(clock.timers, 1);
  await clock.advance(599);
  assertEquals([destroyed, pool.stats().idle], [[], 2]);
  await clock.advance(1);
  assertEquals([destroyed, pool.stats().idle, clock.timers], [[1], 1, 1]);
  const again = await pool.acquire();
  assertEquals([again.value.id, clock.timers], [2, 0]);
  await clock.advance(10_000);
  again.release();
  await clock.advance(999);
  assertEquals([destroyed, clock.timers], [[1], 1]);
  await clock.advance(1);
  assertEquals([destroyed, clock.timers, pool.stats().size], [[1, 2], 0, 0]);
  const ended = events.filter(({ type }) => type === "pool.destroyed");
  assertEquals(ended[0], { type: "pool.destroyed", generation: 1, reason: "idle" });
  assertEquals([pool.stats().destroyed.idle, ended.length], [2, 2]);
  await pool.close();
});

Deno.test("P11 ResourcePool ends what was created or validated for somebody who left", async () => {
  const clock = new FakeClock();
  const { pool, destroyed } = createPool({
    clock,
    idleTimeoutMs: 1_000,
    validateAfterIdleMs: 100,
    validate: () => clock.sleep(10).then(() => true),
    create: ({ generation }) => clock.sleep(10).then(() => ({ id: generation })),
  });
  for (const idleMs of [500, 489]) {
    const leaving = new AbortController();
    const caller = watch(pool.acquire(leaving));
    await flush();
    leaving.abort("left");
    await clock.advance(10); // until it is created, then until it is valid
    assertEquals([caller.outcome, pool.stats().idle, clock.timers], ["left", 1, 1]);
    await clock.advance(idleMs);
    assertEquals(destroyed, []);
  }
  await clock.advance(1);
  assertEquals([destroyed, pool.stats().created, clock.timers], [[1], 1, 0]);
  await pool.close();
});

Deno.test("P11 ResourcePool ends an idle resource though its timer comes a little early", async () => {
  class HastyClock extends FakeClock {
    override setTimer(ms: number, callback: () => void): () => void {
      return super.setTimer(ms > 1 ? ms - 1 : ms, callback);
    }
  }
  const clock = new HastyClock();
  const { pool, destroyed } = createPool({ clock, idleTimeoutMs: 1_000 });
  (await pool.acquire()).release();
  await clock.advance(999);
  assertEquals([destroyed, clock.timers], [[], 1]);
  await clock.advance(1);
  assertEquals([destroyed, clock.timers], [[1], 0]);
  await pool.close();
});

Deno.test("P11 ResourcePool lends an old resource no more, drains it and never kills it", async () => {
  const { clock, pool, destroyed } = createPool({
    maxResources: 1,
    leasesPerResource: () => 3,
    maxLifetimeMs: 1_000,
    random: () => 0.4, // 900 ms
  });
  const [one, two] = [await pool.acquire(), await pool.acquire()];
  await clock.advance(899);
  const third = await pool.acquire();
  assertEquals(third.value.id, 1);
  await clock.advance(1);
  third.release(); // checked on release
  assertEquals([pool.stats().draining, pool.stats().size, destroyed], [1, 0, []]);
  const next = await pool.acquire();
  assertEquals([next.value.id, pool.stats().leases], [2, 3]);
  await clock.advance(100_000);
  one.release();
  assertEquals(destroyed, []);
  two.release();
  assertEquals([destroyed, pool.stats().destroyed.aged], [[1], 1]);
  const last = await pool.acquire(); // checked on acquire: the second one is old by now
  assertEquals([last.value.id, pool.stats().draining], [3, 1]);
  for (const lease of [next, last]) lease.release();
  await pool.close();
});

Deno.test("P11 ResourcePool ends an idle resource by its age, even before it was idle for long", async () => {
  const { clock, pool, destroyed } = createPool({
    idleTimeoutMs: 900,
    maxLifetimeMs: 1_000,
    random: () => 0,
  });
  const lease = await pool.acquire();
  await clock.advance(950);
  lease.release();
  await clock.advance(49);
  assertEquals(destroyed, []);
  await clock.advance(1);
  assertEquals([destroyed, pool.stats().destroyed.aged, clock.timers], [[1], 1, 0]);
  await pool.close();
});

Deno.test("P11 ResourcePool never ends a resource without state, nor anything by default", async () => {
  const none = { isStateful: () => false, idleTimeoutMs: 1, maxLifetimeMs: 1 };
  for (const options of [none, {}]) {
    const { clock, pool, destroyed } = createPool(options);
    (await pool.acquire()).release();
    assertEquals(clock.timers, 0);
    await clock.advance(10 ** 9);
    (await pool.acquire()).release();
    assertEquals([destroyed, pool.stats().created], [[], 1]);
    await pool.close();
  }
});

Deno.test("P11 ResourcePool looks at the time when it lends, though its timer is late", async () => {
  class DeafClock extends FakeClock {
    override setTimer(): () => void {
      return () => {};
    }
  }
  const clock = new DeafClock();
  const { pool, destroyed } = createPool({ clock, idleTimeoutMs: 1_000 });
  for (const id of [1, 2]) {
    const lease = pool.tryAcquire() ?? await pool.acquire();
    assertEquals(lease.value.id, id);
    lease.release();
    await clock.advance(1_000);
  }
  assertEquals([pool.tryAcquire(), destroyed], [undefined, [1, 2]]);
  await pool.close();
});

Deno.test("P11 ResourcePool spreads the ends of 100 resources that were created together", async () => {
  const perPercent = async (seed: number): Promise<number[]> => {
    const { clock, pool, destroyed } = createPool({
      poolSize: 100,
      maxLifetimeMs: 100_000,
      random: createRandom(seed),
    });
    const leases = await Promise.all(Array.from({ length: 100 }, () => pool.acquire()));
    for (const lease of leases) lease.release();
    const ends: number[] = [];
    for (let percent = 0; percent < 100; percent++) {
      const before = destroyed.length;
      await clock.advance(1_000);
      ends.push(destroyed.length - before);
    }
    assertEquals([destroyed.length, clock.timers], [100, 0]);
    return ends;
  };
  const ends = await perPercent(2);
  assert(Math.max(...ends) <= 8, `${ends}`);
  for (let seed = 1; seed <= 20; seed++) {
    const ends = await perPercent(seed);
    assertEquals(Math.max(...ends.slice(0, 75)), 0);
    // Four are expected in each of the last 25; all at once would be a hundred.
    assert(Math.max(...ends) <= 14, `seed ${seed}: ${ends}`);
  }
});

Deno.test("P1 ResourcePool creates beside what grew old only once it is destroyed, or is slow to be", async () => {
  for (const slow of [false, true]) {
    const destroying = Promise.withResolvers<void>();
    const { clock, pool } = createPool({
      maxResources: 1,
      idleTimeoutMs: 1_000,
      destroy: () => destroying.promise,
    });
    (await pool.acquire()).release();
    await clock.advance(1_000);
    assertEquals([pool.stats().closing, pool.stats().size, clock.timers], [1, 0, 1]);
    const caller = watch(pool.acquire({ acquireTimeoutMs: 10_000 }));
    await clock.advance(4_999);
    assertEquals([caller.outcome, pool.stats().creating], ["pending", 0]);
    if (slow) await clock.advance(1);
    else destroying.resolve();
    await flush();
    assertEquals([caller.lease?.value.id, pool.stats().closing], [2, slow ? 1 : 0]);
    caller.lease!.release();
    destroying.resolve();
    await pool.close();
    assertEquals(clock.timers, 0);
  }
});

Deno.test("P14 ResourcePool.close() leaves no timer, whatever is idle or slow to be destroyed", async () => {
  const { clock, pool } = createPool({
    poolSize: 2,
    idleTimeoutMs: 1_000,
    destroy: ({ id }: Item) => id === 1 ? new Promise<void>(() => {}) : undefined,
  });
  const [one, two] = [await pool.acquire(), await pool.acquire()];
  one.release();
  await clock.advance(500);
  two.release();
  await clock.advance(500);
  assertEquals([pool.stats().closing, pool.stats().idle, clock.timers], [1, 1, 2]);
  const closing = pool.close({ graceMs: 10 });
  assertEquals(clock.timers, 1);
  await clock.advance(10);
  await closing;
  assertEquals(clock.timers, 0);
});

Deno.test("F3 ResourcePool keeps no process alive to end an idle resource", async () => {
  const asked: (TimerOptions | undefined)[] = [];
  class ListeningClock extends FakeClock {
    override setTimer(ms: number, callback: () => void, options?: TimerOptions): () => void {
      asked.push(options);
      return super.setTimer(ms, callback);
    }
  }
  const { pool } = createPool({ clock: new ListeningClock(), idleTimeoutMs: 1_000 });
  (await pool.acquire({ acquireTimeoutMs: Infinity })).release();
  assert(asked.length > 0 && asked.every((options) => options?.keepAlive === false));
  await pool.close();

  const program = `
    import { ResourcePool } from ${JSON.stringify(import.meta.resolve("../../mod.ts"))};
    const pool = new ResourcePool({ create: async () => ({}), idleTimeoutMs: 600_000 });
    await pool.use(() => {});
    console.log("idle", pool.stats().idle);
  `;
  const startedMs = systemClock.now();
  const text = await runCommand(Deno.execPath(), ["eval", program], {
    cwd: new URL("../..", import.meta.url),
    timeoutMs: 60_000,
  });
  assertEquals(text.trim(), "idle 1");
  assert(systemClock.now() - startedMs < 60_000);
});
