import { assert, assertEquals, assertInstanceOf, assertStrictEquals } from "@std/assert";
import { CircuitOpenError, type ClientError, createClientError } from "../../src/errors/errors.ts";
import type { AttemptEnd } from "../../src/resilience/gate_options.ts";
import { type Caller, createGate } from "./gate_support.ts";
import { CountedAbort } from "./support.ts";

const count = (callers: readonly Caller[], outcome: string): number =>
  callers.filter((caller) => caller.outcome === outcome).length;

Deno.test("B3 Gate lets those who waited pass when the pause is over, one or many", async () => {
  for (const waiting of [1, 2, 3, 12]) {
    const { clock, gate, enter, pause } = createGate({ maxLimit: 10 });
    pause(1_000);
    const callers = Array.from({ length: waiting }, () => enter());
    await clock.advance(499);
    assertEquals(count(callers, "waiting"), waiting);
    await clock.advance(1);
    assertEquals(count(callers, "passed"), Math.min(waiting, gate.limiter.limit));
    assertEquals(clock.timers, 0);
  }
});

Deno.test("B3 Gate with a pauseRatio of 1 sends nobody before the hint is over", async () => {
  for (const random of [() => 0, () => 0.5, () => 1 - 2 ** -53]) {
    const { clock, enter, pause } = createGate({ breaker: { pauseRatio: 1 }, random });
    pause(2_000);
    const caller = enter();
    await clock.advance(1_999);
    assertEquals(caller.outcome, "waiting");
    await clock.advance(401);
    assertEquals(caller.outcome, "passed");
  }
});

Deno.test("B3 Gate sends no check in a pause", async () => {
  const { clock, checks, enter, pause } = createGate();
  pause(60_000);
  const caller = enter({ timeoutMs: Infinity });
  await clock.advance(60_000);
  assertEquals([checks.length, caller.outcome], [0, "passed"]);
});

Deno.test("A5 Gate admits as many as the limiter lets, and the next with each that leaves", async () => {
  const { clock, gate, enter, leave, flush } = createGate({ maxLimit: 2 });
  const callers = Array.from({ length: 4 }, () => enter());
  await flush();
  assertEquals(callers.map(({ outcome }) => outcome), ["passed", "passed", "waiting", "waiting"]);
  assertEquals([gate.isFree, gate.tryEnter(), gate.stats().waiting], [false, undefined, 2]);
  leave(callers[0]!);
  await flush();
  assertEquals([callers[2]!.outcome, callers[3]!.outcome], ["passed", "waiting"]);
  for (const caller of callers.slice(1)) {
    leave(caller);
    await flush();
  }
  assertEquals([gate.limiter.inFlight, gate.isFree, clock.timers], [0, true, 0]);
});

Deno.test("A5 Gate gives no place to a caller who aborts while it waits, nor keeps one for it", async () => {
  const { clock, gate, enter, leave, flush } = createGate({ maxLimit: 1 });
  const first = enter();
  const [second, third] = [enter(), enter()];
  second.controller.abort("enough");
  leave(first);
  await flush();
  assertEquals([second.outcome, third.outcome, gate.limiter.inFlight], ["enough", "passed", 1]);
  leave(third);
  assertEquals([gate.limiter.inFlight, gate.stats().waiting, clock.timers], [0, 0, 0]);
});

Deno.test("R6 Gate.enter() rejects in the macrotask of the abort, with its reason, and forgets the caller", async () => {
  const reason = new Error("enough");
  const { clock, gate, enter, trip, leave, flush } = createGate({ maxLimit: 1 });
  const full = enter();
  const queued = enter();
  assertEquals(queued.controller.listeners, 1);
  queued.controller.abort(reason);
  await flush();
  assertStrictEquals(queued.error, reason);
  assertEquals([queued.controller.listeners, gate.stats().waiting, clock.timers], [0, 0, 0]);
  leave(full);
  trip();
  const parked = enter();
  assertEquals([parked.controller.listeners, clock.timers], [1, 1]);
  parked.controller.abort(reason);
  await flush();
  assertStrictEquals(parked.error, reason);
  assertEquals([parked.controller.listeners, gate.stats().waiting, clock.timers], [0, 0, 0]);
});

