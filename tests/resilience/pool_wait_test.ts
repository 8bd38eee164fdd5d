import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import { createClientError } from "../../src/errors/errors.ts";
import { Deadline } from "../../src/resilience/deadline.ts";
import { CountedAbort, createPool, Creations, flush, type PoolFixture, watch } from "./support.ts";

Deno.test("P5 ResourcePool waits until the nearer of deadline and acquireTimeoutMs", async () => {
  const table: [number | undefined, number | undefined, number][] = [
    [undefined, undefined, 5_000],
    [100, undefined, 100],
    [undefined, 200, 200],
    [300, 200, 200],
    [100, 200, 100],
    [60_000, 60_000, 60_000],
    [60_000, Infinity, 60_000],
    [Infinity, undefined, Infinity],
    [0, undefined, 0],
    [undefined, 0, 0],
    [undefined, -1, 0],
  ];
  for (const [acquireTimeoutMs, deadlineMs, waitMs] of table) {
    const { clock, pool } = createPool({ poolSize: 1 });
    const held = await pool.acquire();
    const caller = watch(pool.acquire({
      ...(acquireTimeoutMs !== undefined && { acquireTimeoutMs }),
      ...(deadlineMs !== undefined && { deadline: new Deadline(deadlineMs, clock) }),
    }));
    const row = `${acquireTimeoutMs}, ${deadlineMs}`;
    const endMs = Math.min(waitMs, 100_000);
    await clock.advance(Math.max(0, endMs - 1));
    assertEquals(caller.outcome, waitMs === 0 ? "pool_timeout" : "pending", row);
    assertEquals(clock.timers, waitMs === 0 || waitMs === Infinity ? 0 : 1, row);
    await clock.advance(1);
    assertEquals(caller.outcome, waitMs === Infinity ? "pending" : "pool_timeout", row);
    held.release();
    await flush();
    caller.lease?.release();
    await pool.close();
    assertEquals(clock.timers, 0, row);
  }
});

Deno.test("P5 ResourcePool does not restart a wait after failed creations", async () => {
  const creations = new Creations();
  const { clock, pool } = createPool({ create: creations.create, random: () => 0.999 });
  const caller = watch(pool.acquire({ acquireTimeoutMs: 1_000 }));
  for (let failed = 0; failed < 3; failed++) {
    while (creations.running.length === 0) await clock.advance(1);
    await clock.advance(90);
    creations.running[0]!.fail(createClientError("connection_refused", `down ${failed}`));
    await flush();
  }
  await clock.advance(999 - clock.now());
  assertEquals(caller.outcome, "pending");
  await clock.advance(1);
  assertEquals([caller.outcome, creations.started], ["pool_timeout", 4]);
  assertStrictEquals(((caller.error as Error).cause as Error).message, "down 2");
  creations.running[0]!.succeed();
  await pool.close();
  assertEquals(clock.timers, 0);
});

type Action = "abort" | "expire" | "release" | "close" | "evict" | "succeed" | "refuse" | "forbid";

/** Two callers, A and B, who wait for a lease that is held or for a creation. */
async function raceOf(actions: readonly Action[], waitFor: "lease" | "creation"): Promise<string> {
  const creations = new Creations();
  const fixture = createPool({
    poolSize: 1,
    create: creations.create,
    ...(waitFor === "lease" && { create: ({ generation }) => Promise.resolve({ id: generation }) }),
  });
  const { clock, pool } = fixture;
  const held = waitFor === "lease" ? await pool.acquire() : undefined;
  const controller = new CountedAbort();
  const creation = () => creations.running[0];
  const act: Record<Action, () => void> = {
    abort: () => controller.abort("aborted"),
    expire: () => {}, // the timer of A does it
    release: () => held?.release(),
    close: () => void (closing = pool.close({ graceMs: 50 })),
    evict: () => held && pool.evict(held.value, new Error("gone")),
    succeed: () => creation()?.succeed(),
    refuse: () => creation()?.fail(createClientError("connection_refused", "down")),
    forbid: () => creation()?.fail(createClientError("forbidden", "no")),
  };
  let closing: Promise<void> | undefined;
  // All at one instant; what stands before "expire" is set before the timer of A.
  const expires = actions.indexOf("expire");
  const due = expires < 0 ? [] : actions;
  for (const action of due.slice(0, expires)) clock.setTimer(100, act[action]);
  const options = { signal: controller.signal, acquireTimeoutMs: expires < 0 ? 900 : 100 };
  const [a, b] = [watch(pool.acquire(options)), watch(pool.acquire())];
  await flush();
  for (const action of due.slice(expires + 1)) clock.setTimer(100, act[action]);
  for (const action of expires < 0 ? actions : []) act[action]();
  await clock.advance(expires < 0 ? 0 : 100);
  const outcome = `${a.outcome}, ${b.outcome}`;
  const giveBack = (): void => [held, a.lease, b.lease].forEach((lease) => lease?.release());
  await end(fixture, giveBack, creations, closing);
  assertEquals(controller.listeners, 0);
  return outcome;
}

