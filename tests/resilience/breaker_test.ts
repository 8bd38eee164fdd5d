import { assertEquals } from "@std/assert";
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

Deno.test("B8 CircuitBreaker.isolate() twice is one transition", () => {
  const { breaker, transitions } = createBreaker();
  breaker.isolate();
  breaker.isolate();
  assertEquals(transitions, [{ from: "closed", to: "isolated", generation: 2 }]);
});

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
