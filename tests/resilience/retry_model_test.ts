import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { Deadline } from "../../src/resilience/deadline.ts";
import {
  type FailedAttempt,
  retry,
  type RetryOptions,
  type RetryPolicy,
} from "../../src/resilience/retry.ts";
import { runs } from "../support/runs.ts";
import { CountedAbort, flush, QuickClock } from "./support.ts";

/** An attempt: how long it takes, and how it fails; `null` succeeds, `undefined` is foreign. */
interface Step {
  readonly durationMs: number;
  readonly failure: FailedAttempt | null | undefined;
  /** The chance that a wait after it draws. */
  readonly share: number;
}

interface Plan extends Required<RetryPolicy> {
  readonly effect: "safe" | "idempotent" | "unsafe";
  /** When the signal aborts; at 0 before the first attempt. */
  readonly abortAtMs: number;
  readonly deadlineMs: number;
  /** What comes after them succeeds. */
  readonly steps: readonly Step[];
}

/** When each attempt began, how long the waits were, and how it ended. */
interface Trace {
  readonly sentAtMs: number[];
  readonly waitsMs: number[];
  readonly end: string;
}

/** One of the first values, seldom one of the others: so that a run gets somewhere. */
function mostly<T>(often: readonly T[], seldom: readonly T[]): fc.Arbitrary<T> {
  return fc.oneof(
    { weight: 9, arbitrary: fc.constantFrom(...often) },
    { weight: 1, arbitrary: fc.constantFrom(...seldom) },
  );
}

/** An instant: often never, at times one where something else happens too. */
const instant: fc.Arbitrary<number> = fc.oneof(
  { weight: 5, arbitrary: fc.constant(Infinity) },
  { weight: 1, arbitrary: fc.constantFrom(0, 10, 60, 110, 1_000) },
  { weight: 3, arbitrary: fc.integer({ min: 1, max: 10_000 }) },
);

const failure: fc.Arbitrary<FailedAttempt> = fc.record({
  delivery: mostly(["not_sent", "not_executed", "unknown"], ["executed"]),
  temporary: mostly([true], [false]),
  retryAfterMs: mostly([undefined, undefined, 0, 1, 500], [4_000, 60_000, -1, NaN, Infinity]),
  throttled: fc.boolean(),
  counts: mostly([true], [false]),
  repaired: mostly([false], [true]),
}, { requiredKeys: ["delivery", "temporary"] });

const plan: fc.Arbitrary<Plan> = fc.record({
  maxAttempts: mostly([2, 3, 5, 9], [1, Infinity]),
  baseDelayMs: mostly([1, 100, 3_000], [0]),
  throttledBaseDelayMs: mostly([1_000], [0]),
  backoffFactor: mostly([1.5, 2], [1, Infinity]),
  maxDelayMs: mostly([2_000], [0, Infinity]),
  maxRetryAfterMs: mostly([4_000, 60_000], [0, Infinity]),
  effect: fc.constantFrom("safe", "safe", "idempotent", "unsafe"),
  abortAtMs: instant,
  deadlineMs: instant,
  steps: fc.array(
    fc.record({
      durationMs: fc.constantFrom(0, 10, 50, 1_000),
      failure: fc.oneof(
        { weight: 15, arbitrary: failure },
        { weight: 1, arbitrary: fc.constantFrom(null, undefined) },
      ),
      share: mostly([0.25, 0.5, 1 - 2 ** -10], [0]),
    }),
    { minLength: 1, maxLength: 12, size: "max" },
  ),
});

/** The naive model: the whole policy, written down once more from what it promises. */
function expectedTrace(plan: Plan): Trace {
  const { maxAttempts, effect, abortAtMs, deadlineMs } = plan;
  const sentAtMs: number[] = [];
  const waitsMs: number[] = [];
  const ends = (end: string): Trace => ({ sentAtMs, waitsMs, end });
  let [nowMs, used, failures] = [0, 0, 0];
  for (const { durationMs, failure, share } of plan.steps) {
    if (nowMs >= abortAtMs) return ends("aborted");
    sentAtMs.push(nowMs);
    nowMs += durationMs;
    if (failure === null) return ends("done");
    if (nowMs >= abortAtMs) return ends("aborted");
    const failed = ends(`failed ${sentAtMs.length}`);
    if (!failure?.temporary || failure.delivery === "executed") return failed;
    if (failure.delivery === "unknown" && effect === "unsafe") return failed;
    failures++;
    let waitMs = 0;
    if (!failure.repaired) {
      used += failure.counts === false ? 0 : 1;
      if (used >= maxAttempts || maxAttempts === 1) return failed;
      const hintMs = failure.retryAfterMs ?? -1;
      let ceilingMs = failure.throttled ? plan.throttledBaseDelayMs : plan.baseDelayMs;
      for (let k = 1; k < failures && ceilingMs > 0; k++) ceilingMs *= plan.backoffFactor;
      const longestMs = Math.min(2 ** 31 - 1, hintMs >= 0 ? plan.maxRetryAfterMs : plan.maxDelayMs);
      if (hintMs > longestMs) return failed;
      waitMs = hintMs >= 0
        ? hintMs + share * Math.min(1_000, hintMs / 2)
        : share * Math.min(ceilingMs, longestMs);
    }
    if (nowMs + waitMs >= deadlineMs) return failed;
    waitsMs.push(waitMs);
    nowMs += waitMs;
  }
  if (nowMs >= abortAtMs) return ends("aborted");
  sentAtMs.push(nowMs);
  return ends("done");
}

