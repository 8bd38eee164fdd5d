import { assert, assertEquals } from "@std/assert";
import type { HealthEvidence } from "../../src/errors/health.ts";
import { CircuitBreaker } from "../../src/resilience/breaker.ts";
import { FakeClock, settle } from "../support/fake_clock.ts";
import { createBreaker } from "./breaker_support.ts";

Deno.test("B3 CircuitBreaker tells of a pause of no length before it tells of its end", () => {
  const { breaker, transitions, record } = createBreaker({ pauseRatio: 0 });
  record("pushback", 5, 1_000);
  assertEquals(breaker.state, "closed");
  assertEquals(transitions, [
    { from: "closed", to: "paused", generation: 2, waitMs: 0 },
    { from: "paused", to: "closed", generation: 3 },
  ]);
});

Deno.test("B4 CircuitBreaker.generation is that of now, also if nobody has noticed the pause's end", async () => {
  const { clock, breaker, record } = createBreaker();
  record("pushback", 5);
  await clock.advance(500);
  const { generation } = breaker;
  assertEquals([generation, breaker.state, breaker.generation], [3, "closed", 3]);
  for (let i = 0; i < 5; i++) breaker.record("hard", generation);
  assertEquals(breaker.state, "open");
});

Deno.test("B4 CircuitBreaker.record() ignores what the time before a pause admitted, once that is over", async () => {
  const { clock, breaker, record } = createBreaker();
  const { generation } = breaker;
  record("pushback", 5);
  await clock.advance(500);
  for (let i = 0; i < 20; i++) breaker.record("hard", generation);
  assertEquals([breaker.state, breaker.stats().results], ["closed", 0]);
});

Deno.test("B4 CircuitBreaker.record() ignores who asked for the generation while it is shut", async () => {
  const shut: [string, (fixture: ReturnType<typeof createBreaker>) => unknown][] = [
    ["paused", ({ record }) => record("pushback", 5)],
    ["open", ({ record }) => record("hard", 5)],
    ["half_open", async ({ clock, breaker, record }) => {
      record("hard", 5);
      await clock.advance(breaker.waitMs);
      breaker.beginCheck();
    }],
    ["isolated", ({ breaker }) => breaker.isolate()],
  ];
  for (const [state, shutIt] of shut) {
    const fixture = createBreaker();
    await shutIt(fixture);
    const { breaker, transitions, record } = fixture;
    const [waitMs, { length }] = [breaker.waitMs, transitions];
    record("hard", 20);
    record("pushback", 20);
    assertEquals([breaker.state, breaker.waitMs, transitions.length], [state, waitMs, length]);
    assertEquals(breaker.stats().results, 0);
  }
});

Deno.test("B8 CircuitBreaker.isolate() twice is one transition", () => {
  const { breaker, transitions } = createBreaker();
  breaker.isolate();
  breaker.isolate();
  assertEquals(transitions, [{ from: "closed", to: "isolated", generation: 2 }]);
});

Deno.test("E5 CircuitBreaker goes on when its listener throws, and reports it in a microtask", async () => {
  const clock = new FakeClock();
  const reported: unknown[] = [];
  const report = (event: ErrorEvent): void => {
    event.preventDefault();
    reported.push(event.error);
  };
  addEventListener("error", report);
  const breaker = new CircuitBreaker({}, {
    clock,
    onTransition: ({ to }) => {
      throw to;
    },
  });
  breaker.isolate();
  assertEquals([breaker.state, reported], ["isolated", []]);
  await settle();
  removeEventListener("error", report);
  assertEquals(reported, ["isolated"]);
});

/** What a letter of a pattern says. */
const EVIDENCE: Record<string, HealthEvidence> = {
  H: "hard",
  O: "overload",
  P: "pushback",
  A: "answered",
  N: "none",
};

