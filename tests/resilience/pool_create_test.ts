import { assert, assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { createClientError } from "../../src/errors/errors.ts";
import { ResourcePool } from "../../src/resilience/pool.ts";
import { createRandom } from "../support/random.ts";
import { runs } from "../support/runs.ts";
import { CountedAbort, createPool, Creations, flush, QuickClock, watch } from "./support.ts";

const SEEDS = runs(10_000);
const DOWN = createClientError("connection_refused", "down");

Deno.test(`P8 ResourcePool asks a dead server at most 20 times in 10 s, on ${SEEDS} seeds`, async () => {
  let most = 0;
  for (let seed = 1; seed <= SEEDS; seed++) {
    let asked = 0;
    const clock = new QuickClock();
    const { pool } = createPool({
      create: () => (asked++, Promise.reject(DOWN)),
      random: createRandom(seed),
      acquireTimeoutMs: Infinity,
      clock,
    });
    // How many wait does not matter, and rejecting them all in the end is what takes time.
    const waiting = seed % 20 === 1 ? 100 : 2;
    for (let i = 0; i < waiting; i++) pool.acquire().catch(() => {});
    await flush();
    await clock.advance(10_000);
    assertEquals(pool.stats().waiting, waiting);
    assert(asked <= 20, `seed ${seed}: ${asked} creations`);
    most = Math.max(most, asked);
    if (seed === 1) assert(asked <= 12, `${asked} creations on the fixed seed`);
    await pool.close();
    assertEquals(clock.timers, 0);
  }
  assert(most > 8, `${most}`);
});

Deno.test("P8 ResourcePool asks no more often for callers who time out and come again", async () => {
  for (let seed = 1; seed <= 5; seed++) {
    let asked = 0;
    const { clock, pool } = createPool({
      create: () => (asked++, Promise.reject(DOWN)),
      random: createRandom(seed),
      acquireTimeoutMs: 1_000,
    });
    let [running, timeouts] = [true, 0];
    const callers = Array.from({ length: 100 }, async () => {
      while (running) {
        const { outcome, error } = await settled(pool.acquire());
        if (outcome !== "pool_timeout") continue;
        assertStrictEquals((error as Error).cause, DOWN);
        timeouts++;
      }
    });
    await clock.advance(10_000);
    running = false;
    await pool.close();
    await Promise.all(callers);
    assert(asked <= 20 && timeouts >= 900, `${asked} creations, ${timeouts} timeouts`);
    assertEquals(clock.timers, 0);
  }
});

async function settled(promise: Parameters<typeof watch>[0]): Promise<ReturnType<typeof watch>> {
  const watched = watch(promise);
  await Promise.allSettled([promise]);
  return watched;
}

Deno.test("P8 ResourcePool waits up to 100, 200, 400 … 5000 ms, and from 100 again after a success", async () => {
  const creations = new Creations();
  const { clock, pool, events } = createPool({
    create: creations.create,
    random: () => 0.5,
    acquireTimeoutMs: Infinity,
  });
  const waits: number[] = [];
  const fail = async (times: number): Promise<void> => {
    for (let failed = 0; failed < times; failed++) {
      creations.running[0]!.fail(DOWN);
      await flush();
      const waitMs = clock.nextTimerMs!;
      waits.push(waitMs);
      await clock.advance(waitMs - 1);
      assertEquals(creations.running.length, 0);
      await clock.advance(1);
      assertEquals(creations.running.length, 1);
    }
  };
  const caller = watch(pool.acquire());
  await flush();
  await fail(8);
  assertEquals(waits, [50, 100, 200, 400, 800, 1_600, 2_500, 2_500]);
  creations.running[0]!.succeed();
  await flush();
  caller.lease!.fail("broken");
  caller.lease!.release();
  const next = watch(pool.acquire());
  await flush();
  waits.length = 0;
  await fail(2);
  assertEquals(waits, [50, 100]);
  creations.running[0]!.succeed();
  await flush();
  next.lease!.release();
  const failures = events.filter((event) => event.type === "pool.create_failed");
  assertEquals(failures.map(({ waitMs }) => waitMs).slice(0, 3), [50, 100, 200]);
  await pool.close();
});

Deno.test("P8 ResourcePool creates createParallelism at once, and no more than are waited for", async () => {
  for (const [createParallelism, callers, most] of [[1, 9, 1], [3, 9, 3], [9, 4, 4], [3, 1, 1]]) {
    const creations = new Creations();
    const { pool } = createPool({
      create: creations.create,
      createParallelism: createParallelism!,
    });
    const waits = Array.from({ length: callers! }, () => watch(pool.acquire()));
    await flush();
    assertEquals([creations.most, pool.stats().creating], [most, most]);
    while (creations.running.length > 0) {
      creations.running[0]!.succeed();
      await flush();
    }
    assertEquals([creations.most, creations.started], [most, callers]);
    for (const { lease } of waits) lease!.release();
    await pool.close();
  }
});

Deno.test("P8 ResourcePool creates nothing once demand has gone", async (t) => {
  await t.step("in the same tick", async () => {
    const creations = new Creations();
    const { clock, pool } = createPool({ create: creations.create, createParallelism: 2 });
    const controller = new AbortController();
    const callers = [1, 2, 3].map(() => watch(pool.acquire(controller)));
    controller.abort("left");
    await flush();
    assertEquals([creations.started, pool.stats().creating, clock.timers], [0, 0, 0]);
    assert(callers.every(({ outcome }) => outcome === "left"));
    await pool.close();
  });
  await t.step("in the same tick, for all but one", async () => {
    const creations = new Creations();
    const { pool } = createPool({ create: creations.create, createParallelism: 3 });
    const controller = new AbortController();
    for (let i = 0; i < 2; i++) pool.acquire(controller).catch(() => {});
    const stays = watch(pool.acquire());
    controller.abort("left");
    await flush();
    assertEquals([creations.started, pool.stats().creating], [1, 1]);
    creations.running[0]!.succeed();
    await flush();
    stays.lease!.release();
    await pool.close();
  });
  await t.step("while the wait after a failure runs", async () => {
    const creations = new Creations();
    const { clock, pool } = createPool({ create: creations.create });
    const controller = new AbortController();
    pool.acquire(controller).catch(() => {});
    await flush();
    creations.running[0]!.fail(DOWN);
    await flush();
    controller.abort("left");
    assertEquals(clock.timers, 0);
    await clock.advance(60_000);
    assertEquals(creations.started, 1);
    await pool.close();
  });
  await t.step("but the next who comes still waits out the failure", async () => {
    const creations = new Creations();
    const { clock, pool } = createPool({ create: creations.create });
    const controller = new AbortController();
    pool.acquire(controller).catch(() => {});
    await flush();
    creations.running[0]!.fail(DOWN);
    await flush();
    controller.abort("left");
    const next = watch(pool.acquire());
    await clock.advance(49);
    assertEquals(creations.started, 1);
    await clock.advance(1);
    assertEquals(creations.started, 2);
    creations.running[0]!.succeed();
    await flush();
    next.lease!.release();
    await pool.close();
  });
  await t.step("as a lease that was given back serves who waited", async () => {
    const creations = new Creations();
    const { pool } = createPool({ create: creations.create, poolSize: 2 });
    const first = watch(pool.acquire());
    await flush();
    creations.running[0]!.succeed();
    await flush();
    const second = watch(pool.acquire());
    first.lease!.release();
    await flush();
    assertEquals([second.outcome, creations.started], ["lease", 1]);
    second.lease!.release();
    await pool.close();
  });
});

Deno.test("P8 ResourcePool rejects all who wait with a permanent failure, and asks again for who comes", async () => {
  const creations = new Creations();
  const { clock, pool, events } = createPool({ create: creations.create });
  const failure = createClientError("forbidden", "no");
  const callers = Array.from({ length: 5 }, () => watch(pool.acquire()));
  await flush();
  creations.running[0]!.fail(failure);
  await flush();
  for (const { error } of callers) assertStrictEquals(error, failure);
  assertEquals([clock.timers, pool.stats().createFailed], [0, 1]);
  const failed = { generation: 1, error: failure, temporary: false, waitMs: 0 };
  assertEquals(events, [{ type: "pool.create_failed", ...failed }]);
  const next = watch(pool.acquire());
  await flush();
  creations.running[0]!.succeed();
  await flush();
  assertEquals(next.outcome, "lease");
  next.lease!.release();
  await pool.close();
});

Deno.test("P8 ResourcePool lets isTemporary decide, and takes a foreign error for temporary without it", async () => {
  const table: [unknown, boolean | undefined, string][] = [
    [new Error("foreign"), undefined, "pending"],
    [new Error("foreign"), false, "Error: foreign"],
    [createClientError("forbidden", "no"), undefined, "forbidden"],
    [createClientError("forbidden", "no"), true, "pending"],
    [createClientError("forbidden", "no", { temporary: true }), undefined, "pending"],
    [DOWN, undefined, "pending"],
    [DOWN, false, "connection_refused"],
  ];
  for (const [error, temporary, outcome] of table) {
    const asked: unknown[] = [];
    const { pool } = createPool({
      create: () => Promise.reject(error),
      ...(temporary !== undefined && { isTemporary: (e) => (asked.push(e), temporary) }),
    });
    const caller = watch(pool.acquire());
    await flush();
    assertEquals([caller.outcome, asked.length], [outcome, temporary === undefined ? 0 : 1]);
    await pool.close();
  }
});

Deno.test("P8 ResourcePool names the last failure as the cause of a timeout, until a creation succeeds", async () => {
  const creations = new Creations();
  const { clock, pool } = createPool({ create: creations.create, poolSize: 1 });
  const first = watch(pool.acquire({ acquireTimeoutMs: 40 }));
  await flush();
  creations.running[0]!.fail(DOWN);
  await clock.advance(40);
  assertStrictEquals((first.error as Error).cause, DOWN);
  assert((first.error as Error).message.includes("No connection within 40 ms"));
  const second = watch(pool.acquire());
  await clock.advance(10);
  creations.running[0]!.succeed();
  await flush();
  const third = watch(pool.acquire({ acquireTimeoutMs: 40 }));
  await clock.advance(40);
  assertEquals([third.outcome, (third.error as Error).cause], ["pool_timeout", undefined]);
  assert((third.error as Error).message.includes("No connection within 40 ms"));
  second.lease!.release();
  await pool.close();
});

Deno.test("P8 ResourcePool takes a create that throws for one that rejects", async () => {
  const { pool } = createPool({
    create: () => {
      throw createClientError("forbidden", "no");
    },
  });
  assertEquals((await settled(pool.acquire())).outcome, "forbidden");
  await pool.close();
});

Deno.test("P9 ResourcePool does not cancel a creation when a waiter leaves", async () => {
  for (const stays of [true, false]) {
    const creations = new Creations();
    const { clock, pool, destroyed } = createPool({ create: creations.create });
    const controller = new CountedAbort();
    const leaving = watch(pool.acquire(controller));
    const staying = stays ? watch(pool.acquire()) : undefined;
    await flush();
    controller.abort("left");
    await flush();
    assertEquals([leaving.outcome, creations.running[0]!.signal.aborted], ["left", false]);
    creations.running[0]!.succeed();
    await flush();
    // Nobody wants it any more: it idles, for the next who comes.
    assertEquals([pool.stats().idle, destroyed, clock.timers], [stays ? 0 : 1, [], 0]);
    staying?.lease?.release();
    const { lease } = await settled(pool.acquire());
    assertEquals([lease!.value.id, creations.started], [1, 1]);
    lease!.release();
    await pool.close();
  }
});

Deno.test("F2 ResourcePool destroys a resource whose leasesPerResource is unusable, and says so", async () => {
  const thrown = new Error("no idea");
  const wrong: [() => number, string][] = [
    ...[0, -1, NaN, 1.5].map((leases): [() => number, string] => [
      () => leases,
      "RangeError: Cannot lend a resource as 'leasesPerResource' must be an integer >= 1: " +
      `current value is ${leases}`,
    ]),
    [() => "4" as never, "TypeError: Cannot lend a resource as 'leasesPerResource'"],
    [() => {
      throw thrown;
    }, "Error: no idea"],
  ];
  for (const [leasesPerResource, text] of wrong) {
    const { clock, pool, destroyed, events } = createPool({ leasesPerResource });
    const callers = [watch(pool.acquire()), watch(pool.acquire())];
    await flush();
    for (const { outcome } of callers) assert(outcome.startsWith(text), outcome);
    assertEquals(pool.stats().created, 1);
    const [created, ended] = events as Record<string, unknown>[];
    assertEquals(created, { type: "pool.created", generation: 1 });
    assertEquals([ended!["type"], ended!["reason"]], ["pool.destroyed", "failed"]);
    assertStrictEquals(ended!["error"], callers[0]!.error);
    assertEquals([destroyed, pool.stats().size, pool.stats().draining], [[1], 0, 0]);
    await pool.close();
    assertEquals([destroyed, clock.timers], [[1], 0]);
  }
});

Deno.test("P8 ResourcePool rejects its waiters with what an option throws, and creates no storm", async () => {
  let creations = 0;
  const defect = new TypeError("broken option");
  const pool = new ResourcePool({
    create: () => {
      creations++;
      return Promise.reject(new Error("down"));
    },
    isTemporary: () => {
      throw defect;
    },
  });
  assertStrictEquals(await assertRejects(() => pool.acquire()), defect);
  assertEquals(creations, 1);
  await pool.close();
});
