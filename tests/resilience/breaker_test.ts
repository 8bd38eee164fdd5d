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
