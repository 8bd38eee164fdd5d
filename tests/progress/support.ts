import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import type { ProgressTrackerOptions } from "../../src/progress/options.ts";
import { ProgressTracker } from "../../src/progress/tracker.ts";
import { FakeClock } from "../support/fake_clock.ts";

/** Returns a tracker on a fake clock that tracks execution "a". */
export function track(options: ProgressTrackerOptions = {}): {
  clock: FakeClock;
  tracker: ProgressTracker;
  report: (progress: number, total?: number) => void;
} {
  const clock = new FakeClock();
  const tracker = new ProgressTracker({ clock, ...options });
  tracker.startOperation("a");
  const report = (progress: number, total?: number): void =>
    tracker.updateProgress("a", { progress, ...(total !== undefined && { total }) });
  return { clock, tracker, report };
}

/** Reads all that comes, as fast as it comes. */
export function follow<T>(iterable: AsyncIterable<T>): { seen: T[]; done: Promise<void> } {
  const seen: T[] = [];
  const done = (async () => {
    for await (const value of iterable) seen.push(value);
  })();
  return { seen, done };
}

/** Reads an iterable to its end. */
export async function readAll<T>(iterable: AsyncIterable<T>): Promise<T[]> {
  const { seen, done } = follow(iterable);
  await done;
  return seen;
}

/** Returns the size of what is alive on the heap. */
export function heapBytes(): number {
  setFlagsFromString("--expose-gc");
  runInNewContext("gc")();
  return Deno.memoryUsage().heapUsed;
}
