/** Random scripts for a whole client in front of a server that keeps a ledger of what it ran. */
import fc from "fast-check";
import { AutoMCPClient } from "../../src/client/client.ts";
import type { ClientEvent } from "../../src/client/events.ts";
import type { AttemptOptions, ConnectionResult, ExecutionRequest } from "../../src/client/ports.ts";
import type { ClientStats } from "../../src/client/stats.ts";
import type { ErrorCode } from "../../src/errors/codes.ts";
import { type Delivery, type Effect, EFFECTS } from "../../src/errors/delivery.ts";
import { type ClientError, createClientError, isClientError } from "../../src/errors/errors.ts";
import { QuickClock } from "../resilience/support.ts";
import { data, MemoryConnector, text } from "../support/memory_connector.ts";
import { createRandom } from "../support/random.ts";
import { CountingSignal } from "./support.ts";

/** What a server does with one request. */
interface Answer {
  /** When it answers, in milliseconds; `Infinity` is never. */
  readonly afterMs: number;
  /** `"success"`, `"error"`, `"defect"`, or what it fails with. */
  readonly answer: "success" | "error" | "defect" | ErrorCode;
  readonly delivery: Delivery;
  /** Whether it runs before it answers, half-way. A proof that it did not is never a lie. */
  readonly runs: boolean;
  readonly retryAfterMs: number | undefined;
  readonly reports: number;
  /** Whether it goes on although the request was aborted. */
  readonly isDeaf: boolean;
  readonly breaks: boolean;
}

/** One execution of a script. */
interface Step {
  readonly atMs: number;
  readonly effect: Effect;
  readonly timeoutMs: number;
  readonly priority: "interactive" | "background";
  readonly answers: readonly Answer[];
  /** Who ends it early, and when after its start. */
  readonly ending: { readonly by: "caller" | "handle"; readonly afterMs: number } | undefined;
}

/** A client's policy, its server, and what is asked of it. */
export interface Script {
  readonly seed: number;
  readonly policy: {
    readonly hedge: boolean;
    readonly failFast: boolean;
    readonly poolSize: number;
    readonly maxAttempts: number;
    readonly attemptFloorMs: number;
    readonly progressIdleTimeoutMs: number;
    readonly onSessionLoss: "transparent" | "error";
    readonly retryBudget: { readonly capacity: number };
    readonly breaker: { readonly tripAfter: number; readonly pauseAfter: number };
  };
  readonly isLegacy: boolean;
  /** Connections that fail, by their number. */
  readonly refusedConnects: readonly boolean[];
  readonly steps: readonly Step[];
}

/** What became of one execution. */
export interface Outcome {
  readonly step: Step;
  /** `"completed"`, `"aborted"`, or the code. */
  end: string;
  delivery: Delivery | undefined;
  attempts: number | undefined;
  /** How long it took, in milliseconds. */
  tookMs: number;
  /** How often the server ran it, in the end. */
  ran: number;
}

/** All that can be seen of a script that was played. */
export interface Played {
  readonly outcomes: Outcome[];
  readonly events: ClientEvent[];
  readonly stats: ClientStats;
  /** Timers after `close()`. */
  readonly timers: number;
  readonly listeners: number;
  /** How often the wall clock was read. */
  readonly wallReads: number;
}

