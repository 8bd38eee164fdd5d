import { assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { Deadline } from "../../src/resilience/deadline.ts";
import { FakeClock } from "../support/fake_clock.ts";
import type { Kit } from "../support/kit.ts";

export default function (t: Kit): void {
  t.test("Deadline.remainingMs() shrinks to 0 and stays there", async () => {
    const clock = new FakeClock();
    const deadline = Deadline.after(30, clock);
    const seen: [number, boolean][] = [];
    for (const stepMs of [0, 29, 1, 100]) {
      await clock.advance(stepMs);
      seen.push([deadline.remainingMs(), deadline.isPast()]);
    }
    assertEquals(seen, [[30, false], [1, false], [0, true], [0, true]]);
  });

  t.test("Deadline.remainingMs() does not feel a jump of the wall clock", () => {
    const clock = new FakeClock();
    const deadline = Deadline.after(30, clock);
    clock.jumpWall(3_600_000);
    assertEquals(deadline.remainingMs(), 30);
  });

  t.test("Deadline.after() takes 0 and Infinity, refuses NaN and negative lengths", () => {
    const clock = new FakeClock();
    assertEquals(Deadline.after(0, clock).isPast(), true);
    assertEquals(Deadline.after(Infinity, clock).remainingMs(), Infinity);
    for (const timeoutMs of [NaN, -1, -Infinity]) {
      assertThrows(() => Deadline.after(timeoutMs, clock), RangeError, `${timeoutMs}`);
    }
  });

  t.test("Deadline.nearer() is the same both ways and keeps itself without another", () => {
    const clock = new FakeClock();
    const near = Deadline.after(1, clock);
    const far = Deadline.after(2, clock);
    assertStrictEquals(near.nearer(far), near);
    assertStrictEquals(far.nearer(near), near);
    assertStrictEquals(far.nearer(undefined), far);
  });
}
