import { assert, assertEquals } from "@std/assert";
import { createClientError } from "../../src/errors/errors.ts";
import { createGate } from "./gate_support.ts";

const DOWN = createClientError("connection_refused", "down");

Deno.test("B5 Gate checks at once for all who wait, after 500 ms × 1.5^k × U(0.5, 1), capped", async () => {
  const drawn: number[][] = [];
  for (const draw of [0, 0.5, 1]) {
    const { clock, checks, enter, trip } = createGate({ random: () => draw });
    trip();
    for (let i = 0; i < 20; i++) enter({ timeoutMs: Infinity });
    const waitsMs: number[] = [];
    for (let k = 0, lastMs = 0; k < 6; k++) {
      while (checks.length === k) await clock.advance(clock.nextTimerMs!);
      waitsMs.push(clock.now() - lastMs);
      lastMs = clock.now();
      checks[k]!.fail(DOWN);
      await clock.advance(0);
      assertEquals(checks.length, k + 1);
    }
    drawn.push(waitsMs);
  }
  assertEquals(drawn, [
    [250, 375, 562.5, 843.75, 1_000, 1_000],
    [375, 562.5, 843.75, 1_265.625, 1_500, 1_500],
    [500, 750, 1_125, 1_687.5, 2_000, 2_000],
  ]);
});

Deno.test("B5 Gate checks every 30 s at most once the server has been down for 30 s", async () => {
  const { clock, checks, enter, trip } = createGate({ random: () => 1 });
  trip();
  enter({ timeoutMs: Infinity });
  const gaps: number[] = [];
  for (let k = 0, lastMs = 0; clock.now() < 300_000; k++) {
    while (checks.length === k) await clock.advance(clock.nextTimerMs!);
    if (clock.now() > 40_000) gaps.push(clock.now() - lastMs);
    lastMs = clock.now();
    checks[k]!.fail(DOWN);
    await clock.advance(0);
  }
  // Before that it grows by half each time, under 2 s.
  assertEquals(gaps.slice(1), new Array(gaps.length - 1).fill(30_000));
  assert(gaps.length > 6);
});

Deno.test("B5 Gate cannot be wedged by a check that never answers", async () => {
  const { clock, gate, checks, enter, trip } = createGate();
  trip();
  const caller = enter({ timeoutMs: Infinity });
  await clock.advance(375);
  assertEquals([checks.length, gate.breaker.state], [1, "half_open"]);
  await clock.advance(4_999);
  assertEquals([gate.breaker.state, checks[0]!.signal.aborted], ["half_open", false]);
  await clock.advance(1);
  assertEquals([gate.breaker.state, checks[0]!.signal.aborted], ["open", true]);
  await clock.advance(60_000);
  assert(checks.length > 5, `${checks.length} checks`);
  for (let i = 1; i < checks.length; i++) {
    assert(checks[i]!.atMs >= checks[i - 1]!.atMs + 5_000, "one in flight");
  }
  while (gate.breaker.state !== "half_open") await clock.advance(clock.nextTimerMs!);
  checks.at(-1)!.answer();
  await clock.advance(0);
  assertEquals([caller.outcome, clock.timers], ["passed", 0]);
});

Deno.test("B5 Gate sets no timer while nobody waits, and checks for the next who comes if that is overdue", async () => {
  const { clock, checks, enter, trip, flush } = createGate();
  trip();
  assertEquals(clock.timers, 0);
  const early = enter();
  early.controller.abort("enough");
  await clock.advance(3_600_000);
  assertEquals([checks.length, clock.timers], [0, 0]);
  const caller = enter();
  assertEquals(checks.length, 1);
  checks[0]!.answer();
  await flush();
  assertEquals([caller.outcome, clock.timers], ["passed", 0]);
});

Deno.test("B5 Gate that shuts while somebody waits sets one timer, for when there is something to do", () => {
  const { clock, gate, enter } = createGate({ maxLimit: 1 });
  const busy = enter();
  enter();
  assertEquals(clock.timers, 0);
  for (let i = 0; i < 5; i++) gate.breaker.record("hard", busy.generation);
  assertEquals([gate.breaker.state, clock.timers, clock.nextTimerMs], ["open", 1, 375]);
  gate.breaker.recover();
  assertEquals([gate.isFree, gate.stats().waiting], [false, 1]);
});

