import { assertEquals } from "@std/assert";
import { createGate } from "./gate_support.ts";

Deno.test("B3 Gate lets those who waited pass when the pause is over, one or many", async () => {
  for (const waiting of [1, 2, 3, 12]) {
    const { clock, gate, enter, pause } = createGate({ maxLimit: 10 });
    pause(1_000);
    const callers = Array.from({ length: waiting }, () => enter());
    await clock.advance(499);
    assertEquals(callers.filter(({ outcome }) => outcome !== "waiting"), []);
    await clock.advance(1);
    const passed = callers.filter(({ outcome }) => outcome === "passed");
    assertEquals(passed.length, Math.min(waiting, gate.limiter.limit));
    assertEquals(clock.timers, 0);
  }
});
