import { assert, assertEquals, assertLess, assertThrows } from "@std/assert";
import type { ExecutionOutcome } from "../../src/progress/events.ts";
import { ProgressTracker } from "../../src/progress/tracker.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { follow, heapBytes, readAll, track } from "./support.ts";

Deno.test("ProgressTracker G1: knows an execution for 60 s after its end", async () => {
  const { clock, tracker, report } = track();
  report(4, 8);
  tracker.completeOperation("a", "completed");
  await clock.advance(59_999);
  assertEquals(tracker.getProgress("a")?.fraction, 0.5);
  assertEquals((await readAll(tracker.events("a"))).length, 2);
  await clock.advance(1);
  assertEquals(tracker.getProgress("a"), undefined);
  assertEquals(await readAll(tracker.events("a")), []);
  assertEquals(await readAll(tracker.subscribe("a")), []);
  assertEquals(clock.timers, 0);
});

Deno.test("ProgressTracker G1: knows the 1,000 executions that ended last", () => {
  const { tracker } = track();
  for (let i = 0; i <= 1_000; i++) {
    tracker.startOperation(`e${i}`);
    tracker.completeOperation(`e${i}`, "completed");
  }
  assertEquals(tracker.getProgress("e0"), undefined);
  assert(tracker.getProgress("e1") !== undefined);
  assert(tracker.getProgress("a") !== undefined, "a running one stays");
});

Deno.test("ProgressTracker G1: keeps the heap flat over 1,000,000 executions", () => {
  const tracker = new ProgressTracker({ clock: new FakeClock() });
  const run = (from: number, to: number): void => {
    for (let i = from; i < to; i++) {
      tracker.startOperation(`e${i}`);
      tracker.startAttempt(`e${i}`, 1);
      tracker.updateProgress(`e${i}`, { progress: 1, total: 2 });
      tracker.completeOperation(`e${i}`, "completed");
    }
  };
  run(0, 100_000);
  const before = heapBytes();
  run(100_000, 1_000_000);
  assertLess(heapBytes() - before, 900_000, "one byte per execution is a leak");
});

Deno.test("ProgressTracker G1: an iterable outlives the memory of the tracker", async () => {
  const { clock, tracker, report } = track();
  const events = tracker.events("a");
  report(1);
  tracker.completeOperation("a", "failed");
  await clock.advance(3_600_000);
  assertEquals(tracker.getProgress("a"), undefined);
  for (let i = 0; i < 2; i++) {
    assertEquals((await readAll(events)).map(({ type }) => type), ["progress", "failed"]);
  }
});

Deno.test("ProgressTracker G1: an id that has ended can start anew", async () => {
  const { tracker, report } = track();
  report(9);
  tracker.completeOperation("a", "cancelled");
  tracker.startOperation("a");
  assertEquals(tracker.getProgress("a")?.progress, 0);
  tracker.completeOperation("a", "completed");
  assertEquals((await readAll(tracker.events("a"))).map(({ type }) => type), ["completed"]);
});

Deno.test("ProgressTracker G1: an id that ends twice counts from its second end", async () => {
  const { clock, tracker } = track();
  tracker.completeOperation("a", "failed");
  await clock.advance(30_000);
  tracker.startOperation("b");
  tracker.completeOperation("b", "completed");
  tracker.startOperation("a");
  await clock.advance(20_000);
  tracker.completeOperation("a", "completed");
  await clock.advance(45_000);
  assertEquals(tracker.getProgress("b"), undefined);
  assert(tracker.getProgress("a") !== undefined);
});

Deno.test("ProgressTracker G2: drops what does not grow", async () => {
  const dropped: unknown[] = [];
  const { clock, tracker } = track({ onDropped: (...args) => dropped.push(args) });
  const { seen, done } = follow(tracker.subscribe("a"));
  for (const progress of [5, 3, 3, 8, 8, 2, 10, NaN, Infinity, -Infinity]) {
    tracker.updateProgress("a", { progress });
    await clock.advance(100);
  }
  tracker.completeOperation("a", "completed");
  await done;
  assertEquals(seen.map(({ progress }) => progress), [5, 8, 10]);
  assertEquals(dropped, [["a", "regress", 3], ["a", "duplicate", 1], ["a", "not_finite", 3]]);
});

Deno.test("ProgressTracker G2: takes a first report of 0 and no value below it", () => {
  const { tracker, report } = track();
  report(-1, 100);
  assertEquals(tracker.getProgress("a")?.total, undefined);
  report(0, 100);
  assertEquals(tracker.getProgress("a")?.fraction, 0);
});

Deno.test("ProgressTracker G2: makes a fraction only of a total above 0", async () => {
  const { tracker } = track();
  const cases = [
    [0, undefined],
    [-5, undefined],
    [NaN, undefined],
    [Infinity, undefined],
    [
      undefined,
      undefined,
    ],
    [10, 0.6],
    [3, 1],
  ] as const;
  let progress = 0;
  for (const [total, fraction] of cases) {
    progress += 1;
    const id = `total ${total}`;
    tracker.startOperation(id);
    tracker.updateProgress(id, { progress, ...(total !== undefined && { total }) });
    assertEquals(tracker.getProgress(id)?.fraction, fraction, id);
    tracker.completeOperation(id, "completed");
    assertEquals(
      (await readAll(tracker.subscribe(id)))[0]?.fraction,
      fraction,
      id,
    );
  }
});

