/** Defects that were measured in other libraries and must never be ours, one test for each. */
import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import { createClientError } from "../../src/errors/errors.ts";
import type { AcquireOptions, PoolOptions } from "../../src/resilience/pool_options.ts";
import { retry, type RetryOptions } from "../../src/resilience/retry.ts";
import { FakeClock, settle } from "../support/fake_clock.ts";
import { createRandom } from "../support/random.ts";
import { createBreaker } from "./breaker_support.ts";
import { type Caller, createGate } from "./gate_support.ts";
import { CountedAbort, createPool, Creations, flush, type Item, watch } from "./support.ts";

const LATER = createClientError("unavailable", "later");

Deno.test("P8 ResourcePool makes one creation at once for 40 acquires (tarn.js 3: 40)", async () => {
  const creations = new Creations();
  const { pool } = createPool({ create: creations.create, poolSize: 40 });
  const callers = Array.from({ length: 40 }, () => watch(pool.acquire()));
  for (let served = 0; served < 40; served++) {
    await flush();
    creations.running[0]!.succeed();
  }
  await flush();
  assertEquals([creations.most, creations.started], [1, 40]);
  for (const { lease } of callers) lease!.release();
  await pool.close();
});

Deno.test("P8 ResourcePool asks a failing factory seldom, and P5 nobody waits for ever (generic-pool 3.9)", async () => {
  let asked = 0;
  const { clock, pool } = createPool({
    create: () => (asked++, Promise.reject(new Error("down"))),
    random: createRandom(39),
  });
  const caller = watch(pool.acquire({ acquireTimeoutMs: 10_000 }));
  await clock.advance(500);
  assert(asked <= 8, `${asked} in half a second, where generic-pool made 434`);
  await clock.advance(9_499);
  assertEquals(caller.outcome, "pending");
  await clock.advance(1);
  assertEquals(caller.outcome, "pool_timeout");
  assert(asked <= 20, `${asked} in ten seconds`);
  assertEquals(clock.timers, 0);
  await pool.close();
});

Deno.test("P10 ResourcePool survives a rejecting validator (generic-pool 3.9: unhandled rejection, place lost)", async () => {
  const validate = () => Promise.reject(new Error("dead"));
  const { clock, pool, destroyed } = createPool({ poolSize: 3, validate, validateAfterIdleMs: 0 });
  for (let round = 0; round < 3; round++) {
    const callers = Array.from({ length: 4 }, () => watch(pool.acquire()));
    await flush();
    const { size, leases, waiting, validating } = pool.stats();
    assertEquals([size, leases, waiting, validating], [3, 3, 1, 0]);
    for (const { lease } of callers) {
      await flush();
      lease?.release();
    }
    await flush();
    callers[3]!.lease!.release();
    await clock.advance(1);
  }
  assertEquals([destroyed.length, pool.stats().destroyed.invalid], [6, 6]);
  await pool.close();
  assertEquals(clock.timers, 0);
});

Deno.test("R1 retry() makes maxAttempts calls and no more (cockatiel 4: one more)", async () => {
  const clock = new FakeClock();
  let calls = 0;
  const running = retry(() => {
    calls++;
    throw LATER;
  }, { maxAttempts: 3, effect: "safe", clock }).catch((error) => error);
  await clock.advance(60_000);
  assertStrictEquals(await running, LATER);
  assertEquals(calls, 3);
});

Deno.test("R2 retry() waits by default (cockatiel 4: 0 ms)", async () => {
  const waits: number[] = [];
  for (let seed = 1; seed <= 1_000; seed++) {
    const clock = new FakeClock();
    clock.sleep = (ms) => (waits.push(ms), Promise.resolve());
    const random = createRandom(seed);
    await retry(() => Promise.reject(LATER), { effect: "safe", clock, random }).catch(() => {});
  }
  const mean = waits.reduce((sum, ms) => sum + ms, 0) / waits.length;
  assertEquals(waits.length, 2_000);
  assert(Math.abs(mean - 62.5) < 5, `${mean}`);
});

Deno.test("R6 retry() ends its wait with the abort, not with the wait (cockatiel 4: 250 ms late)", async () => {
  const clock = new FakeClock();
  const controller = new CountedAbort();
  const reason = new Error("enough");
  let thrown: unknown;
  const { signal } = controller;
  retry(() => Promise.reject(LATER), { effect: "safe", clock, random: () => 0.9, signal })
    .catch((error) => thrown = error);
  await settle();
  controller.abort(reason);
  await settle();
  assertStrictEquals(thrown, reason);
  assertEquals([clock.now(), controller.listeners], [0, 0]);
});