/** Gives everything back; what is left then was lost on the way. */
async function end(
  { clock, pool, destroyed }: PoolFixture,
  giveBack: () => void,
  creations: Creations,
  closing: Promise<void> | undefined,
): Promise<void> {
  for (let turn = 0; turn < 8; turn++) {
    giveBack();
    creations.running[0]?.succeed();
    await clock.advance(100);
  }
  if (closing === undefined) {
    const last = watch(pool.acquire());
    await clock.advance(0);
    creations.running[0]?.succeed();
    await flush();
    assertEquals(last.outcome, "lease", "a place was lost");
    last.lease!.release();
  }
  await pool.close();
  const { size, draining, creating, waiting, leases, created } = pool.stats();
  assertEquals([size, draining, creating, waiting, leases, clock.timers], [0, 0, 0, 0, 0, 0]);
  assertEquals([destroyed.length, new Set(destroyed).size], [created, created]);
}

Deno.test("P6 ResourcePool settles once, whatever two things happen at one instant", async (t) => {
  const forLease: [Action[], string][] = [
    [["release", "abort"], "lease, pending"],
    [["abort", "release"], "aborted, lease"],
    [["release", "expire"], "lease, pending"],
    [["expire", "release"], "pool_timeout, lease"],
    [["abort", "expire"], "aborted, pending"],
    [["expire", "abort"], "pool_timeout, pending"],
    [["release", "close"], "lease, pool_closed"],
    [["close", "release"], "pool_closed, pool_closed"],
    [["abort", "close"], "aborted, pool_closed"],
    [["close", "abort"], "pool_closed, pool_closed"],
    [["expire", "close"], "pool_timeout, pool_closed"],
    [["close", "expire"], "pool_closed, pool_closed"],
    [["evict", "abort"], "aborted, pending"],
    [["evict", "release"], "lease, pending"],
    [["release", "evict"], "lease, pending"],
    [["evict", "close"], "pool_closed, pool_closed"],
    [["close", "evict"], "pool_closed, pool_closed"],
  ];
  const forCreation: [Action[], string][] = [
    [["succeed", "abort"], "aborted, lease"],
    [["abort", "succeed"], "aborted, lease"],
    [["succeed", "expire"], "lease, pending"],
    [["expire", "succeed"], "pool_timeout, lease"],
    [["succeed", "close"], "pool_closed, pool_closed"],
    [["close", "succeed"], "pool_closed, pool_closed"],
    [["refuse", "abort"], "aborted, pending"],
    [["abort", "refuse"], "aborted, pending"],
    [["refuse", "expire"], "pool_timeout, pending"],
    [["expire", "refuse"], "pool_timeout, pending"],
    [["refuse", "close"], "pool_closed, pool_closed"],
    [["close", "refuse"], "pool_closed, pool_closed"],
    [["forbid", "abort"], "aborted, forbidden"],
    [["abort", "forbid"], "aborted, forbidden"],
    [["forbid", "expire"], "forbidden, forbidden"],
    [["expire", "forbid"], "pool_timeout, forbidden"],
    [["forbid", "close"], "pool_closed, pool_closed"],
    [["close", "forbid"], "pool_closed, pool_closed"],
    [["succeed", "abort", "close"], "aborted, pool_closed"],
    [["abort", "close", "succeed"], "aborted, pool_closed"],
  ];
  for (const [waitFor, table] of [["lease", forLease], ["creation", forCreation]] as const) {
    for (const [actions, outcome] of table) {
      await t.step(`${waitFor}: ${actions.join(", then ")}`, async () => {
        assertEquals(await raceOf(actions, waitFor), outcome);
      });
    }
  }
});

