import { assert, assertEquals, assertLess, assertRejects } from "@std/assert";
import { settle } from "../support/fake_clock.ts";
import { follow, heapBytes, readAll, track } from "./support.ts";

/** An abort signal that counts who listens to it. */
function countListeners(signal: AbortSignal): () => number {
  let count = 0;
  const { addEventListener, removeEventListener } = signal;
  const listeners = new Set<unknown>();
  signal.addEventListener = (...args: Parameters<typeof addEventListener>) => {
    listeners.add(args[1]);
    count = listeners.size;
    addEventListener.apply(signal, args);
  };
  signal.removeEventListener = (...args: Parameters<typeof removeEventListener>) => {
    listeners.delete(args[1]);
    count = listeners.size;
    removeEventListener.apply(signal, args);
  };
  return () => count;
}

Deno.test("subscribe G3: delivers the first at once, then the newest of each 100 ms", async () => {
  const { clock, tracker, report } = track();
  const { seen, done } = follow(tracker.subscribe("a"));
  for (let i = 1; i <= 25; i++) {
    report(i, 100);
    await clock.advance(10);
  }
  assertEquals(seen.map(({ progress }) => progress), [1, 10, 20]);
  await clock.advance(50);
  assertEquals(seen.at(-1)?.progress, 25, "the trailing edge");
  assertEquals(clock.timers, 0);
  report(26);
  tracker.completeOperation("a", "completed");
  await done;
  assertEquals(seen.at(-1)?.progress, 26, "the last one");
});

Deno.test("subscribe G3: a reader blocked for 60 s under 1,000,000 events costs no memory and gets the last", async () => {
  const { clock, tracker, report } = track();
  const latest = tracker.subscribe("a")[Symbol.asyncIterator]();
  const log = tracker.events("a")[Symbol.asyncIterator]();
  let progress = 0;
  const flood = async (seconds: number): Promise<void> => {
    for (let i = 0; i < seconds * 10; i++) {
      for (let j = 0; j < 1_667; j++) report(++progress, 2_000_000);
      await clock.advance(100);
    }
  };
  report(++progress);
  assertEquals((await latest.next()).value?.progress, 1);
  assertEquals((await log.next()).value?.type, "progress");
  await flood(30);
  const before = heapBytes();
  await flood(30);
  assertLess(heapBytes() - before, 200_000);
  assert(progress > 1_000_000);
  tracker.completeOperation("a", "completed");
  assertEquals((await latest.next()).value?.progress, progress);
  assertEquals((await latest.next()).done, true);

  const last = tracker.getProgress("a")!.seq;
  assertEquals((await log.next()).value, { type: "gap", from: 2, to: last - 256 });
  for (let seq = last - 255; seq <= last; seq++) {
    const { value } = await log.next();
    assert(value !== undefined && value.type !== "gap");
    assertEquals(value.seq, seq);
  }
  assertEquals((await log.next()).done, true);
  assertEquals(clock.timers, 0);
});

Deno.test("events G3: keeps at most 64 KiB", async () => {
  const { clock, tracker } = track();
  for (let i = 0; i < 100; i++) {
    tracker.updateProgress("a", { progress: i, message: "m".repeat(2_000) });
    await clock.advance(100);
  }
  tracker.completeOperation("a", "completed");
  const [gap, ...events] = await readAll(tracker.events("a"));
  assertEquals(gap, { type: "gap", from: 1, to: 101 - events.length });
  assert(events.length > 50 && events.length <= 64, `${events.length} events of over 1 KiB`);
});

Deno.test("events G6: a reader that joins at any number gets all after it, once", async () => {
  const { clock, tracker, report } = track();
  for (let attempt = 1; attempt <= 3; attempt++) {
    tracker.startAttempt("a", attempt);
    for (let i = 1; i <= 4; i++) {
      report(i, 4);
      await clock.advance(100);
    }
  }
  const live = Array.from({ length: 18 }, (_, after) => follow(tracker.events("a", { after })));
  tracker.completeOperation("a", "completed");
  const all = await readAll(tracker.events("a"));
  assertEquals(all.map((event) => "seq" in event && event.seq), all.map((_, i) => i + 1));
  assertEquals(all.length, 16);
  for (const [after, { seen, done }] of live.entries()) {
    await done;
    assertEquals(seen, all.slice(after), `live after ${after}`);
    assertEquals(await readAll(tracker.events("a", { after })), all.slice(after), `after ${after}`);
  }
});