/** Runs retry() on the plan, and looks that it leaves nothing behind. */
async function actualTrace(plan: Plan): Promise<Trace> {
  const { abortAtMs, deadlineMs, steps, ...policy } = plan;
  const clock = new QuickClock();
  const controller = new CountedAbort();
  const reason = { no: "error" };
  const abort = (): void => controller.abort(reason);
  let unset = (): void => {};
  if (abortAtMs === 0) abort();
  else if (abortAtMs < Infinity) unset = clock.setTimer(abortAtMs, abort);
  const sentAtMs: number[] = [];
  const waitsMs: number[] = [];
  const errors = steps.map((_, index) => ({ index }));
  let end = "pending";
  const options: RetryOptions = {
    ...policy,
    clock,
    signal: controller.signal,
    deadline: new Deadline(deadlineMs, clock),
    random: () => steps[sentAtMs.length - 1]!.share,
    classify: (error) => steps[(error as { index: number }).index]!.failure ?? undefined,
    onRetry: ({ error, attempt, waitMs }) => {
      assertEquals([error, attempt], [errors[sentAtMs.length - 1], sentAtMs.length]);
      waitsMs.push(waitMs);
    },
  };
  retry(async (attempt) => {
    assert(!controller.signal.aborted, "sent after the abort");
    assertEquals(attempt, sentAtMs.push(clock.now()));
    const step = steps[attempt - 1];
    if (step === undefined) return;
    if (step.durationMs > 0) await clock.sleep(step.durationMs);
    if (step.failure !== null) throw errors[attempt - 1];
  }, options).then(() => end = "done", (error) => {
    const index = errors.indexOf(error);
    end = error === reason ? "aborted" : index < 0 ? String(error) : `failed ${index + 1}`;
  });
  await flush();
  await clock.advance(2 ** 40);
  unset();
  assertEquals([clock.timers, controller.listeners], [0, 0]);
  return { sentAtMs, waitsMs, end };
}

Deno.test("R1 R2 R3 R6 R7 D3 retry() does what the model says, to the millisecond", async () => {
  await fc.assert(
    fc.asyncProperty(plan, async (plan) => {
      assertEquals(await actualTrace(plan), expectedTrace(plan));
    }),
    { numRuns: runs(10_000) },
  );
});

Deno.test("R1 R3 R6 retry() keeps its bounds, whatever the model says", async () => {
  await fc.assert(
    fc.asyncProperty(plan, async (plan) => {
      const { sentAtMs, end } = await actualTrace(plan);
      const { steps, maxAttempts, effect, abortAtMs, deadlineMs } = plan;
      const repeated = steps.slice(0, Math.max(0, sentAtMs.length - 1));
      assert(sentAtMs.every((atMs) => atMs < abortAtMs), "sent after the abort");
      assert(sentAtMs.slice(1).every((atMs) => atMs < deadlineMs), "sent again after the deadline");
      const used = repeated.filter(({ failure }) =>
        !failure?.repaired && failure?.counts !== false
      );
      assert(used.length < maxAttempts, "more attempts than allowed");
      for (const [index, { durationMs, failure }] of repeated.entries()) {
        assert(failure?.temporary && failure.delivery !== "executed");
        assert(failure.delivery !== "unknown" || effect !== "unsafe", "perhaps done twice");
        const waitedMs = sentAtMs[index + 1]! - sentAtMs[index]! - durationMs;
        const { repaired, retryAfterMs = 0 } = failure;
        assert(repaired || !(waitedMs < retryAfterMs), "sent before its hint");
      }
      assert(end !== "pending");
    }),
    { numRuns: runs(10_000) },
  );
});
