import { assertEquals } from "@std/assert";
import {
  type Delivery,
  type Effect,
  isSafeToRepeat,
  strongerDelivery,
} from "../../src/errors/delivery.ts";

const DELIVERIES: readonly Delivery[] = ["not_sent", "not_executed", "unknown", "executed"];

Deno.test("isSafeToRepeat() is the table of effect and delivery", () => {
  const table: Record<Effect, readonly boolean[]> = {
    safe: [true, true, true, false],
    idempotent: [true, true, true, false],
    unsafe: [true, true, false, false],
  };
  for (const effect of ["safe", "idempotent", "unsafe"] as const) {
    assertEquals(DELIVERIES.map((delivery) => isSafeToRepeat(effect, delivery)), table[effect]);
  }
});

Deno.test("strongerDelivery() is the maximum of its order, whichever way round", () => {
  for (const [i, a] of DELIVERIES.entries()) {
    for (const [j, b] of DELIVERIES.entries()) {
      assertEquals(strongerDelivery(a, b), DELIVERIES[Math.max(i, j)]);
    }
  }
});