Deno.test("R6 Gate.enter() lets nobody pass whose signal is aborted, also if it is free", async () => {
  const { gate, enter, flush } = createGate();
  const controller = new CountedAbort();
  controller.abort("enough");
  const caller = enter({ controller });
  await flush();
  assertEquals([caller.outcome, gate.limiter.inFlight, controller.listeners], ["enough", 0, 0]);
});

Deno.test("F5 Gate listens to nobody who has passed, was shed or was refused", async () => {
  const { gate, clock, enter, leave, trip } = createGate({ maxLimit: 1, queue: { maxQueue: 1 } });
  const callers = [enter(), enter(), enter()];
  await clock.advance(0);
  assertEquals(callers.map(({ outcome }) => outcome), ["passed", "shed", "waiting"]);
  leave(callers[0]!);
  await clock.advance(0);
  leave(callers[2]!);
  trip();
  callers.push(enter(), enter({ failFast: true }));
  gate.breaker.isolate();
  await clock.advance(0);
  const outcomes = callers.map(({ outcome }) => outcome);
  assertEquals(outcomes, ["passed", "shed", "passed", "circuit_open", "circuit_open"]);
  assertEquals(callers.map(({ controller }) => controller.listeners), [0, 0, 0, 0, 0]);
  assertEquals(clock.timers, 0);
});

Deno.test("B6 Gate parks callers while it is shut: they hold no place and do not fail", async () => {
  const { clock, gate, checks, enter, trip } = createGate();
  trip();
  const callers = Array.from({ length: 5 }, () => enter({ timeoutMs: Infinity }));
  await clock.advance(60_000);
  assertEquals([count(callers, "waiting"), gate.limiter.inFlight], [5, 0]);
  while (gate.breaker.state !== "half_open") await clock.advance(clock.nextTimerMs!);
  checks.at(-1)!.answer();
  await clock.advance(0);
  assertEquals([count(callers, "passed"), gate.limiter.inFlight], [2, 2]);
});

Deno.test("B6 Gate drops with circuit_open while it is shut, and says when it will ask again", async () => {
  const { clock, enter, trip, pause, gate } = createGate({ queue: { maxQueue: 1 } });
  const refused = async (): Promise<unknown[]> => {
    const [urgent] = [enter(), enter({ timeoutMs: 60_000 })];
    await clock.advance(0);
    const { code, delivery, retryAfterMs, retryable, message } = urgent.error as ClientError;
    assertInstanceOf(urgent.error, CircuitOpenError);
    return [code, delivery, retryable, retryAfterMs, message];
  };
  trip();
  assertEquals(
    await refused(),
    ["circuit_open", "not_sent", true, 375, "The server is taken for down"],
  );
  gate.breaker.close();
  await clock.advance(0);
  gate.leave(gate.breaker.generation);
  pause(3_000);
  await clock.advance(0.5);
  assertEquals(
    await refused(),
    ["circuit_open", "not_sent", true, 1_500, "The server is paused"],
  );
});

Deno.test("B6 Gate refuses at once with failFast while it is shut, and only then", async () => {
  const { clock, gate, enter, leave, trip, flush } = createGate({ maxLimit: 1 });
  const [passed, queued] = [enter({ failFast: true }), enter({ failFast: true })];
  gate.refuseIfShut();
  await flush();
  assertEquals([passed.outcome, queued.outcome], ["passed", "waiting"]);
  leave(passed);
  await flush();
  leave(queued);
  trip();
  const refused = enter({ failFast: true });
  await flush();
  const { code, retryAfterMs } = refused.error as ClientError;
  assertEquals([code, retryAfterMs, clock.timers], ["circuit_open", 375, 0]);
  let thrown: unknown;
  try {
    gate.refuseIfShut();
  } catch (error) {
    thrown = error;
  }
  assertInstanceOf(thrown, CircuitOpenError);
});

