import { assert, assertEquals, assertMatch } from "@std/assert";
import { createPool, flush, watch } from "./support.ts";

Deno.test("P13 ResourcePool reports a lost lease once, with where it was acquired, and reclaims nothing", async () => {
  const { clock, pool, events } = createPool({ poolSize: 2, leakThresholdMs: 30_000 });
  async function loseTheLease(): Promise<void> {
    await pool.acquire();
  }
  await loseTheLease();
  const returned = await pool.acquire();
  assertEquals(clock.timers, 2);
  await clock.advance(29_999);
  returned.release();
  assertEquals([pool.stats().leaks, clock.timers], [0, 1]);
  await clock.advance(60_000);
  const leaks = events.filter((event) => event.type === "pool.leak");
  assertEquals(leaks.map(({ generation, heldMs }) => [generation, heldMs]), [[1, 30_000]]);
  assertMatch(leaks[0]!.stack, /loseTheLease/);
  assertEquals([pool.stats().leaks, pool.stats().leases, clock.timers], [1, 1, 0]);
  const closing = pool.close({ graceMs: 0 });
  await clock.advance(0);
  await closing;
});

Deno.test("P13 ResourcePool names who waited, and who did not, by their own calls", async () => {
  const { clock, pool, events } = createPool({ poolSize: 2, leakThresholdMs: 100 });
  const acquireFirst = () => pool.acquire();
  const tryToAcquire = () => pool.tryAcquire();
  const waitForIt = () => watch(pool.acquire());
  const first = await acquireFirst();
  (await pool.acquire()).release();
  const tried = tryToAcquire();
  const waiting = waitForIt();
  await clock.advance(50);
  tried!.release();
  await flush();
  assertEquals(waiting.outcome, "lease");
  await clock.advance(100);
  const stacks = events.flatMap((event) => event.type === "pool.leak" ? [event.stack] : []);
  assertEquals(stacks.length, 2);
  assertMatch(stacks[0]!, /acquireFirst/);
  assertMatch(stacks[1]!, /waitForIt/);
  first.release();
  waiting.lease!.release();
  await pool.close();
});

Deno.test("P13 ResourcePool watches no lease by default, and none that outlives close()", async () => {
  const unwatched = createPool();
  const lease = await unwatched.pool.acquire();
  assertEquals(unwatched.clock.timers, 0);
  lease.release();
  await unwatched.pool.close();

  const { clock, pool, events } = createPool({ leakThresholdMs: 1_000 });
  const kept = await pool.acquire();
  const closing = pool.close({ graceMs: 500 });
  await clock.advance(500);
  await closing;
  assertEquals(clock.timers, 0);
  await clock.advance(1_000);
  assert(!events.some(({ type }) => type === "pool.leak"));
  kept.release();
});
