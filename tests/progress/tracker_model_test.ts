import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import type { ExecutionEvent } from "../../src/progress/events.ts";
import type { ProgressTrackerOptions } from "../../src/progress/options.ts";
import { ProgressTracker } from "../../src/progress/tracker.ts";
import { QuickClock } from "../resilience/support.ts";
import { runs } from "../support/runs.ts";
import { follow, readAll } from "./support.ts";

type Step =
  | { readonly type: "wait"; readonly ms: number }
  | { readonly type: "report"; readonly progress: number; readonly age: number }
  | { readonly type: "attempt" }
  | { readonly type: "end" };

/** Reports by how far they go; most go on, so that a run gets somewhere. */
const report = fc.record({
  type: fc.constant("report" as const),
  progress: fc.constantFrom(1, 1, 1, 2, 2, 5, 0, -3, NaN, Infinity, -Infinity),
  age: fc.constantFrom(0, 0, 0, 0, 0, 0, 1),
});
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: report },
  {
    weight: 4,
    arbitrary: fc.record({
      type: fc.constant("wait" as const),
      ms: fc.constantFrom(1, 30, 60, 99, 100, 101, 350),
    }),
  },
  { weight: 1, arbitrary: fc.constant<Step>({ type: "attempt" }) },
);

/** A whole execution, and what comes after its end. */
const steps: fc.Arbitrary<Step[]> = fc
  .tuple(fc.array(step, { size: "large", maxLength: 60 }), fc.array(report, { maxLength: 5 }))
  .map(([before, after]) => {
    let position = 0;
    const place = (step: Step): Step => {
      if (step.type === "attempt") position = 0;
      if (step.type !== "report") return step;
      const progress = position + step.progress;
      if (progress > position && Number.isFinite(progress)) position = progress;
      return { ...step, progress };
    };
    return [...before, { type: "end" } as const, ...after].map(place);
  });

/** Just below 0, the least that a first report can say. */
const NONE = -Number.MIN_VALUE;

/** The naive model: looks at the clock every millisecond and says what the log must hold. */
function expectedLog(run: readonly Step[]): string[] {
  const log: string[] = [];
  let [nowMs, turnMs, attempt, last, ended] = [0, 0, 1, NONE, false];
  let unpublished: number | undefined;
  const publish = (): void => {
    if (unpublished === undefined) return;
    log.push(`${attempt}: ${unpublished}`);
    unpublished = undefined;
    turnMs = nowMs + 100;
  };
  for (const step of run) {
    if (step.type === "wait") {
      for (let i = 0; i < step.ms; i++) if (++nowMs >= turnMs) publish();
    } else if (step.type === "attempt") {
      publish();
      [attempt, last] = [attempt + 1, NONE];
      log.push(`attempt ${attempt}`);
    } else if (step.type === "end") {
      publish();
      log.push("completed");
      ended = true;
    } else if (!ended && step.age === 0 && Number.isFinite(step.progress) && step.progress > last) {
      last = unpublished = step.progress;
      if (nowMs >= turnMs) publish();
    }
  }
  return log;
}

function show(event: ExecutionEvent): string {
  if (event.type === "progress") return `${event.attempt}: ${event.progress}`;
  return event.type === "attempt" ? `attempt ${event.attempt}` : event.type;
}

/** A tracker of execution "a" on a clock that is quick enough for thousands of runs. */
function track(options: ProgressTrackerOptions = {}): {
  clock: QuickClock;
  tracker: ProgressTracker;
} {
  const clock = new QuickClock();
  const tracker = new ProgressTracker({ clock, ...options });
  tracker.startOperation("a");
  return { clock, tracker };
}