const refusing: fc.Arbitrary<Partial<Answer>> = fc.constantFrom(
  { answer: "rate_limited", delivery: "not_executed", retryAfterMs: 40 },
  { answer: "rate_limited", delivery: "not_executed" },
  { answer: "unavailable", delivery: "not_executed", retryAfterMs: 20 },
  { answer: "connection_refused", delivery: "not_sent" },
  { answer: "session_lost", delivery: "not_executed" },
  { answer: "unauthorized", delivery: "not_executed" },
);
const vague: fc.Arbitrary<Partial<Answer>> = fc.record({
  answer: fc.constantFrom<Answer["answer"]>(
    "connection_lost",
    "unavailable",
    "operation_failed",
    "protocol_error",
    "invalid_arguments",
    "defect",
  ),
  runs: fc.boolean(),
});
const ending: fc.Arbitrary<Partial<Answer>> = fc.constantFrom(
  { answer: "success", delivery: "executed", runs: true },
  { answer: "success", delivery: "executed", runs: true },
  { answer: "error", delivery: "executed", runs: true },
  { answer: "invalid_result", delivery: "executed", runs: true },
);
const hanging: fc.Arbitrary<Partial<Answer>> = fc.record({
  afterMs: fc.constantFrom(Infinity, 5_000),
  answer: fc.constant<Answer["answer"]>("success"),
  runs: fc.boolean(),
});
const answers: fc.Arbitrary<Answer> = fc.tuple(
  fc.oneof(refusing, refusing, vague, vague, ending, ending, hanging),
  fc.constantFrom(0, 0, 5, 30, 200),
  fc.integer({ min: 0, max: 2 }),
  fc.boolean(),
  fc.nat(9),
).map(([answer, afterMs, reports, isDeaf, lot]) => ({
  ...{ afterMs, delivery: "unknown", runs: false, retryAfterMs: undefined, answer: "success" },
  ...{ reports, isDeaf, breaks: lot === 0 },
  ...answer,
}));

/** Scripts of a few executions at about the same time. */
export const scripts: fc.Arbitrary<Script> = fc.record({
  seed: fc.nat(),
  policy: fc.record({
    hedge: fc.boolean(),
    failFast: fc.boolean(),
    poolSize: fc.integer({ min: 1, max: 4 }),
    maxAttempts: fc.integer({ min: 1, max: 4 }),
    attemptFloorMs: fc.constantFrom(20, 100, 10_000),
    progressIdleTimeoutMs: fc.constantFrom(25, Infinity),
    onSessionLoss: fc.constantFrom("transparent", "error"),
    retryBudget: fc.record({ capacity: fc.constantFrom(0.4, 2, 50) }),
    breaker: fc.record({
      tripAfter: fc.constantFrom(2, 5),
      pauseAfter: fc.constantFrom(2, 5),
    }),
  }),
  isLegacy: fc.boolean(),
  refusedConnects: fc.array(fc.boolean(), { maxLength: 3 }),
  steps: fc.array(
    fc.record({
      atMs: fc.constantFrom(0, 0, 0, 3, 50),
      effect: fc.constantFrom(...EFFECTS),
      timeoutMs: fc.constantFrom(10, 150, 1_000),
      priority: fc.constantFrom("interactive", "background"),
      answers: fc.array(answers, { minLength: 1, maxLength: 4 }),
      ending: fc.oneof(
        { weight: 4, arbitrary: fc.constant(undefined) },
        {
          weight: 1,
          arbitrary: fc.record({
            by: fc.constantFrom("caller", "handle"),
            afterMs: fc.constantFrom(0, 1, 20, 100),
          }),
        },
      ),
    }),
    { minLength: 1, maxLength: 5 },
  ),
});

/** Nothing of a script lasts longer, in milliseconds. */
const END_MS = 60_000;

/** How many microtasks after one another an execution takes at most, without a timer between. */
const TURNS = 150;