Deno.test("P6 ResourcePool passes a waiter over whose signal is aborted but has not told it yet", async () => {
  const derive: ((signal: AbortSignal) => AbortSignal)[] = [
    (signal) => signal,
    (signal) => AbortSignal.any([signal]),
  ];
  for (const signalOf of derive) {
    const { clock, pool } = createPool({ poolSize: 1 });
    const held = await pool.acquire();
    const controller = new AbortController();
    const reason = { no: "error" };
    const signal = signalOf(controller.signal);
    // Registered first, so it frees the place before the pool hears of the abort.
    signal.addEventListener("abort", () => held.release());
    const [aborted, next] = [watch(pool.acquire({ signal })), watch(pool.acquire())];
    controller.abort(reason);
    await flush();
    assertStrictEquals(aborted.error, reason);
    assertEquals([next.outcome, pool.stats().leases, clock.timers], ["lease", 1, 0]);
    next.lease!.release();
    await pool.close();
  }
});

Deno.test("P6 ResourcePool rejects a caller who comes aborted, before anything else", async () => {
  const creations = new Creations();
  const { clock, pool } = createPool({ create: creations.create });
  const controller = new CountedAbort();
  const reason = { no: "error" };
  controller.abort(reason);
  const caller = watch(pool.acquire({ signal: controller.signal }));
  await flush();
  assertStrictEquals(caller.error, reason);
  assertEquals([creations.started, clock.timers, controller.listeners], [0, 0, 0]);
  await pool.close();
  const late = watch(pool.acquire({ signal: controller.signal }));
  await flush();
  assertStrictEquals(late.error, reason);
});

Deno.test("F5 ResourcePool leaves no listener and no timer, however a wait ends", async () => {
  const ends: [string, (fixture: PoolFixture, controller: AbortController) => unknown][] = [
    ["lease", ({ pool }) => pool.evict(first!, new Error("gone"))],
    ["aborted", (_, controller) => controller.abort("aborted")],
    ["pool_timeout", ({ clock }) => clock.advance(5_000)],
    ["pool_closed", ({ pool }) => void pool.close()],
  ];
  let first: { id: number } | undefined;
  for (const [outcome, act] of ends) {
    const fixture = createPool({ poolSize: 2, maxResources: 1 });
    const { clock, pool } = fixture;
    const held = await pool.acquire();
    first = held.value;
    const controller = new CountedAbort();
    const caller = watch(pool.acquire({ signal: controller.signal }));
    assertEquals([controller.listeners, clock.timers], [1, 1]);
    await act(fixture, controller);
    await flush();
    assertEquals(caller.outcome, outcome);
    assertEquals(controller.listeners, 0, outcome);
    controller.abort("after");
    await flush();
    assertEquals(caller.outcome, outcome);
    held.release();
    caller.lease?.release();
    await pool.close();
    assertEquals(clock.timers, 0, outcome);
  }
});

Deno.test("P7 ResourcePool refuses the 257th waiter in the next microtask and touches nobody else", async () => {
  const { clock, pool } = createPool({ poolSize: 1 });
  const held = await pool.acquire();
  const callers = Array.from({ length: 256 }, () => watch(pool.acquire()));
  const newcomer = watch(pool.acquire());
  await null;
  assertEquals([newcomer.outcome, pool.stats().waiting], ["pool_full", 256]);
  assertEquals(clock.timers, 1);
  // One who leaves makes room for one.
  await clock.advance(1);
  held.release();
  await flush();
  const late = watch(pool.acquire());
  const tooLate = watch(pool.acquire());
  await flush();
  assertEquals([late.outcome, tooLate.outcome], ["pending", "pool_full"]);
  for (const caller of [...callers, late]) {
    await flush();
    assertEquals(caller.outcome, "lease");
    caller.lease!.release();
  }
  assert(tooLate.error instanceof Error);
  await pool.close();
  assertEquals(clock.timers, 0);
});

Deno.test("F3 ResourcePool holds no timer while nobody waits, whatever it holds or just lost", async () => {
  const { clock, pool } = createPool({ create: () => Promise.reject("down"), poolSize: 2 });
  const controller = new AbortController();
  const caller = watch(pool.acquire(controller));
  await flush();
  assertEquals(clock.timers, 2); // the caller's end, and the next creation
  controller.abort("left");
  assertEquals(clock.timers, 0);
  await flush();
  assertEquals(caller.outcome, "left");

  const other = createPool();
  const lease = await other.pool.acquire();
  assertEquals(other.clock.timers, 0);
  lease.release();
  assertEquals([other.clock.timers, other.pool.stats().idle], [0, 1]);
  for (const each of [pool, other.pool]) await each.close();
});