Deno.test("events G6: a reader that joins before the oldest kept event gets the exact gap", async () => {
  const { tracker } = track({ maxLogEvents: 7 });
  for (let attempt = 1; attempt <= 15; attempt++) tracker.startAttempt("a", attempt);
  tracker.completeOperation("a", "completed");
  for (let after = 0; after <= 16; after++) {
    const events = await readAll(tracker.events("a", { after }));
    const expected: unknown[] = after < 9 ? [{ type: "gap", from: after + 1, to: 9 }] : [];
    for (let seq = Math.max(after + 1, 10); seq <= 16; seq++) expected.push(seq);
    assertEquals(events.map((event) => "seq" in event ? event.seq : event), expected);
  }
});

Deno.test("getProgress G6: a snapshot and the events after it make the whole", async () => {
  const { clock, tracker, report } = track();
  report(1, 10);
  report(2, 10);
  const snapshot = tracker.getProgress("a")!;
  const { seen, done } = follow(tracker.events("a", { after: snapshot.seq }));
  report(3, 10);
  await clock.advance(100);
  report(4, 10);
  tracker.completeOperation("a", "completed");
  await done;
  assertEquals(seen.map((event) => "seq" in event ? event.seq : event), [2, 3, 4]);
  assertEquals(
    seen.flatMap((event) => event.type === "progress" ? [event.progress] : []),
    [3, 4],
  );
});

Deno.test("subscribe G7: 20,000 events in a second make at most 11 deliveries per reader", async () => {
  const { clock, tracker, report } = track();
  const latest = follow(tracker.subscribe("a"));
  const log = follow(tracker.events("a"));
  for (let i = 1; i <= 20_000; i++) {
    report(i, 20_000);
    if (i % 20 === 0) await clock.advance(1);
  }
  tracker.completeOperation("a", "completed");
  await Promise.all([latest.done, log.done]);
  assertEquals(latest.seen.length, 11);
  assertEquals(log.seen.length, 12);
  assertEquals(latest.seen.at(-1)?.progress, 20_000);
});

Deno.test("updateProgress G7: conflates without dropping what is newest", async () => {
  const dropped: string[] = [];
  const { clock, report } = track({ onDropped: (_id, reason) => dropped.push(reason) });
  for (let i = 1; i <= 5_000; i++) {
    report(i);
    if (i % 10 === 0) await clock.advance(10);
  }
  assertEquals(dropped, []);
});

Deno.test("events publishes a report once, also before its turn while somebody waits for later events", async () => {
  const { clock, tracker, report } = track();
  const { seen, done } = follow(tracker.events("a", { after: 3 }));
  report(1);
  report(2);
  await clock.advance(0);
  assertEquals(clock.timers, 1);
  tracker.startAttempt("a", 2);
  assertEquals(clock.timers, 0);
  await clock.advance(1_000);
  tracker.completeOperation("a", "completed");
  await done;
  assertEquals(seen.map(({ type }) => type), ["completed"]);
  const events = await readAll(tracker.events("a"));
  assertEquals(events.map(({ type }) => type), ["progress", "progress", "attempt", "completed"]);
});

Deno.test("updateProgress G7: sets no timer while nobody waits", async () => {
  const { clock, tracker, report } = track();
  const reader = tracker.subscribe("a")[Symbol.asyncIterator]();
  for (let i = 1; i <= 100; i++) report(i);
  assertEquals(clock.timers, 0);
  await reader.next();
  assertEquals(clock.timers, 0, "a reader that works does not wait");
  const next = reader.next();
  assertEquals([clock.timers, clock.nextTimerMs], [1, 100]);
  await clock.advance(100);
  assertEquals((await next).value?.progress, 100);
  assertEquals(clock.timers, 0);
});