/** Plays a script to its end. */
export async function play(script: Script, isHeard = true): Promise<Played> {
  const clock = new QuickClock(TURNS);
  let wallReads = 0;
  clock.wall = () => (wallReads++, clock.now());
  const outcomes: Outcome[] = script.steps.map((step) => (
    { step, end: "pending", delivery: undefined, attempts: undefined, tookMs: Infinity, ran: 0 }
  ));
  const sends = script.steps.map(() => 0);
  const refusals = [...script.refusedConnects];
  let isTaught = !script.policy.hedge;
  const connector = new MemoryConnector({
    era: script.isLegacy ? "legacy" : "modern",
    maxConcurrency: script.isLegacy ? 2 : Infinity,
    operations: {
      work: (request, options) => {
        const { index } = request.arguments as { index?: number };
        if (index === undefined) return data({});
        const { answers } = script.steps[index]!;
        const answer = answers[sends[index]!++ % answers.length]!;
        return serve(answer, request, options, () => outcomes[index]!.ran++);
      },
    },
    onConnect: () => {
      if (isTaught && refusals.shift() === true) {
        throw createClientError("connection_refused", "Injected");
      }
    },
  });
  const serve = async (
    { afterMs, answer, delivery, runs, retryAfterMs, reports, isDeaf, breaks }: Answer,
    { effect }: ExecutionRequest,
    { signal, onProgress }: AttemptOptions,
    run: () => void,
  ): Promise<ConnectionResult> => {
    const wait = (ms: number): Promise<void> =>
      isDeaf ? clock.sleep(Math.min(ms, END_MS / 2)) : clock.sleep(ms, signal);
    if (afterMs > 0) await wait(afterMs === Infinity ? END_MS / 4 : afterMs / 2);
    for (let progress = 1; progress <= reports; progress++) onProgress({ progress });
    if (runs) run();
    if (afterMs > 0) await wait(afterMs === Infinity ? END_MS / 4 : afterMs / 2);
    if (breaks) connector.connections.at(-1)!.break(createClientError("connection_lost", "Broken"));
    if (answer === "success") return data({ effect });
    if (answer === "error") return text("no", "error");
    if (answer === "defect") throw new TypeError("A defect");
    const temporary = answer === "protocol_error" || answer === "operation_failed" || undefined;
    throw createClientError(answer, "Injected", {
      ...{ effect, delivery },
      ...(temporary && { temporary }),
      ...(retryAfterMs !== undefined && { retryAfterMs }),
    });
  };

  const events: ClientEvent[] = [];
  const client = new AutoMCPClient("model", {
    ...{ clock, random: createRandom(script.seed) },
    ...(isHeard && { onEvent: (event) => void events.push(event) }),
    groups: { g: { connector, ...script.policy }, teaching: { connector, ...script.policy } },
  });
  const group = client.group("g");
  // Without its p95 nothing is slow: it takes no time at all, until it is told otherwise.
  for (let i = 0; i < 50 && !isTaught; i++) await client.group("teaching").execute("work");
  isTaught = true;
  events.length = wallReads = 0;
  const signals = script.steps.map(() => new CountingSignal());
  const start = async (step: Step, index: number): Promise<void> => {
    const startedMs = clock.now();
    const outcome = outcomes[index]!;
    const { signal } = signals[index]!;
    const { effect, timeoutMs, priority } = step;
    const options = { effect, timeoutMs, priority, executionId: `e${index}` };
    const execution = group.start("work", { index }, { ...options, signal });
    if (step.ending !== undefined) {
      const { by, afterMs } = step.ending;
      const end = (): void => by === "handle" ? execution.cancel() : signals[index]!.abort("left");
      clock.setTimer(afterMs, () => outcome.end === "pending" && end());
    }
    try {
      const { attempts } = await execution.response;
      Object.assign(outcome, { end: "completed", attempts, delivery: "executed" });
    } catch (error) {
      if (!isClientError(error)) outcome.end = error === "left" ? "aborted" : String(error);
      else {
        const { code, delivery, attempts } = error as ClientError;
        Object.assign(outcome, { end: code, delivery, attempts });
      }
    }
    outcome.tookMs = clock.now() - startedMs;
  };
  script.steps.forEach((step, index) =>
    void clock.setTimer(step.atMs, () => void start(step, index))
  );
  await clock.advance(END_MS);
  const stats = client.stats();
  const closed = client.close({ graceMs: 0 });
  await clock.advance(END_MS);
  await closed;
  const listeners = signals.reduce((sum, signal) => sum + signal.listeners, 0);
  return { outcomes, events, stats, timers: clock.timers, listeners, wallReads };
}
