import { assertEquals } from "@std/assert";
import { Deadline } from "../../src/resilience/deadline.ts";
import { DeadlineTimer } from "../../src/resilience/deadline_timer.ts";
import { FakeClock } from "../support/fake_clock.ts";

function create() {
  const clock = new FakeClock();
  const after = (ms: number): Deadline => Deadline.after(ms, clock);
  return { clock, after, timer: new DeadlineTimer(clock) };
}

Deno.test("DeadlineTimer.watch() calls back at each deadline, with one timer", async () => {
  const { clock, after, timer } = create();
  const called: string[] = [];
  timer.watch(after(30), () => called.push(`late ${clock.now()}`));
  timer.watch(after(10), () => called.push(`soon ${clock.now()}`));
  timer.watch(after(20), () => called.push(`then ${clock.now()}`));
  timer.watch(after(Infinity), () => called.push("never"));
  assertEquals(clock.timers, 1);
  await clock.advance(60);
  assertEquals(called, ["soon 10", "then 20", "late 30"]);
  assertEquals(clock.timers, 0);
});

Deno.test("DeadlineTimer.watch() is undone, and leaves no timer behind", async () => {
  const { clock, after, timer } = create();
  const called: number[] = [];
  const undo = [10, 20].map((ms) => timer.watch(after(ms), () => called.push(ms)));
  undo[0]?.();
  assertEquals(clock.timers, 1);
  await clock.advance(15);
  undo[1]?.();
  undo[1]?.();
  assertEquals([called, clock.timers], [[], 0]);
  timer.watch(after(5), () => called.push(5));
  await clock.advance(5);
  assertEquals([called, clock.timers], [[5], 0]);
});

Deno.test("DeadlineTimer.watch() may be called by what it calls back", async () => {
  const { clock, after, timer } = create();
  const called: number[] = [];
  timer.watch(after(10), () => {
    timer.watch(after(10), () => called.push(clock.now()));
  });
  timer.watch(after(40), () => called.push(clock.now()));
  await clock.advance(50);
  assertEquals([called, clock.timers], [[20, 40], 0]);
});