Deno.test("R6 retry() never calls its function with an aborted signal (cockatiel 4 does)", async () => {
  const seen: boolean[] = [];
  for (const abortIn of [0, 1, 2]) {
    const controller = new AbortController();
    const { signal } = controller;
    if (abortIn === 0) controller.abort("enough");
    const clock = new FakeClock();
    clock.sleep = () => Promise.resolve(void (abortIn === 1 && controller.abort("enough")));
    const thrown = await retry((attempt) => {
      seen.push(signal.aborted);
      if (abortIn === attempt) controller.abort("enough");
      throw LATER;
    }, { effect: "safe", signal, clock }).catch((error) => error);
    assertEquals(thrown, "enough");
  }
  assertEquals(seen, [false, false, false]);
});

Deno.test("P4 ResourcePool tells a queued caller of its abort at once (cockatiel 4: when dequeued)", async () => {
  const { clock, pool } = createPool({ poolSize: 1 });
  const held = await pool.acquire();
  const first = watch(pool.acquire());
  const controller = new AbortController();
  const aborted = watch(pool.acquire(controller));
  controller.abort("enough");
  await flush();
  assertEquals([aborted.outcome, clock.now(), pool.stats().waiting], ["enough", 0, 1]);
  held.release();
  await flush();
  first.lease!.release();
  await pool.close();
});

Deno.test("R1 R2 retry() makes 3 calls by default, with jitter and a cap (p-retry 9: 11, none, 512 s)", async () => {
  const waits: number[][] = [];
  for (let seed = 1; seed <= 200; seed++) {
    const clock = new FakeClock();
    clock.sleep = (ms) => (clock.sleeps.push(ms), Promise.resolve());
    let calls = 0;
    const call = () => Promise.reject(++calls && LATER);
    const options: RetryOptions = { effect: "safe", clock, random: createRandom(seed) };
    await retry(call, options).catch(() => {});
    assertEquals(calls, 3);
    await retry(call, { ...options, maxAttempts: 11 }).catch(() => {});
    assertEquals(calls, 14);
    waits.push(clock.sleeps);
  }
  assert(waits.flat().every((ms) => ms <= 2_000));
  assertEquals(new Set(waits.map((ms) => ms[0])).size, 200);
});

Deno.test("B2 CircuitBreaker stays closed: 9 failures, an hour of silence, 1 failure (cockatiel 4: opens)", async () => {
  const { clock, breaker, record } = createBreaker({ tripAfter: Infinity });
  record("hard", 9);
  await clock.advance(3_600_000);
  record("hard");
  assertEquals([breaker.state, breaker.stats().results], ["closed", 1]);
});

Deno.test("B4 CircuitBreaker in its check ignores a failure from before the trip (cockatiel 4: re-opens)", async () => {
  const { clock, breaker, record } = createBreaker();
  const { generation } = breaker;
  record("hard", 5);
  await clock.advance(375);
  assert(breaker.beginCheck());
  breaker.record("hard", generation);
  breaker.record("answered", generation);
  assertEquals(breaker.state, "half_open");
});

Deno.test("B7 Gate lets 500 who waited for a check go 8 at first (cockatiel 4: all at once)", async () => {
  const { clock, gate, checks, enter, trip } = createGate({ maxLimit: 500 });
  trip();
  const callers: Caller[] = Array.from({ length: 500 }, () => enter());
  await clock.advance(375);
  assertEquals([checks.length, gate.breaker.state], [1, "half_open"]);
  callers.push(...Array.from({ length: 12 }, () => enter()));
  checks[0]!.answer();
  await clock.advance(0);
  const passed = callers.filter(({ outcome }) => outcome === "passed");
  assertEquals([passed.length, gate.limiter.inFlight, gate.stats().waiting], [8, 8, 504]);
});

Deno.test("A5 Gate tells a queued caller of its abort at once (cockatiel 4: when dequeued, 302 ms)", async () => {
  const { clock, gate, enter } = createGate({ maxLimit: 1 });
  enter();
  const [aborted, next] = [enter(), enter()];
  aborted.controller.abort("enough");
  await flush();
  assertEquals([aborted.outcome, next.outcome, clock.now()], ["enough", "waiting", 0]);
  assertEquals([gate.stats().waiting, aborted.controller.listeners], [1, 0]);
});