Deno.test("subscribe lets several readers share one timer", async () => {
  const { clock, tracker, report } = track();
  report(1);
  report(2);
  const readers = Array.from({ length: 5 }, () => follow(tracker.subscribe("a")));
  await settle();
  assertEquals(clock.timers, 1);
  await clock.advance(100);
  assertEquals(clock.timers, 0);
  for (const { seen } of readers) assertEquals(seen.map(({ progress }) => progress), [1, 2]);
  tracker.completeOperation("a", "completed");
  await Promise.all(readers.map(({ done }) => done));
});

Deno.test("subscribe leaves nothing behind after break, return or a plain loss", async () => {
  const { clock, tracker, report } = track();
  const controller = new AbortController();
  const { signal } = controller;
  const listeners = countListeners(signal);
  report(1);
  report(2);
  for await (const _ of tracker.subscribe("a", { signal })) break;
  assertEquals([clock.timers, listeners()], [0, 0]);

  const reader = tracker.subscribe("a", { signal })[Symbol.asyncIterator]();
  await reader.next();
  const waiting = reader.next();
  assertEquals([clock.timers, listeners()], [1, 1]);
  assertEquals(await reader.return!(), { done: true, value: undefined });
  assertEquals(await waiting, { done: true, value: undefined });
  assertEquals(await reader.next(), { done: true, value: undefined });
  assertEquals([clock.timers, listeners()], [0, 0]);

  await tracker.events("a", { signal })[Symbol.asyncIterator]().next();
  assertEquals([clock.timers, listeners()], [0, 0]);
});

Deno.test("subscribe rejects with the reason of its signal before, during and after a wait", async () => {
  const { clock, tracker, report } = track();
  const reason = new Error("enough");
  const isReason = async (promise: Promise<unknown>): Promise<void> => {
    assertEquals(await assertRejects(() => promise), reason);
  };
  report(1);
  const before = tracker.subscribe("a", { signal: AbortSignal.abort(reason) });
  await isReason(before[Symbol.asyncIterator]().next());

  const controller = new AbortController();
  const listeners = countListeners(controller.signal);
  const during = tracker.subscribe("a", { signal: controller.signal })[Symbol.asyncIterator]();
  await during.next();
  report(2);
  const [first, second] = [during.next(), during.next()];
  assertEquals([clock.timers, listeners()], [1, 1]);
  controller.abort(reason);
  await isReason(first);
  assertEquals((await second).done, true);
  assertEquals([clock.timers, listeners()], [0, 0]);
  assertEquals((await during.next()).done, true);

  const later = new AbortController();
  const ended = follow(tracker.events("a", { signal: later.signal }));
  tracker.completeOperation("a", "completed");
  await ended.done;
  later.abort(reason);
  assertEquals(ended.seen.at(-1)?.type, "completed");
});

Deno.test("events answers calls of next in their order", async () => {
  const { tracker } = track();
  const reader = tracker.events("a")[Symbol.asyncIterator]();
  const results = [reader.next(), reader.next(), reader.next()];
  tracker.startAttempt("a", 1);
  tracker.completeOperation("a", "failed");
  assertEquals(
    (await Promise.all(results)).map(({ value }) => value?.type),
    ["attempt", "failed", undefined],
  );
});

Deno.test("subscribe gives a reader that joins late the newest alone", async () => {
  const { clock, tracker, report } = track();
  report(1);
  report(2);
  await clock.advance(100);
  const { seen, done } = follow(tracker.subscribe("a"));
  await settle();
  assertEquals(seen.map(({ progress }) => progress), [2]);
  tracker.completeOperation("a", "completed");
  await done;
});

Deno.test("subscribe gives a reader after the end the last snapshot", async () => {
  const { tracker, report } = track();
  report(1);
  report(2);
  const iterable = tracker.subscribe("a");
  tracker.completeOperation("a", "outcome_unknown");
  for (let i = 0; i < 2; i++) {
    assertEquals((await readAll(iterable)).map(({ progress }) => progress), [2]);
  }
});

Deno.test("subscribe ends for an execution that never reported", async () => {
  const { tracker } = track();
  const { seen, done } = follow(tracker.subscribe("a"));
  tracker.startAttempt("a", 1);
  await settle();
  tracker.completeOperation("a", "failed");
  await done;
  assertEquals(seen, []);
});
