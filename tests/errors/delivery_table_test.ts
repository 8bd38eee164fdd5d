import { assert, assertEquals } from "@std/assert";
import { DELIVERIES, EFFECTS, isSafeToRepeat } from "../../src/errors/delivery.ts";

Deno.test("EFFECTS and DELIVERIES name every value once, in the order that they promise", () => {
  assertEquals(EFFECTS, ["safe", "idempotent", "unsafe"]);
  assertEquals(DELIVERIES, ["not_sent", "not_executed", "unknown", "executed"]);
});

Deno.test("isSafeToRepeat() allows no more for a worse effect or a stronger delivery", () => {
  for (const [worse, effect] of EFFECTS.entries()) {
    for (const [stronger, delivery] of DELIVERIES.entries()) {
      if (!isSafeToRepeat(effect, delivery)) continue;
      for (const milder of EFFECTS.slice(0, worse)) assert(isSafeToRepeat(milder, delivery));
      for (const weaker of DELIVERIES.slice(0, stronger)) assert(isSafeToRepeat(effect, weaker));
    }
  }
});