/** Runs the steps, calling back before each. */
async function execute(
  run: readonly Step[],
  tracker: ProgressTracker,
  clock: QuickClock,
  before: (index: number) => void = () => {},
): Promise<void> {
  let attempt = 1;
  for (const [index, step] of run.entries()) {
    before(index);
    if (step.type === "wait") await clock.advance(step.ms);
    else if (step.type === "attempt") tracker.startAttempt("a", ++attempt);
    else if (step.type === "end") tracker.completeOperation("a", "completed");
    else tracker.updateProgress("a", { progress: step.progress, total: 50 }, attempt - step.age);
  }
}

Deno.test("ProgressTracker logs what the model says, whether somebody waits or not", async () => {
  await fc.assert(
    fc.asyncProperty(steps, fc.boolean(), async (run, isRead) => {
      const { clock, tracker } = track();
      const readers = isRead ? [follow(tracker.events("a")), follow(tracker.subscribe("a"))] : [];
      await execute(run, tracker, clock);
      await Promise.all(readers.map(({ done }) => done));
      const events = await readAll(tracker.events("a"));
      assertEquals(events.map(show), expectedLog(run));
      assertEquals(events.map((event) => "seq" in event && event.seq), events.map((_, i) => i + 1));
      assertEquals(clock.timers, 0);
    }),
    { numRuns: runs(10_000) },
  );
});

Deno.test("ProgressTracker shows every live reader a growing, bounded part that ends with the last", async () => {
  await fc.assert(
    fc.asyncProperty(steps, async (run) => {
      const { clock, tracker } = track();
      const deliveries: number[] = [];
      const reading = (async () => {
        let [attempt, progress, fraction] = [0, -1, 0];
        for await (const snapshot of tracker.subscribe("a")) {
          assert(snapshot.attempt > attempt || snapshot.progress > progress);
          assert(snapshot.fraction! >= fraction && snapshot.fraction! <= 1);
          ({ attempt, progress } = snapshot);
          fraction = snapshot.fraction!;
          deliveries.push(clock.now());
        }
        return `${attempt}: ${progress}`;
      })();
      await execute(run, tracker, clock);
      const last = await reading;
      assertEquals(last, expectedLog(run).findLast((line) => line.includes(":")) ?? "0: -1");
      const early = run.filter(({ type }) => type === "attempt" || type === "end").length;
      for (const fromMs of deliveries) {
        const within = deliveries.filter((atMs) => atMs >= fromMs && atMs < fromMs + 1_000);
        assert(within.length <= 10 + early, `${within}`);
      }
    }),
    { numRuns: runs(10_000) },
  );
});

Deno.test("events gives a reader that joins anywhere, at any pace, each event once or in a gap", async () => {
  await fc.assert(
    fc.asyncProperty(
      steps,
      fc.integer({ min: 1, max: 8 }),
      fc.nat(60),
      fc.nat(30),
      fc.array(fc.boolean(), { minLength: 1, maxLength: 20 }),
      async (run, maxLogEvents, joinAt, after, paces) => {
        const { clock, tracker } = track({ maxLogEvents });
        const seen: number[] = [];
        let reader: AsyncIterator<ExecutionEvent> | undefined;
        const read = async (): Promise<void> => {
          const { done, value } = await reader!.next();
          if (done) return;
          const [from, to] = value.type === "gap" ? [value.from, value.to] : [value.seq, value.seq];
          for (let seq = from; seq <= to; seq++) seen.push(seq);
        };
        const reads: Promise<void>[] = [];
        await execute(run, tracker, clock, (index) => {
          if (index === Math.min(joinAt, run.length - 1)) {
            reader = tracker.events("a", { after })[Symbol.asyncIterator]();
          }
          if (reader && paces[index % paces.length]) reads.push(read());
        });
        const last = tracker.getProgress("a")!.seq;
        for (let i = 0; i <= last; i++) reads.push(read());
        await Promise.all(reads);
        const expected: number[] = [];
        for (let seq = after + 1; seq <= last; seq++) expected.push(seq);
        assertEquals(seen, expected);
        assertEquals(clock.timers, 0);
      },
    ),
    { numRuns: runs(10_000) },
  );
});
