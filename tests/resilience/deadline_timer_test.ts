import { assertEquals } from "@std/assert";
import type { UndoTimer } from "../../src/resilience/clock.ts";
import { Deadline } from "../../src/resilience/deadline.ts";
import { DeadlineTimer } from "../../src/resilience/deadline_timer.ts";
import { FakeClock, settle } from "../support/fake_clock.ts";

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
  await settle();
  assertEquals([called, clock.timers], [[], 0]);
  timer.watch(after(5), () => called.push(5));
  await clock.advance(5);
  assertEquals([called, clock.timers], [[5], 0]);
});

Deno.test("DeadlineTimer.watch() takes deadlines of other clocks", async () => {
  const { clock, timer } = create();
  await clock.advance(1_000);
  const called: number[] = [];
  timer.watch(Deadline.after(20, new FakeClock()), () => called.push(clock.now()));
  timer.watch(Deadline.after(Infinity, new FakeClock()), () => called.push(clock.now()));
  await clock.advance(100);
  assertEquals([called, clock.timers], [[1_020], 0]);
});

Deno.test("F3 DeadlineTimer uses one timer for calls that overlap, and none once nobody needs it", () => {
  const { clock, after, timer } = create();
  let timers = 0;
  const setTimer = clock.setTimer.bind(clock);
  clock.setTimer = (ms, callback) => (timers++, setTimer(ms, callback));
  let undo = timer.watch(after(10), () => {});
  for (let call = 0; call < 100; call++) {
    const next = timer.watch(after(10), () => {});
    undo();
    undo = next;
  }
  assertEquals([timers, clock.timers], [1, 1]);
  undo();
  assertEquals([timers, clock.timers], [1, 0]);
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

Deno.test("DeadlineTimer.after() calls back when its time is over, beside the deadlines", async () => {
  const { clock, after, timer } = create();
  const called: string[] = [];
  timer.watch(after(20), () => called.push(`deadline ${clock.now()}`));
  timer.after(10, () => called.push(`time ${clock.now()}`));
  const undo = timer.after(5, () => called.push("undone"));
  timer.after(Infinity, () => called.push("never"));
  undo();
  undo();
  assertEquals(clock.timers, 1);
  await clock.advance(100);
  assertEquals([called, clock.timers], [["time 10", "deadline 20"], 0]);
});

Deno.test("DeadlineTimer.after() may be undone by what is called back, and undo what is due with it", async () => {
  const { clock, timer } = create();
  const called: string[] = [];
  const undos = new Map<string, () => void>();
  for (const [name, other] of [["one", "two"], ["two", "one"]] as const) {
    undos.set(
      name,
      timer.after(10, () => {
        called.push(name);
        undos.get(other)!();
        undos.get(name)!();
      }),
    );
  }
  await clock.advance(10);
  assertEquals([called, clock.timers], [["one"], 0]);
});

Deno.test("DeadlineTimer waits longer than any timer can", async () => {
  const { clock, timer } = create();
  const called: number[] = [];
  const farMs = 3 * 2 ** 31;
  timer.after(farMs, () => called.push(clock.now()));
  await clock.advance(farMs - 1);
  assertEquals([called, clock.timers], [[], 1]);
  await clock.advance(1);
  assertEquals([called, clock.timers], [[farMs], 0]);
});

Deno.test("F3 DeadlineTimer.after() of no time at all calls back in a task of its own, once", async () => {
  const { clock, timer } = create();
  const called: string[] = [];
  timer.after(0, () => {
    called.push("first");
    if (called.length < 2) timer.after(0, () => called.push("second"));
  });
  assertEquals(called, []);
  await clock.advance(0);
  assertEquals([called, clock.timers], [["first", "second"], 0]);
});

Deno.test("F3 DeadlineTimer holds no timer for what never comes, nor because of it", () => {
  const { clock, timer } = create();
  const undo = timer.after(Infinity, () => {});
  timer.after(10, () => {})();
  assertEquals(clock.timers, 0);
  undo();
});

/** A clock whose timers need not keep the process alive, and say whether they do. */
class ReleasingClock extends FakeClock {
  /** How many timers were set. */
  set = 0;
  /** Whether the newest keeps the process alive. */
  isKept = false;

  override setTimer(ms: number, callback: () => void): UndoTimer {
    this.set++;
    this.isKept = true;
    const undo: UndoTimer = super.setTimer(ms, callback);
    undo.keepAlive = (isKept) => this.isKept = isKept;
    return undo;
  }
}

Deno.test("F3 DeadlineTimer uses one timer for calls that follow each other, and holds no process by it", () => {
  const clock = new ReleasingClock();
  const timer = new DeadlineTimer(clock);
  for (let call = 0; call < 100; call++) {
    const undo = timer.after(10, () => {});
    assertEquals([clock.isKept, clock.timers], [true, 1]);
    undo();
    assertEquals([clock.isKept, clock.timers], [false, 1]);
  }
  assertEquals(clock.set, 1);
});

Deno.test("DeadlineTimer lets a timer that nobody needs run out, and calls nobody back", async () => {
  const clock = new ReleasingClock();
  const timer = new DeadlineTimer(clock);
  const called: string[] = [];
  timer.after(10, () => called.push("undone"))();
  await clock.advance(5);
  timer.after(10, () => called.push("kept"));
  await clock.advance(5);
  assertEquals([called, clock.isKept, clock.timers, clock.set], [[], true, 1, 2]);
  await clock.advance(5);
  assertEquals([called, clock.timers, clock.set], [["kept"], 0, 2]);
});

Deno.test("DeadlineTimer sets a new timer for what comes sooner than the one that is left", async () => {
  const clock = new ReleasingClock();
  const timer = new DeadlineTimer(clock);
  const called: number[] = [];
  timer.after(100, () => called.push(100))();
  timer.after(10, () => called.push(10));
  assertEquals([clock.isKept, clock.timers, clock.set], [true, 1, 2]);
  await clock.advance(200);
  assertEquals([called, clock.timers], [[10], 0]);
});

Deno.test("DeadlineTimer.close() leaves no timer, now or once nothing is watched", () => {
  const clock = new ReleasingClock();
  const idle = new DeadlineTimer(clock);
  idle.after(10, () => {})();
  idle.close();
  assertEquals(clock.timers, 0);
  const busy = new DeadlineTimer(clock);
  const undo = busy.after(10, () => {});
  busy.close();
  assertEquals([clock.isKept, clock.timers], [true, 1]);
  undo();
  assertEquals(clock.timers, 0);
});

Deno.test("DeadlineTimer keeps no timer for what undoes the rest from within its own time-out", async () => {
  const clock = new ReleasingClock();
  const timer = new DeadlineTimer(clock);
  const undo = timer.after(20, () => {});
  timer.after(10, undo);
  await clock.advance(10);
  assertEquals(clock.timers, 0);
});