Deno.test("B1 B2 B3 CircuitBreaker counts streaks of hard failures and of pushbacks as it should", () => {
  const table: [string, string][] = [
    ["HHHH", "closed"],
    ["HHHHH", "open"],
    ["OHOHO", "open"],
    ["HHHHAHHHH", "closed"],
    ["HHHHPHHHH", "closed"],
    ["HHHHNH", "open"],
    ["NNNNNNNNNNNNNNNNNNNNNNNNN", "closed"],
    ["PPPP", "closed"],
    ["PPPPP", "paused"],
    ["PPPPAPPPP", "closed"],
    ["PPPPNP", "paused"],
    // A hard failure does not end the streak of pushbacks.
    ["PPHPPHP", "paused"],
    ["AAAAAAAAAAAAAAAAAAAAAAAA", "closed"],
  ];
  for (const [pattern, state] of table) {
    const { breaker, record } = createBreaker();
    for (const letter of pattern) record(EVIDENCE[letter]!);
    assertEquals(breaker.state, state, pattern);
  }
});

Deno.test("B2 CircuitBreaker trips at 80 % of at least 20 results within 10 s", async () => {
  const feed = (pattern: string) => {
    const fixture = createBreaker();
    for (const letter of pattern) fixture.record(EVIDENCE[letter]!);
    return fixture;
  };
  // Four hard failures, then an answer: never five in a row.
  const share80 = "HHHHA".repeat(4);
  assertEquals(feed(share80.slice(0, -1)).breaker.state, "closed");
  assertEquals(feed(share80).breaker.state, "open");
  assertEquals(feed(share80.replace("A", "P")).breaker.state, "open");
  assertEquals(feed(share80.replace("H", "A")).breaker.state, "closed");
  // A none is no result.
  assertEquals(feed(share80.slice(0, -1) + "N").breaker.state, "closed");
  const old = feed(share80.slice(0, 10));
  await old.clock.advance(10_000);
  for (const letter of share80.slice(0, 10)) old.record(EVIDENCE[letter]!);
  assertEquals([old.breaker.state, old.breaker.stats().results], ["closed", 10]);
});

Deno.test("B2 CircuitBreaker starts the window of each closed empty", async () => {
  const { clock, breaker, record } = createBreaker();
  for (let i = 0; i < 4; i++) record("hard", 4), record("answered");
  assertEquals([breaker.state, breaker.stats().results], ["open", 0]);
  await clock.advance(500);
  assert(breaker.beginCheck());
  breaker.endCheck("answered");
  record("hard", 4);
  assertEquals([breaker.state, breaker.stats().results], ["closed", 4]);
  record("answered");
  record("pushback", 5);
  assertEquals([breaker.state, breaker.stats()], ["paused", {
    ...{ state: "paused", generation: 5, results: 0, failures: 0, trips: 1, pauses: 1 },
  }]);
});

Deno.test("B3 CircuitBreaker pauses for the longest hint of the streak × ratio × U(0.8, 1.2)", () => {
  type Row = [hints: (number | undefined)[], draw: number, waitMs: number, pauseRatio?: number];
  const table: Row[] = [
    [[1_000, 4_000, 2_000, undefined, 0], 0.5, 2_000],
    [[1_000, 4_000, 2_000, 1, 1], 0, 1_600],
    [[1_000, 4_000, 2_000, 1, 1], 1, 2_400],
    [[undefined, undefined, undefined, undefined, undefined], 0.5, 500],
    [[90_000, 1, 1, 1, 1], 0.5, 30_000],
    [[2_000, 1, 1, 1, 1], 0, 2_000, 1],
    [[2_000, 1, 1, 1, 1], 0.5, 2_000, 1],
    [[2_000, 1, 1, 1, 1], 1, 2_400, 1],
    [[2_000, 1, 1, 1, 1], 0, 3_200, 2],
    [[2_000, 1, 1, 1, 1], 0, 1_584, 0.99],
    [[90_000, 1, 1, 1, 1], 0, 60_000, 1],
  ];
  for (const [hints, draw, waitMs, pauseRatio] of table) {
    const options = pauseRatio === undefined ? {} : { pauseRatio };
    const { breaker, record, transitions } = createBreaker(options, () => draw);
    for (const hintMs of hints) record("pushback", 1, hintMs);
    assertEquals([breaker.state, Math.round(breaker.waitMs)], ["paused", waitMs], `${hints}`);
    assertEquals(Math.round(transitions[0]!.waitMs!), waitMs);
  }
});