Deno.test("B7 Gate lets at most 8 of 500 parked callers pass in the first round", async () => {
  const { clock, gate, passed, checks, enter, leave, trip } = createGate({ maxLimit: 200 });
  trip();
  for (let i = 0; i < 500; i++) enter();
  await clock.advance(375);
  // Only the opening lowers the limit.
  assertEquals(gate.limiter.limit, 20);
  checks[0]!.answer();
  await clock.advance(0);
  assertEquals([passed.length, gate.limiter.inFlight], [8, 8]);
  for (const caller of passed.splice(0)) leave(caller, { elapsedMs: 10 });
  await clock.advance(0);
  assertEquals(gate.limiter.inFlight, passed.length);
  assert(passed.length <= 9, `${passed.length}`);
});

Deno.test("B8 Gate isolates those who wait and those who come, until it is closed by hand", async () => {
  for (const shut of [false, true]) {
    const { clock, checks, gate, events, enter, trip } = createGate({ maxLimit: 1 });
    const busy = enter();
    if (shut) {
      gate.leave(busy.generation);
      trip();
    }
    const waiting = [enter(), enter({ priority: "background" })];
    gate.breaker.isolate();
    const coming = [enter(), enter({ failFast: true })];
    await clock.advance(60_000);
    for (const { error } of [...waiting, ...coming]) {
      const { code, message, delivery, retryAfterMs } = error as ClientError;
      assertEquals([code, message], ["circuit_open", "The server is isolated"]);
      assertEquals([delivery, retryAfterMs], ["not_sent", undefined]);
    }
    assertEquals([checks.length, gate.stats().waiting, clock.timers], [0, 0, 0]);
    assertEquals(gate.breaker.beginCheck(), false);
    gate.breaker.close();
    if (!shut) gate.leave(busy.generation);
    assertEquals(enter().outcome, "passed");
    const states = events.flatMap((event) => event.type === "breaker.transition" ? event.to : []);
    assertEquals(states, [...(shut ? ["open"] : []), "isolated", "closed"]);
  }
});

Deno.test("B8 Gate with metricsOnly counts, and shuts by hand alone", async () => {
  const { gate, attempt, enter, flush } = createGate({ breaker: { metricsOnly: true } });
  for (let i = 0; i < 30; i++) attempt({ health: "hard" });
  for (let i = 0; i < 30; i++) attempt({ health: "pushback" });
  const { state, results, failures, trips, pauses } = gate.breaker.stats();
  assertEquals([state, results, failures, trips, pauses], ["closed", 60, 30, 0, 0]);
  gate.breaker.isolate();
  const caller = enter();
  await flush();
  assertEquals(caller.outcome, "circuit_open");
});

Deno.test("L5 Gate.leave() tells breaker, limiter and estimates what the attempt says, and no more", () => {
  type Row = [Partial<AttemptEnd>, breaker: number[], drops: boolean, ewmaMs: number];
  const table: Row[] = [
    [{}, [1, 0], false, 80],
    [{ health: "answered", succeeded: false }, [1, 0], false, 80],
    [{ health: "pushback", succeeded: false }, [1, 0], true, 80],
    [{ health: "overload", succeeded: false }, [1, 1], true, 80],
    [{ health: "hard", succeeded: false }, [1, 1], false, 80],
    [{ health: "none", succeeded: false, timedOut: true }, [0, 0], true, 80],
    [{ health: "hard", succeeded: false, timedOut: true }, [1, 1], true, 80],
    [{ health: "none", succeeded: false }, [0, 0], false, 0],
  ];
  for (const [end, [results, failures], drops, ewmaMs] of table) {
    const { gate, attempt } = createGate({ maxLimit: 10, limiter: { dropShare: 0 } });
    attempt({ elapsedMs: 80, ...end });
    const stats = gate.breaker.stats();
    const row = JSON.stringify(end);
    assertEquals([stats.results, stats.failures], [results, failures], row);
    assertEquals([gate.limiter.limit, gate.estimates.ewmaMs], [drops ? 9 : 10, ewmaMs], row);
    assertEquals(gate.limiter.inFlight, 0, row);
  }
  for (const [health, limit] of [["answered", 2], ["hard", 1], ["none", 1]] as const) {
    const { gate, attempt } = createGate({ limiter: { initialLimit: 1 } });
    attempt({ health, succeeded: false });
    assertEquals(gate.limiter.limit, limit, health);
  }
  const { gate, attempt } = createGate();
  for (let i = 0; i < 20; i++) attempt({ elapsedMs: 80, succeeded: i > 0 });
  assertEquals(gate.estimates.p50Ms("add"), 0);
  attempt({ elapsedMs: 80 });
  assertEquals([gate.estimates.p50Ms("add"), gate.estimates.p50Ms("sum")], [80, 0]);
});

