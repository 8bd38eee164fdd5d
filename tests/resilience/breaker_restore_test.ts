import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import type { BreakerSnapshot } from "../../src/resilience/breaker_options.ts";
import { CircuitBreaker } from "../../src/resilience/breaker.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { createBreaker } from "./breaker_support.ts";

const HOUR_MS = 3_600_000;

/** Returns a breaker that went on where another one was, in a process whose clock says something else. */
function succeed(before: CircuitBreaker, wallMs: number) {
  const clock = new FakeClock(wallMs);
  const after = new CircuitBreaker({}, { clock, random: () => 0.5 });
  after.restore(structuredClone(before.snapshot()));
  return { clock, after };
}

Deno.test("B8 CircuitBreaker.snapshot() goes through structuredClone and JSON, whatever the state", async () => {
  const states: [string, (fixture: ReturnType<typeof createBreaker>) => void][] = [
    ["closed", () => {}],
    ["closed", ({ record }) => record("hard", 4)],
    ["closed", ({ record }) => record("pushback", 4, 2_000)],
    ["paused", ({ record }) => record("pushback", 5, 2_000)],
    ["open", ({ record }) => record("hard", 5)],
    ["isolated", ({ breaker }) => breaker.isolate()],
  ];
  for (const [state, act] of states) {
    const fixture = createBreaker();
    const { breaker, clock } = fixture;
    await clock.advance(77);
    act(fixture);
    const snapshot = breaker.snapshot();
    assertEquals(snapshot.state, state);
    assertEquals(structuredClone(snapshot), snapshot);
    assertEquals(JSON.parse(JSON.stringify(snapshot)), snapshot);
    const { after } = succeed(breaker, clock.wall());
    assertEquals([after.state, after.waitMs], [breaker.state, breaker.waitMs]);
    const { generation, ...rest } = after.snapshot();
    assertEquals({ ...rest, generation: snapshot.generation }, snapshot);
    assert(generation >= snapshot.generation);
  }
});

Deno.test("B8 CircuitBreaker.snapshot() names an instant only where it means something", async () => {
  const { breaker, clock, record } = createBreaker();
  const instants = () => {
    const { untilWallMs, outageSinceWallMs, closedAtWallMs } = breaker.snapshot();
    return [untilWallMs, outageSinceWallMs, closedAtWallMs];
  };
  const startMs = clock.wall();
  assertEquals(instants(), [undefined, undefined, undefined]);
  record("pushback", 5, 2_000);
  assertEquals(instants(), [startMs + 1_000, undefined, undefined]);
  await clock.advance(1_000);
  assertEquals(instants(), [undefined, undefined, undefined]);
  record("hard", 5);
  assertEquals(instants(), [startMs + 1_375, startMs + 1_000, undefined]);
  await clock.advance(375);
  breaker.beginCheck();
  assertEquals(instants(), [startMs + 1_375, startMs + 1_000, undefined]);
  breaker.endCheck("answered");
  assertEquals(instants(), [undefined, startMs + 1_000, startMs + 1_375]);
  breaker.isolate();
  assertEquals(instants(), [undefined, startMs + 1_000, startMs + 1_375]);
});

Deno.test("B8 CircuitBreaker.restore() takes an instant that is still to come for now: clocks jump", async () => {
  const { breaker, clock, record } = createBreaker();
  record("hard", 5);
  const down = succeed(breaker, clock.wall() - HOUR_MS).after;
  breaker.recover();
  const healthy = succeed(breaker, clock.wall() - HOUR_MS);
  const { outageSinceWallMs } = down.snapshot();
  assertEquals(outageSinceWallMs, clock.wall() - HOUR_MS);
  assertEquals(healthy.after.snapshot().closedAtWallMs, clock.wall() - HOUR_MS);
  // An hour in the future would have kept the server from being healthy for an hour and 10 s.
  await healthy.clock.advance(10_000);
  for (let i = 0; i < 5; i++) healthy.after.record("hard", healthy.after.generation);
  assertEquals(healthy.after.waitMs, 375);
});