Deno.test("B3 CircuitBreaker forgets the hint of a streak that an answer ended", () => {
  const { breaker, record } = createBreaker();
  record("pushback", 4, 50_000);
  record("answered");
  record("pushback", 5, 2_000);
  assertEquals([breaker.state, breaker.waitMs], ["paused", 1_000]);
});

Deno.test("B3 B4 CircuitBreaker leaves a pause by time alone, not by what comes late", async () => {
  const { clock, breaker, record } = createBreaker();
  const { generation } = breaker;
  record("pushback", 5, 4_000);
  for (const evidence of ["answered", "hard", "pushback"] as const) {
    for (let i = 0; i < 20; i++) breaker.record(evidence, generation);
  }
  breaker.recover();
  assertEquals([breaker.beginCheck(), breaker.state, breaker.waitMs], [false, "paused", 2_000]);
  await clock.advance(1_999);
  assertEquals([breaker.isShut, breaker.waitMs], [true, 1]);
  await clock.advance(1);
  assertEquals([breaker.isShut, breaker.waitMs], [false, Infinity]);
});

Deno.test("B4 CircuitBreaker adds 1 to the generation with every transition, and tells of each", async () => {
  const { clock, breaker, record, transitions } = createBreaker();
  record("hard", 5);
  await clock.advance(375);
  breaker.beginCheck();
  breaker.endCheck("hard");
  await clock.advance(562.5);
  breaker.beginCheck();
  breaker.endCheck("answered");
  breaker.isolate();
  breaker.close();
  breaker.close();
  assertEquals(transitions, [
    { from: "closed", to: "open", generation: 2, waitMs: 375 },
    { from: "open", to: "half_open", generation: 3 },
    { from: "half_open", to: "open", generation: 4, waitMs: 562.5 },
    { from: "open", to: "half_open", generation: 5 },
    { from: "half_open", to: "closed", generation: 6 },
    { from: "closed", to: "isolated", generation: 7 },
    { from: "isolated", to: "closed", generation: 8 },
  ]);
});

Deno.test("B8 CircuitBreaker.close() ends every state, and with it what the outage had cost", async () => {
  const { clock, breaker, record } = createBreaker();
  record("hard", 5);
  await clock.advance(375);
  breaker.beginCheck();
  breaker.endCheck("hard");
  breaker.close();
  assertEquals(breaker.state, "closed");
  record("hard", 5);
  assertEquals(breaker.waitMs, 375);
  breaker.beginCheck();
  breaker.close();
  record("pushback", 5);
  breaker.close();
  breaker.isolate();
  breaker.endCheck("answered");
  assertEquals(breaker.state, "isolated");
  breaker.close();
  assertEquals([breaker.state, breaker.waitMs], ["closed", Infinity]);
});

Deno.test("B8 CircuitBreaker with metricsOnly counts and never shuts by itself", () => {
  const { breaker, record } = createBreaker({ metricsOnly: true });
  record("hard", 25);
  record("pushback", 25);
  assertEquals(breaker.stats(), {
    ...{ state: "closed", generation: 1, results: 50, failures: 25, trips: 0, pauses: 0 },
  });
});

Deno.test("CircuitBreaker shuts as its options say", () => {
  const { record: one, breaker: tripped } = createBreaker({ tripAfter: 1 });
  one("hard");
  assertEquals(tripped.state, "open");
  const { record: two, breaker: paused } = createBreaker({ pauseAfter: 1 });
  two("pushback");
  assertEquals(paused.state, "paused");
  const never = createBreaker({ tripAfter: Infinity, tripShare: 1.1, pauseAfter: Infinity });
  never.record("hard", 100);
  never.record("pushback", 100);
  assertEquals(never.breaker.state, "closed");
  const half = createBreaker({ tripShare: 0.5 });
  for (let i = 0; i < 10; i++) half.record("hard"), half.record("answered");
  assertEquals(half.breaker.state, "open");
});
