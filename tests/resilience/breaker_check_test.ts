import { assert, assertEquals } from "@std/assert";
import type { HealthEvidence } from "../../src/errors/health.ts";
import { CircuitBreaker } from "../../src/resilience/breaker.ts";
import { createRandom } from "../support/random.ts";
import { createBreaker } from "./breaker_support.ts";
import { QuickClock } from "./support.ts";

Deno.test("B5 CircuitBreaker checks again after a hint, and within a minute after an absurd one", async () => {
  for (const [hintMs, waitMs] of [[5_000, 5_000], [60_001, 60_000], [Number.MAX_VALUE, 60_000]]) {
    const { clock, breaker, record } = createBreaker();
    record("hard", 5);
    await clock.advance(breaker.waitMs);
    breaker.beginCheck();
    breaker.endCheck("pushback", hintMs);
    assertEquals([breaker.state, breaker.waitMs], ["open", waitMs]);
  }
});

Deno.test("B5 CircuitBreaker lets one check begin when it is due, and ends by an answer alone", async () => {
  const table: [HealthEvidence, string][] = [
    ["answered", "closed"],
    ["hard", "open"],
    ["overload", "open"],
    ["pushback", "open"],
    ["none", "open"],
  ];
  for (const [evidence, state] of table) {
    const { clock, breaker, record } = createBreaker();
    assertEquals(breaker.beginCheck(), false);
    record("hard", 5);
    await clock.advance(374);
    assertEquals([breaker.beginCheck(), breaker.waitMs], [false, 1]);
    await clock.advance(1);
    assertEquals([breaker.beginCheck(), breaker.beginCheck()], [true, false]);
    assertEquals([breaker.isShut, breaker.waitMs], [true, Infinity]);
    breaker.endCheck(evidence);
    assertEquals(breaker.state, state, evidence);
    breaker.endCheck("answered");
    assertEquals(breaker.state, state, "ended already");
  }
});

Deno.test("B5 CircuitBreaker keeps k until it was closed for 10 s without a trip; a pause is none", async () => {
  const table = [[9_999, 500 * 1.5 ** 2 * 0.75], [10_000, 375]] as const;
  for (const pauses of [0, 5]) {
    for (const [healthyMs, waitMs] of table) {
      const { clock, breaker, record } = createBreaker();
      record("hard", 5);
      for (const evidence of ["hard", "hard", "answered"] as const) {
        await clock.advance(breaker.waitMs);
        breaker.beginCheck();
        await clock.advance(400);
        breaker.endCheck(evidence);
      }
      record("pushback", pauses);
      await clock.advance(healthyMs);
      record("hard", 5);
      assertEquals([breaker.state, breaker.waitMs], ["open", waitMs]);
    }
  }
});

Deno.test("B5 CircuitBreaker of a server that flaps counts the 30 s from its first outage on", async () => {
  const { clock, breaker, record } = createBreaker({}, () => 1);
  for (let flap = 0; flap < 6; flap++) {
    record("hard", 5);
    for (const evidence of ["hard", "hard", "hard", "answered"] as const) {
      await clock.advance(breaker.waitMs);
      breaker.beginCheck();
      breaker.endCheck(evidence);
    }
  }
  record("hard", 5);
  assert(clock.now() > 30_000 && breaker.waitMs > 2_000, `${clock.now()} ${breaker.waitMs}`);
});

Deno.test("B5 CircuitBreaker closes by another sign of life, but not where it was shut by hand", () => {
  const { breaker, record } = createBreaker();
  breaker.recover();
  assertEquals(breaker.generation, 1);
  record("hard", 5);
  breaker.recover();
  assertEquals(breaker.state, "closed");
  breaker.isolate();
  breaker.recover();
  assertEquals(breaker.state, "isolated");
});

Deno.test("B5 CircuitBreakers of 200 clients of one server do not check in phase", () => {
  const rounds: number[][] = [];
  for (let seed = 0; seed < 200; seed++) {
    const clock = new QuickClock();
    const breaker = new CircuitBreaker({}, { clock, random: createRandom(seed) });
    for (let i = 0; i < 5; i++) breaker.record("hard", breaker.generation);
    for (let k = 0; k < 8; k++) {
      clock.jump(breaker.waitMs);
      assert(breaker.beginCheck());
      (rounds[k] ??= []).push(clock.now());
      breaker.endCheck("hard");
    }
  }
  for (const [k, atMs] of rounds.entries()) {
    const slots = Object.groupBy(atMs, (ms) => Math.floor(ms / 25));
    const most = Math.max(...Object.values(slots).map((slot) => slot!.length));
    // In phase, it would be all 200 of them.
    assert(most <= 34 && new Set(atMs).size > 190, `${most} at once in round ${k}`);
    if (k > 4) assert(most <= 12, `${most} at once in round ${k}`);
  }
});

Deno.test("B5 CircuitBreaker waits 2 s at most for the first 30 s of an outage, then 30 s at most", async () => {
  for (const [outageMs, waitMs] of [[29_999, 2_000], [30_000, 30_000]] as const) {
    const { clock, breaker, record } = createBreaker({}, () => 1);
    await clock.advance(100);
    record("hard", 5);
    for (let failed = 0; failed < 12; failed++) {
      await clock.advance(breaker.waitMs);
      breaker.beginCheck();
      if (failed === 11) await clock.advance(100 + outageMs - clock.now());
      breaker.endCheck("hard");
    }
    assertEquals([clock.now() - 100, breaker.waitMs], [outageMs, waitMs]);
  }
});
