import { assert } from "@std/assert";
import { systemClock } from "../../src/resilience/clock.ts";

const LIMIT_MS = 10_000;

/** Waits for what must come about soon; fails after ten seconds. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  const endMs = systemClock.now() + LIMIT_MS;
  while (!await condition()) {
    assert(systemClock.now() < endMs, `Not within ${LIMIT_MS} ms: ${condition}`);
    await systemClock.sleep(5);
  }
}