Deno.test("A5 Gate.leave() without an attempt gives the place back and says nothing", () => {
  const { gate, leave } = createGate({ limiter: { initialLimit: 1 } });
  leave({ generation: gate.tryEnter()! });
  const { results } = gate.breaker.stats();
  assertEquals([gate.limiter.inFlight, results, gate.estimates.ewmaMs], [0, 0, 0]);
  assertEquals(gate.limiter.limit, 1);
});

Deno.test("A1 Gate spaces the limiter's decreases by the operation's usual time", async () => {
  const { clock, gate, attempt } = createGate({ maxLimit: 10, limiter: { dropShare: 0 } });
  for (let i = 0; i < 20; i++) attempt({ elapsedMs: 400 });
  const drop = (): number => {
    attempt({ health: "overload", succeeded: false });
    attempt({});
    return gate.limiter.limit;
  };
  assertEquals(drop(), 9);
  await clock.advance(399);
  assertEquals(drop(), 9);
  await clock.advance(1);
  assertEquals(drop(), 8);
});

Deno.test("A1 Gate tells of each change of its limit, in whole attempts", () => {
  const { events, attempt } = createGate({ maxLimit: 10, limiter: { dropShare: 0 } });
  attempt({ health: "overload", succeeded: false });
  assertEquals(events, [{ type: "limiter.change", limit: 9 }]);
});

Deno.test("B4 Gate.leave() with the generation of before a trip changes no later state", async () => {
  const { clock, gate, checks, enter, leave, trip } = createGate({ maxLimit: 10 });
  const old = Array.from({ length: 5 }, () => enter());
  trip();
  enter();
  await clock.advance(375);
  assertEquals([gate.breaker.state, checks.length], ["half_open", 1]);
  leave(old[0]!, { health: "hard" });
  leave(old[1]!, { health: "answered" });
  assertEquals(gate.breaker.state, "half_open");
  checks[0]!.answer();
  await clock.advance(0);
  for (const caller of old.slice(2)) leave(caller, { health: "hard" });
  assertEquals([gate.breaker.state, gate.breaker.stats().results], ["closed", 0]);
});

Deno.test("C24 Gate asks for the evidence of a failed check: an answer of any kind ends the outage", async () => {
  const table: [unknown, string, number?][] = [
    [createClientError("unauthorized", "no"), "closed"],
    [createClientError("operation_failed", "no"), "closed"],
    [createClientError("connection_refused", "no"), "open", 562.5],
    [createClientError("unavailable", "later", { retryAfterMs: 7_000 }), "open", 7_000],
    [createClientError("rate_limited", "later", { retryAfterMs: 1 }), "open", 562.5],
    [new Error("foreign"), "open", 562.5],
    [undefined, "open", 562.5],
  ];
  for (const [error, state, waitMs = Infinity] of table) {
    const { clock, gate, checks, enter, trip } = createGate();
    trip();
    enter();
    await clock.advance(375);
    checks[0]!.fail(error);
    await clock.advance(0);
    assertEquals([gate.breaker.state, gate.breaker.waitMs], [state, waitMs], String(error));
  }
});