Deno.test("ProgressTracker G2: a new attempt starts at 0 and its fraction does not go back", async () => {
  for (const allowRegress of [false, true]) {
    const { clock, tracker, report } = track({ allowRegress });
    const { seen, done } = follow(tracker.events("a"));
    tracker.startAttempt("a", 1);
    report(60, 100);
    tracker.startAttempt("a", 2, { reason: "connection_lost", waitMs: 250 });
    assertEquals(tracker.getProgress("a")?.progress, 0);
    await clock.advance(100);
    report(10, 100);
    await clock.advance(100);
    report(70, 100);
    tracker.completeOperation("a", "completed");
    await done;
    const [first, , second] = seen;
    assertEquals(first, { type: "attempt", seq: 1, attempt: 1, atMs: clock.wall() - 200 });
    assertEquals(second, {
      type: "attempt",
      seq: 3,
      attempt: 2,
      reason: "connection_lost",
      waitMs: 250,
      atMs: clock.wall() - 200,
    });
    const progress = seen.filter((event) => event.type === "progress");
    assertEquals(progress.map((event) => [event.attempt, event.progress]), [
      [1, 60],
      [2, 10],
      [2, 70],
    ]);
    assertEquals(
      progress.map(({ fraction }) => fraction),
      allowRegress ? [0.6, 0.1, 0.7] : [0.6, 0.6, 0.7],
    );
  }
});

Deno.test("ProgressTracker G2: a growing total does not take the fraction back", () => {
  const { tracker, report } = track();
  report(5, 10);
  report(6, 100);
  assertEquals(tracker.getProgress("a")?.fraction, 0.5);
});

Deno.test("ProgressTracker G2: drops reports of another attempt than the running one", () => {
  const dropped: unknown[] = [];
  const { tracker } = track({ onDropped: (...args) => dropped.push(args) });
  tracker.startAttempt("a", 2);
  tracker.updateProgress("a", { progress: 9 }, 1);
  tracker.updateProgress("a", { progress: 4 }, 2);
  assertEquals(tracker.getProgress("a")?.progress, 4);
  assertEquals(dropped, []);
  tracker.completeOperation("a", "completed");
  assertEquals(dropped, [["a", "late", 1]]);
});

Deno.test("ProgressTracker G5: ends with exactly one last event of each outcome", async () => {
  const outcomes: ExecutionOutcome[] = ["completed", "failed", "outcome_unknown", "cancelled"];
  for (const outcome of outcomes) {
    const { clock, tracker, report } = track();
    report(1);
    tracker.completeOperation("a", outcome);
    assertThrows(() => tracker.completeOperation("a", "failed"), TypeError);
    report(2);
    const events = await readAll(tracker.events("a"));
    assertEquals(events.map(({ type }) => type), ["progress", outcome]);
    assertEquals(events.at(-1), { type: outcome, seq: 2, atMs: clock.wall() });
  }
});

Deno.test("ProgressTracker G5: progress in one chunk with the result comes before the last event", async () => {
  const { tracker, report } = track();
  const log = follow(tracker.events("a"));
  const latest = follow(tracker.subscribe("a"));
  report(1, 2);
  report(2, 2);
  tracker.completeOperation("a", "completed");
  await Promise.all([log.done, latest.done]);
  assertEquals(
    log.seen.map((event) => event.type === "progress" ? event.progress : event.type),
    [1, 2, "completed"],
  );
  assertEquals(latest.seen.at(-1)?.fraction, 1);
});

Deno.test("ProgressTracker G5: counts and drops progress after the result", async () => {
  const dropped: unknown[] = [];
  const { clock, tracker, report } = track({ onDropped: (...args) => dropped.push(args) });
  tracker.completeOperation("a", "completed");
  for (let i = 1; i <= 2; i++) report(i);
  tracker.updateProgress("never started", { progress: 1 });
  await clock.advance(60_000);
  report(6);
  assertEquals(dropped, [
    ["a", "late", 1],
    ["a", "late", 1],
    ["never started", "late", 1],
    ["a", "late", 1],
  ]);
});

Deno.test("ProgressTracker tells the number of dropped reports once, at the end", () => {
  const counts: number[] = [];
  const { tracker, report } = track({ onDropped: (_id, _reason, count) => counts.push(count) });
  for (let i = 0; i < 8; i++) report(1);
  assertEquals(counts, []);
  tracker.completeOperation("a", "completed");
  assertEquals(counts, [7]);
});

Deno.test("ProgressTracker lets a listener call back", () => {
  const { tracker, report, clock } = track({
    onDropped: (id) => tracker.startOperation(id),
  });
  report(1);
  report(1);
  tracker.completeOperation("a", "completed");
  assertEquals(tracker.getProgress("a")?.seq, 0, "it runs again");
  assertEquals(clock.timers, 0);
});