Deno.test("B8 CircuitBreaker.restore() goes on with streaks: attempts of a request each can trip it", () => {
  const clock = new FakeClock();
  let snapshot: BreakerSnapshot | undefined;
  const request = (evidence: "hard" | "pushback", retryAfterMs?: number): string => {
    const breaker = new CircuitBreaker({}, { clock, random: () => 0.5 });
    if (snapshot !== undefined) breaker.restore(snapshot);
    breaker.record(evidence, breaker.generation, retryAfterMs);
    snapshot = structuredClone(breaker.snapshot());
    return snapshot.state;
  };
  const states = Array.from({ length: 5 }, () => request("hard"));
  assertEquals(states, ["closed", "closed", "closed", "closed", "open"]);
  snapshot = undefined;
  const refused = [8_000, 1, 1, 1, 1].map((hintMs) => request("pushback", hintMs));
  assertEquals(refused, ["closed", "closed", "closed", "closed", "paused"]);
  assertEquals(snapshot!.untilWallMs, clock.wall() + 4_000);
});

Deno.test("B8 CircuitBreaker.restore() asks a server that flaps as rarely as before", async () => {
  const { breaker, clock, record } = createBreaker();
  record("hard", 5);
  for (let failed = 0; failed < 3; failed++) {
    await clock.advance(breaker.waitMs);
    assert(breaker.beginCheck());
    breaker.endCheck("hard");
  }
  breaker.recover();
  const { after } = succeed(breaker, clock.wall());
  for (let i = 0; i < 5; i++) after.record("hard", after.generation);
  assertEquals(after.waitMs, 500 * 1.5 ** 3 * 0.75);
});

Deno.test("B8 CircuitBreaker.restore() knows how old the outage is, and how long the server was healthy", async () => {
  const { breaker, clock, record } = createBreaker();
  record("hard", 5);
  while (clock.now() < 30_000) {
    await clock.advance(breaker.waitMs);
    breaker.beginCheck();
    breaker.endCheck("hard");
  }
  const old = succeed(breaker, clock.wall() + breaker.waitMs);
  assert(old.after.beginCheck());
  old.after.endCheck("hard");
  assertEquals(old.after.waitMs, 30_000 * 0.75);
  breaker.recover();
  for (const [healthyMs, waitMs] of [[9_999, 30_000 * 0.75], [10_000, 375]] as const) {
    const { after } = succeed(breaker, clock.wall() + healthyMs);
    for (let i = 0; i < 5; i++) after.record("hard", after.generation);
    assertEquals(after.waitMs, waitMs);
  }
});

Deno.test("B8 CircuitBreaker.restore() takes what a snapshot leaves out for none and for long past", () => {
  const { breaker, clock, transitions } = createBreaker();
  breaker.restore({ state: "closed", generation: 1 } as BreakerSnapshot);
  assertEquals(breaker.snapshot(), createBreaker().breaker.snapshot());
  breaker.restore({ state: "paused", generation: 1 } as BreakerSnapshot);
  assertEquals([breaker.state, clock.now()], ["closed", 0]);
  breaker.restore({ state: "open", generation: 1 } as BreakerSnapshot);
  assertEquals([breaker.state, breaker.waitMs], ["open", 0]);
  assertEquals(transitions.map(({ waitMs }) => waitMs), [0, undefined, 0]);
});

Deno.test("B8 CircuitBreaker.restore() cuts an instant that a clock's jump put far ahead to 30 s", async () => {
  const waits: number[][] = [];
  for (const jumpMs of [0, HOUR_MS, -HOUR_MS]) {
    const { breaker, clock, record } = createBreaker();
    record("pushback", 5, 50_000);
    const paused = succeed(breaker, clock.wall() + jumpMs);
    breaker.close();
    record("hard", 5);
    const open = succeed(breaker, clock.wall() + jumpMs);
    waits.push([paused.after.waitMs, open.after.waitMs]);
    await open.clock.advance(30_000);
    assert(open.after.beginCheck());
    open.after.endCheck("hard");
    assert(open.after.waitMs <= 30_000);
    await paused.clock.advance(30_000);
    assertEquals(paused.after.state, "closed");
  }
  assertEquals(waits, [[25_000, 375], [Infinity, 0], [30_000, 30_000]]);
});

