/**
 * What one progress report costs, and what an execution costs whose progress nobody reads.
 * On the runtime's own clock, since reading it is part of the cost.
 */
import { ProgressTracker } from "../src/progress/tracker.ts";

const REPORTS = 1_000;

async function drain(iterable: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of iterable);
}

for (const readers of [0, 1, 10]) {
  Deno.bench(`updateProgress: ${REPORTS} reports in a burst, ${readers} readers`, {
    group: "burst",
    baseline: readers === 0,
  }, async (b) => {
    const tracker = new ProgressTracker();
    tracker.startOperation("a");
    const reading = Array.from({ length: readers }, () => drain(tracker.subscribe("a")));
    b.start();
    for (let i = 1; i <= REPORTS; i++) tracker.updateProgress("a", { progress: i, total: REPORTS });
    b.end();
    tracker.completeOperation("a", "completed");
    await Promise.all(reading);
  });
}

for (const readers of [0, 1, 10]) {
  // The first report of an execution is published at once: numbered, logged and told.
  Deno.bench(`updateProgress: one report that is published, ${readers} readers`, {
    group: "published",
    baseline: readers === 0,
  }, async (b) => {
    const tracker = new ProgressTracker();
    tracker.startOperation("a");
    const reading = Array.from({ length: readers }, () => drain(tracker.subscribe("a")));
    await Promise.resolve();
    b.start();
    tracker.updateProgress("a", { progress: 1, total: 2, message: "half" });
    b.end();
    tracker.completeOperation("a", "completed");
    await Promise.all(reading);
  });
}

const tracker = new ProgressTracker();
let executions = 0;

for (const reports of [0, 2]) {
  Deno.bench(`an execution that nobody reads, ${reports} reports`, { group: "execution" }, () => {
    const id = `execution ${executions++}`;
    tracker.startOperation(id);
    tracker.startAttempt(id, 1);
    for (let i = 1; i <= reports; i++) tracker.updateProgress(id, { progress: i, total: reports });
    tracker.completeOperation(id, "completed");
  });
}