Deno.test("ProgressTracker cuts messages at 1 KiB of UTF-8, between characters", async () => {
  const { clock, tracker } = track();
  const messages = [
    "m".repeat(1_024),
    "m".repeat(1_025),
    "€".repeat(5_000),
    `\uFEFF${"m".repeat(2_000)}`,
  ];
  for (const [i, message] of messages.entries()) {
    tracker.updateProgress("a", { progress: i, message });
    await clock.advance(100);
  }
  tracker.completeOperation("a", "completed");
  const seen = (await readAll(tracker.events("a"))).flatMap((event) =>
    event.type === "progress" ? [event.message] : []
  );
  assertEquals(seen, [
    "m".repeat(1_024),
    "m".repeat(1_024),
    "€".repeat(341),
    `\uFEFF${"m".repeat(1_021)}`,
  ]);
});

Deno.test("ProgressTracker takes no value of a foreign type", () => {
  const { tracker } = track();
  const foreign: unknown[] = [
    { progress: "7", total: 9 },
    { progress: 1n },
    { progress: null },
    { progress: 1, total: "9", message: { text: "x" } },
  ];
  for (const report of foreign) tracker.updateProgress("a", report as { progress: number });
  const { seq, atMs: _, ...snapshot } = tracker.getProgress("a")!;
  assertEquals([seq, snapshot], [1, { attempt: 1, progress: 1 }]);
});

Deno.test("ProgressTracker getProgress tells the newest report under the newest event's number", async () => {
  const { clock, tracker, report } = track();
  assertEquals(tracker.getProgress("a"), { seq: 0, attempt: 1, progress: 0, atMs: clock.wall() });
  report(1);
  report(2);
  assertEquals([tracker.getProgress("a")?.seq, tracker.getProgress("a")?.progress], [1, 2]);
  await clock.advance(100);
  assertEquals([tracker.getProgress("a")?.seq, tracker.getProgress("a")?.progress], [2, 2]);
  tracker.completeOperation("a", "completed");
  assertEquals([tracker.getProgress("a")?.seq, tracker.getProgress("a")?.progress], [3, 2]);
});

Deno.test("ProgressTracker makes plain data", async () => {
  const { clock, tracker, report } = track();
  tracker.startAttempt("a", 1);
  for (let i = 1; i < 20; i++) {
    report(i, 20);
    await clock.advance(100);
  }
  const snapshot = tracker.getProgress("a")!;
  assert(snapshot.etaMs !== undefined);
  assertEquals(structuredClone(snapshot), snapshot);
  tracker.completeOperation("a", "completed");
  const events = await readAll(tracker.events("a"));
  assertEquals(JSON.parse(JSON.stringify(events)), events);
});

Deno.test("ProgressTracker refuses misuse", () => {
  const { tracker } = track();
  assertThrows(() => tracker.startOperation("a"), TypeError, "current value is a");
  assertThrows(() => tracker.startAttempt("b", 1), TypeError, "current value is b");
  assertThrows(() => tracker.completeOperation("b", "failed"), TypeError, "current value is b");
  for (const attempt of [0, 1.5, NaN]) {
    assertThrows(() => tracker.startAttempt("a", attempt), RangeError, `is ${attempt}`);
  }
  tracker.startAttempt("a", 2);
  assertThrows(() => tracker.startAttempt("a", 2), RangeError, "an integer >= 3");
  for (const after of [-1, 0.5, NaN]) {
    assertThrows(() => tracker.events("a", { after }), RangeError, `is ${after}`);
  }
});

Deno.test("ProgressTracker checks its options", () => {
  const clock = new FakeClock();
  for (const [name, min] of [["maxEnded", 0], ["maxLogEvents", 1], ["maxLogBytes", 1]] as const) {
    for (const value of [min - 1, min + 0.5, NaN]) {
      assertThrows(() => new ProgressTracker({ clock, [name]: value }), RangeError, name);
    }
    new ProgressTracker({ clock, [name]: min });
  }
  for (const endedTtlMs of [-1, NaN]) {
    assertThrows(() => new ProgressTracker({ clock, endedTtlMs }), RangeError, "endedTtlMs");
  }
  assertThrows(
    () => new ProgressTracker({ ["maxEvents" as "maxEnded"]: 5 }),
    TypeError,
    "'maxEvents' is no known option; did you mean 'maxLogEvents'?",
  );
});

Deno.test("ProgressTracker forgets at the extremes of its options as they say", async () => {
  const clock = new FakeClock();
  const run = (options: { endedTtlMs?: number; maxEnded?: number }): ProgressTracker => {
    const tracker = new ProgressTracker({ clock, ...options });
    tracker.startOperation("a");
    tracker.completeOperation("a", "completed");
    return tracker;
  };
  assertEquals(run({ endedTtlMs: 0 }).getProgress("a"), undefined);
  assertEquals(run({ maxEnded: 0 }).getProgress("a"), undefined);
  const forever = run({ endedTtlMs: Infinity });
  await clock.advance(1e12);
  assert(forever.getProgress("a") !== undefined);
});
