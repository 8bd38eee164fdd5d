import { isClientError } from "../../src/errors/errors.ts";
import { Deadline } from "../../src/resilience/deadline.ts";
import { Gate } from "../../src/resilience/gate.ts";
import type {
  AttemptEnd,
  EnterOptions,
  GateEvent,
  GateOptions,
} from "../../src/resilience/gate_options.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { CountedAbort, flush } from "./support.ts";

/** A check of the server that the test ends. */
export interface Check {
  readonly atMs: number;
  readonly signal: AbortSignal;
  answer(): void;
  fail(error: unknown): void;
}

/** Who wants to pass a gate, and what became of it. */
export interface Caller {
  readonly controller: CountedAbort;
  /** `"waiting"`, `"passed"`, the code of a `ClientError`, or the reason as text. */
  outcome: string;
  error: unknown;
  /** What it passed with. */
  generation: number;
}

/** How long a caller of these tests has, unless it says. */
const USUAL_TIMEOUT_MS = 30_000;

/** A gate on a fake clock, and what happens at it. */
export function createGate(options: Partial<GateOptions> = {}) {
  const clock = new FakeClock();
  const events: GateEvent[] = [];
  const checks: Check[] = [];
  const passed: Caller[] = [];
  const gate = new Gate({
    ...{ maxLimit: 2, breaker: {}, limiter: {}, queue: {}, clock, random: () => 0.5 },
    check: (signal) => {
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      checks.push({ atMs: clock.now(), signal, answer: resolve, fail: reject });
      return promise;
    },
    onEvent: (event) => void events.push(event),
    ...options,
  });

  /** Comes to the gate. */
  const enter = (
    { timeoutMs = USUAL_TIMEOUT_MS, controller = new CountedAbort(), ...rest }:
      & Partial<EnterOptions>
      & { timeoutMs?: number; controller?: CountedAbort } = {},
  ): Caller => {
    const caller: Caller = { controller, outcome: "waiting", error: undefined, generation: 0 };
    const pass = (generation: number): void => {
      Object.assign(caller, { outcome: "passed", generation });
      passed.push(caller);
    };
    const entered = gate.enter({
      ...{ operation: "add", priority: "interactive", failFast: false },
      ...{ deadline: Deadline.after(timeoutMs, options.clock ?? clock), signal: controller.signal },
      ...rest,
    });
    if (typeof entered === "number") pass(entered);
    else {
      entered.then(pass, (error) => {
        caller.outcome = isClientError(error) ? error.code : String(error);
        caller.error = error;
      });
    }
    return caller;
  };

  /** Lets attempts of those who have passed, or of nobody, end. */
  const leave = ({ generation }: Pick<Caller, "generation">, end?: Partial<AttemptEnd>): void =>
    gate.leave(generation, end && { ...ANSWERED, ...end });

  /** Lets an attempt pass at once and end so. */
  const attempt = (end: Partial<AttemptEnd>): void => {
    const generation = gate.tryEnter();
    if (generation === undefined) throw new Error("The gate is not free");
    leave({ generation }, end);
  };

  /** Trips the breaker. */
  const trip = (): void => {
    for (let i = 0; i < 5; i++) attempt({ health: "hard", succeeded: false });
  };

  /** Has the server refuse until the breaker pauses. */
  const pause = (retryAfterMs?: number): void => {
    const end = { health: "pushback", succeeded: false, retryAfterMs } as const;
    for (let i = 0; i < 5; i++) attempt(end);
  };

  return { clock, events, checks, passed, gate, enter, leave, attempt, trip, pause, flush };
}

/** An attempt that succeeded. */
export const ANSWERED: AttemptEnd = {
  operation: "add",
  health: "answered",
  timedOut: false,
  succeeded: true,
  retryAfterMs: undefined,
  elapsedMs: 0,
};