Deno.test("B2 CircuitBreaker needs more than one failure, however large its share (opossum 9: one trips)", () => {
  for (let failures = 1; failures < 5; failures++) {
    const { breaker, record } = createBreaker();
    record("hard", failures);
    assertEquals(breaker.state, "closed");
  }
  const { breaker, record } = createBreaker({ tripAfter: Infinity });
  record("hard", 19);
  assertEquals(breaker.state, "closed");
  record("hard");
  assertEquals(breaker.state, "open");
});

Deno.test("B5 Gate gives a lost check up after 5 s and checks again (resilience4j: wedged)", async () => {
  const { clock, gate, checks, enter, trip } = createGate();
  trip();
  const caller = enter();
  await clock.advance(375 + 5_000);
  assertEquals([gate.breaker.state, checks.length], ["open", 1]);
  await clock.advance(562.5);
  assertEquals([gate.breaker.state, checks.length], ["half_open", 2]);
  checks[1]!.answer();
  await flush();
  assertEquals(caller.outcome, "passed");
});

/** What a pool of two does under options: for four callers, and for one more after a pause. */
async function behaviour(
  options: Partial<PoolOptions<Item>>,
  how: AcquireOptions,
): Promise<string> {
  const creations = new Creations();
  const { clock, pool, destroyed } = createPool({
    create: creations.create,
    poolSize: 2,
    validate: () => new Promise(() => {}),
    ...options,
  });
  const callers = Array.from({ length: 4 }, () => watch(pool.acquire(how)));
  const trace: unknown[] = [];
  for (let step = 0; step < 3; step++) {
    await clock.advance(1_000);
    trace.push(creations.running.length, callers.map(({ outcome }) => outcome));
    for (const creation of [...creations.running]) creation.succeed();
    await flush();
  }
  for (let turn = 0; turn < 4; turn++) {
    for (const { lease } of callers) await lease?.[Symbol.asyncDispose]();
    for (const creation of [...creations.running]) creation.succeed();
    await flush();
  }
  await clock.advance(1_000);
  const late = watch(pool.acquire(how));
  for (let turn = 0; turn < 2; turn++) {
    await clock.advance(950);
    for (const creation of [...creations.running]) creation.succeed();
    await flush();
    late.lease?.noteTimeout();
  }
  trace.push(late.lease?.generation, pool.stats().leaks, pool.stats().draining, destroyed);
  late.lease?.release();
  await pool.close();
  return JSON.stringify(trace);
}

Deno.test("F2 every number of ResourcePool changes what it does (mcp-proxy: parsed, logged, not applied)", async () => {
  const usual = await behaviour({}, {});
  const pools: Partial<PoolOptions<Item>>[] = [
    { poolSize: 3 },
    { maxResources: 1 },
    { maxWaiters: 2 },
    { createParallelism: 2 },
    { acquireTimeoutMs: 900 },
    { leasesPerResource: () => 2 },
    { idleTimeoutMs: 900 },
    { maxLifetimeMs: 900 },
    { validateAfterIdleMs: 900 },
    { retireAfterTimeouts: 2 },
    { leakThresholdMs: 900 },
  ];
  for (const options of pools) {
    assert(await behaviour(options, {}) !== usual, JSON.stringify(options));
  }
  const slow = { validateAfterIdleMs: 900 };
  assert(
    await behaviour({ ...slow, validationTimeoutMs: 900 }, {}) !== await behaviour(slow, {}),
  );
  assert(await behaviour({}, { acquireTimeoutMs: 900 }) !== usual);
});

Deno.test("F2 every number of retry() changes what it does (mcp-proxy: parsed, logged, not applied)", async () => {
  const limited = createClientError("rate_limited", "later");
  const hinted = createClientError("rate_limited", "later", { retryAfterMs: 400 });
  const waits = async (options: RetryOptions): Promise<string> => {
    const clock = new FakeClock();
    clock.sleep = (ms) => (clock.sleeps.push(ms), Promise.resolve());
    for (const error of [LATER, limited, hinted]) {
      const call = () => Promise.reject(error);
      await retry(call, { effect: "safe", clock, random: () => 0.5, ...options }).catch(() => {});
    }
    return clock.sleeps.join();
  };
  const usual = await waits({});
  const changes: RetryOptions[] = [
    { maxAttempts: 4 },
    { baseDelayMs: 10 },
    { throttledBaseDelayMs: 10 },
    { backoffFactor: 2 },
    { maxDelayMs: 20 },
    { maxRetryAfterMs: 399 },
  ];
  assertEquals(usual, "50,75,500,750,500,500");
  for (const options of changes) assert(await waits(options) !== usual, JSON.stringify(options));
});