Deno.test("B8 CircuitBreaker.snapshot() of a check that runs is one of the outage: another may check", async () => {
  const { breaker, clock, record } = createBreaker();
  record("hard", 5);
  await clock.advance(500);
  assert(breaker.beginCheck());
  const { after } = succeed(breaker, clock.wall());
  assertEquals([after.state, after.waitMs], ["open", 0]);
  assert(after.beginCheck());
});

Deno.test("B8 CircuitBreaker.restore() never takes a generation back, nor lets old results count", () => {
  const { breaker, record } = createBreaker();
  for (let i = 0; i < 3; i++) {
    breaker.isolate();
    breaker.close();
  }
  const { generation } = breaker;
  breaker.restore({ ...breaker.snapshot(), state: "isolated", generation: 1 });
  assertEquals([breaker.state, breaker.generation], ["isolated", generation + 1]);
  breaker.close();
  for (let i = 0; i < 20; i++) breaker.record("hard", generation);
  assertEquals(breaker.state, "closed");
  record("hard", 5);
  assertEquals(breaker.state, "open");
});

Deno.test("B8 CircuitBreaker.restore() tells of a change of state, and of nothing else", () => {
  const { breaker, transitions } = createBreaker();
  breaker.restore({ ...breaker.snapshot(), hardInARow: 3 });
  assertEquals(transitions, []);
  breaker.restore({ ...breaker.snapshot(), state: "isolated", generation: 9 });
  assertEquals(transitions, [{ from: "closed", to: "isolated", generation: 10 }]);
});

Deno.test("F2 CircuitBreaker.restore() refuses what is no snapshot, and stays as it was", () => {
  const { breaker } = createBreaker();
  const good = breaker.snapshot();
  const wrong: [object, typeof RangeError | typeof TypeError, string][] = [
    [[], TypeError, "must be an object"],
    [{ ...good, state: "half_open" }, TypeError, "'state'"],
    [{ ...good, state: undefined }, TypeError, "'state'"],
    [{ ...good, generation: 0 }, RangeError, "'generation'"],
    [{ ...good, generation: undefined }, TypeError, "'generation'"],
    [{ ...good, generation: 1.5 }, RangeError, "'generation'"],
    [{ ...good, failedChecks: -1 }, RangeError, "'failedChecks'"],
    [{ ...good, failedChecks: 0.5 }, RangeError, "'failedChecks'"],
    [{ ...good, pushbacksInARow: 0.5 }, RangeError, "'pushbacksInARow'"],
    [{ ...good, hardInARow: 0.5 }, RangeError, "'hardInARow'"],
    [{ ...good, pushbacksInARow: NaN }, RangeError, "'pushbacksInARow'"],
    [{ ...good, hintMs: -1 }, RangeError, "'hintMs'"],
    [{ ...good, state: "paused", untilWallMs: NaN }, RangeError, "'untilWallMs'"],
    [{ ...good, state: "open", untilWallMs: null }, TypeError, "'untilWallMs'"],
    [{ ...good, outageSinceWallMs: NaN }, RangeError, "'outageSinceWallMs'"],
    [{ ...good, closedAtWallMs: "1" }, TypeError, "'closedAtWallMs'"],
  ];
  for (const [snapshot, kind, text] of wrong) {
    const error = assertThrows(() => breaker.restore(snapshot as BreakerSnapshot), kind, text);
    assertStringIncludes(error.message, "Cannot restore a breaker as ");
    assertEquals(breaker.snapshot(), good);
  }
});
