import { assertEquals } from "@std/assert";
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
