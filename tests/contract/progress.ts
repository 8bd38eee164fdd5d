import { assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import type { ExecutionEvent } from "../../src/progress/events.ts";
import { ProgressTracker } from "../../src/progress/tracker.ts";
import { FakeClock, settle } from "../support/fake_clock.ts";
import type { Kit } from "../support/kit.ts";

/** Reads to the end. */
async function collect<T>(source: AsyncIterable<T>): Promise<T[]> {
  const seen: T[] = [];
  for await (const value of source) seen.push(value);
  return seen;
}

/** A tracker with one running execution, on a fake clock. */
function start(): { clock: FakeClock; tracker: ProgressTracker } {
  const clock = new FakeClock();
  const tracker = new ProgressTracker({ clock });
  tracker.startOperation("e");
  return { clock, tracker };
}

export default function (t: Kit): void {
  t.test("ProgressTracker G2 drops what goes back, repeats itself or is no number", async () => {
    const { clock, tracker } = start();
    const reading = collect(tracker.subscribe("e"));
    for (const progress of [5, 3, 3, 8, 8, 2, NaN, Infinity, 10]) {
      tracker.updateProgress("e", { progress, total: 10 });
      await clock.advance(100);
    }
    tracker.completeOperation("e", "completed");
    const snapshots = await reading;
    assertEquals(snapshots.map(({ progress, fraction }) => [progress, fraction]), [
      [5, 0.5],
      [8, 0.8],
      [10, 1],
    ]);
  });

  t.test("ProgressTracker G2 never divides by zero and never passes 1", () => {
    const { tracker } = start();
    for (const [progress, total, fraction] of [[1, 0, undefined], [2, -1, undefined], [9, 3, 1]]) {
      tracker.updateProgress("e", { progress: progress!, total: total! });
      assertEquals(tracker.getProgress("e")?.fraction, fraction);
    }
  });

  t.test("ProgressTracker G2 starts a new attempt at 0 without going back in public", () => {
    const { tracker } = start();
    tracker.startAttempt("e", 1);
    tracker.updateProgress("e", { progress: 8, total: 10 });
    tracker.startAttempt("e", 2, { reason: "connection_lost", waitMs: 50 });
    tracker.updateProgress("e", { progress: 1, total: 10 });
    const { attempt, progress, fraction } = tracker.getProgress("e")!;
    assertEquals([attempt, progress, fraction], [2, 1, 0.8]);
  });

  t.test("ProgressTracker G3 gives at most ten a second, the newest and always the last", async () => {
    const { clock, tracker } = start();
    const reading = collect(tracker.subscribe("e"));
    for (let step = 1; step <= 1_000; step++) {
      tracker.updateProgress("e", { progress: step });
      await clock.advance(1);
    }
    tracker.completeOperation("e", "completed");
    const seen = await reading;
    assertEquals(seen.length <= 11, true);
    assertEquals(seen.at(-1)?.progress, 1_000);
    assertEquals(clock.timers, 0);
  });

  t.test("ProgressTracker G5 has one last event, and nothing after it", async () => {
    for (const outcome of ["completed", "failed", "outcome_unknown", "cancelled"] as const) {
      const { tracker } = start();
      tracker.updateProgress("e", { progress: 1 });
      tracker.completeOperation("e", outcome);
      tracker.updateProgress("e", { progress: 2 });
      assertThrows(() => tracker.completeOperation("e", outcome), TypeError);
      const events = await collect(tracker.events("e"));
      assertEquals(events.map(({ type }) => type), ["progress", outcome]);
      assertEquals(events.map((event) => "seq" in event && event.seq), [1, 2]);
    }
  });

  t.test("ProgressTracker G6 gives a reader that joins at any point the rest, none twice", async () => {
    const { clock, tracker } = start();
    for (let step = 1; step <= 5; step++) {
      tracker.updateProgress("e", { progress: step });
      await clock.advance(100);
    }
    const late = Array.from({ length: 7 }, (_, after) => collect(tracker.events("e", { after })));
    await settle();
    tracker.completeOperation("e", "completed");
    const all = (await Promise.all(late)).map((events) =>
      events.map((event: ExecutionEvent) => "seq" in event ? event.seq : 0)
    );
    const expected = [1, 2, 3, 4, 5, 6];
    assertEquals(all, Array.from({ length: 7 }, (_, after) => expected.slice(after)));
  });

  t.test("ProgressTracker.subscribe() ends a waiting reader with the reason of its signal", async () => {
    const { clock, tracker } = start();
    const controller = new AbortController();
    const reading = collect(tracker.subscribe("e", { signal: controller.signal }));
    const caught = reading.catch((reason) => reason);
    await settle();
    const reason = { no: "error" };
    controller.abort(reason);
    assertStrictEquals(await caught, reason);
    tracker.completeOperation("e", "completed");
    assertEquals(clock.timers, 0);
  });

  t.test("ProgressTracker G1 forgets an execution a minute after its end", async () => {
    const { clock, tracker } = start();
    tracker.updateProgress("e", { progress: 1 });
    tracker.completeOperation("e", "completed");
    assertEquals(tracker.getProgress("e")?.progress, 1);
    await clock.advance(60_001);
    assertEquals(tracker.getProgress("e"), undefined);
  });

  t.test("ProgressTracker gives two executions nothing of each other", () => {
    const { tracker } = start();
    tracker.startOperation("f");
    tracker.updateProgress("e", { progress: 7 });
    tracker.updateProgress("f", { progress: 1 });
    assertEquals([tracker.getProgress("e")?.progress, tracker.getProgress("f")?.progress], [7, 1]);
    assertThrows(() => tracker.startOperation("e"), TypeError);
  });
}