Deno.test("B5 Gate does not check for those who leave, if nobody waits", async () => {
  const { clock, gate, checks, enter, leave, trip } = createGate();
  const straggler = enter();
  trip();
  await clock.advance(60_000);
  leave(straggler);
  assertEquals([checks.length, gate.breaker.state, clock.timers], [0, "open", 0]);
});

Deno.test("B5 Gate ends the outage with a check whose callers have all gone meanwhile", async () => {
  const { clock, gate, checks, enter, trip } = createGate();
  trip();
  const caller = enter();
  await clock.advance(375);
  caller.controller.abort("enough");
  checks[0]!.answer();
  await clock.advance(0);
  assertEquals([gate.breaker.state, gate.isFree, clock.timers], ["closed", true, 0]);
});

Deno.test("B5 Gate checks no earlier than the server asked", async () => {
  const { clock, checks, enter, trip } = createGate();
  trip();
  enter({ timeoutMs: Infinity });
  await clock.advance(375);
  checks[0]!.fail(createClientError("rate_limited", "later", { retryAfterMs: 20_000 }));
  await clock.advance(19_999);
  assertEquals(checks.length, 1);
  await clock.advance(1);
  assertEquals(checks.length, 2);
});

Deno.test("B5 Gate opens by another sign of life, and the check from before decides nothing", async () => {
  for (const end of ["fail", "answer"] as const) {
    const { clock, gate, checks, events, enter, leave, trip } = createGate({ maxLimit: 10 });
    trip();
    const caller = enter();
    await clock.advance(375);
    gate.breaker.recover();
    await clock.advance(0);
    assertEquals([caller.outcome, gate.breaker.state], ["passed", "closed"]);
    leave(caller);
    trip();
    enter();
    await clock.advance(375);
    assertEquals([checks.length, gate.breaker.state], [2, "half_open"]);
    checks[0]![end](DOWN);
    await clock.advance(0);
    assertEquals(gate.breaker.state, "half_open");
    checks[1]!.answer();
    await clock.advance(0);
    const states = events.flatMap((event) => event.type === "breaker.transition" ? event.to : []);
    assertEquals(states, ["open", "half_open", "closed", "open", "half_open", "closed"]);
    assertEquals(clock.timers, 0);
  }
});

Deno.test("B5 Gate ignores that a check from before the last trip times out", async () => {
  const { clock, gate, checks, enter, leave, trip } = createGate({ maxLimit: 10 });
  trip();
  const caller = enter();
  await clock.advance(375);
  gate.breaker.recover();
  await clock.advance(4_300);
  leave(caller);
  trip();
  enter();
  await clock.advance(500);
  assertEquals([checks.length, gate.breaker.state], [2, "half_open"]);
  await clock.advance(300);
  assertEquals([checks[0]!.signal.aborted, gate.breaker.state], [true, "half_open"]);
});

Deno.test("P14 Gate.close() ends the check that runs and sends no other one", async () => {
  const { clock, gate, checks, enter, trip } = createGate();
  const reason = new Error("closed");
  trip();
  const caller = enter({ timeoutMs: Infinity });
  await clock.advance(375);
  gate.close(reason);
  assertEquals([checks[0]!.signal.aborted, checks[0]!.signal.reason], [true, reason]);
  await clock.advance(60_000);
  assertEquals(checks.length, 1);
  caller.controller.abort(reason);
  await clock.advance(0);
  assertEquals([caller.error, clock.timers], [reason, 0]);
});

Deno.test("P14 Gate.close() rejects who waits, and whoever would have to from then on", async () => {
  const { clock, gate, enter, leave, flush } = createGate({ maxLimit: 1 });
  const reason = new Error("closed");
  const [busy, waiting] = [enter(), enter()];
  gate.close(reason);
  await flush();
  assertEquals([waiting.error, waiting.controller.listeners], [reason, 0]);
  assertEquals([gate.stats().waiting, clock.timers], [0, 0]);
  const late = enter();
  await flush();
  assertEquals([late.error, late.controller.listeners], [reason, 0]);
  // What runs is let be, and gives its place back.
  leave(busy);
  assertEquals([gate.limiter.inFlight, gate.isFree], [0, true]);
});

Deno.test("B5 Gate goes on when the check throws instead of rejecting", async () => {
  let checks = 0;
  const { clock, gate, enter, trip } = createGate({
    check: () => {
      checks++;
      throw DOWN;
    },
  });
  trip();
  enter();
  await clock.advance(375);
  assertEquals([checks, gate.breaker.state], [1, "open"]);
  await clock.advance(562.5);
  assertEquals(checks, 2);
});
