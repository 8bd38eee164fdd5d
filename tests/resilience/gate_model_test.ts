import { assert } from "@std/assert";
import fc from "fast-check";
import { createClientError, isClientError } from "../../src/errors/errors.ts";
import type { HealthEvidence } from "../../src/errors/health.ts";
import { Deadline } from "../../src/resilience/deadline.ts";
import { Gate } from "../../src/resilience/gate.ts";
import type { Priority } from "../../src/resilience/pool_options.ts";
import { createRandom } from "../support/random.ts";
import { runs } from "../support/runs.ts";
import { ANSWERED } from "./gate_support.ts";
import { CountedAbort, flush, QuickClock } from "./support.ts";

const RUNS = runs(10_000);
const OPERATION = "add";
const TIMEOUTS_MS = [40, 150, 400, 400, 1_000, 6_000, 30_000, 30_000];
const ADVANCES_MS = [1, 20, 100, 300, 300, 1_000, 5_000, 5_000];
const ELAPSED_MS = [0, 20, 80, 300];
const HEALTH: HealthEvidence[] = ["answered", "answered", "hard", "pushback", "overload", "none"];
const DOWN = createClientError("connection_refused", "down");
const LATER = createClientError("rate_limited", "later", { retryAfterMs: 900 });

interface Waiter {
  readonly controller: CountedAbort;
  readonly priority: Priority;
  readonly deadlineAtMs: number;
}

interface Options {
  readonly maxLimit: number;
  readonly maxQueue: number;
  readonly isTaught: boolean;
  readonly seed: number;
}

/** A gate, and plain lists of who waits in front of it and who has passed. */
class Run {
  readonly trace: string[] = [];
  readonly settled = { passed: 0, shed: 0, circuit_open: 0, aborted: 0 };
  waiting: Waiter[] = [];
  readonly #passed: number[] = [];
  readonly #checks: PromiseWithResolvers<void>[] = [];
  readonly #clock = new QuickClock();
  readonly #gate: Gate;
  readonly #maxQueue: number;
  readonly #controllers: CountedAbort[] = [];

  constructor({ maxLimit, maxQueue, isTaught, seed }: Options) {
    this.#maxQueue = maxQueue;
    this.#gate = new Gate({
      ...{ maxLimit, clock: this.#clock, random: createRandom(seed), queue: { maxQueue } },
      ...{ breaker: { tripAfter: 2, pauseAfter: 2 }, limiter: {}, onEvent: undefined },
      check: () => {
        this.#checks.push(Promise.withResolvers<void>());
        return this.#checks.at(-1)!.promise;
      },
    });
    const { limiter, breaker } = this.#gate;
    const enter = limiter.enter.bind(limiter);
    limiter.enter = () => {
      this.must(limiter.hasRoom && breaker.state === "closed", "enters where there is no place");
      enter();
    };
    for (let i = 0; isTaught && i < 20; i++) {
      this.#gate.leave(this.#gate.tryEnter()!, { ...ANSWERED, elapsedMs: 100 });
    }
  }

  must(holds: boolean, what: string): void {
    if (!holds) throw new Error(`${what}\n${this.trace.join("\n")}`);
  }

  /** Who is to pass first: the lists are looked through from the start each time. */
  get #first(): Waiter | undefined {
    const urgent = this.waiting.filter(({ priority }) => priority === "interactive");
    return nearest(urgent) ?? nearest(this.waiting);
  }

  get #dispensable(): Waiter | undefined {
    const background = this.waiting.filter(({ priority }) => priority === "background");
    return nearest(background) ?? nearest(this.waiting);
  }

  enter(pick: number): void {
    const { now } = this.#clock;
    const timeoutMs = TIMEOUTS_MS[pick % 8]!;
    const priority = pick % 5 === 0 ? "background" : "interactive";
    const controller = new CountedAbort();
    this.#controllers.push(controller);
    const waiter: Waiter = { controller, priority, deadlineAtMs: now() + timeoutMs };
    this.trace.push(`${now()}: ${priority} enters, ${timeoutMs} ms`);
    const deadline = Deadline.after(timeoutMs, this.#clock);
    const failFast = pick > 235;
    const { signal } = controller;
    const isShut = this.#gate.breaker.isShut;
    const entered = this.#gate.enter({
      operation: OPERATION,
      priority,
      deadline,
      failFast,
      signal,
    });
    if (typeof entered === "number") {
      this.must(this.waiting.length === 0, "passes those who wait");
      this.settled.passed++;
      this.#passed.push(entered);
      return;
    }
    const refused = isShut && (failFast || this.#gate.breaker.state === "isolated");
    if (!refused) this.waiting.push(waiter);
    entered.then((generation) => {
      this.must(waiter === this.#first, "passes before its turn");
      this.#settle(waiter, "passed");
      this.#passed.push(generation);
    }, (error) => {
      if (refused) this.must(error.code === "circuit_open", "is refused otherwise");
      else this.#checkRefusal(waiter, error);
      this.#settle(waiter, isClientError(error) ? error.code : "aborted");
    });
  }

  #settle(waiter: Waiter, outcome: string): void {
    this.waiting = this.waiting.filter((one) => one !== waiter);
    this.settled[outcome as "passed"]++;
    this.must(waiter.controller.listeners === 0, "is still listened to");
  }

  /** Whether there was a reason to give this one up. */
  #checkRefusal(waiter: Waiter, error: unknown): void {
    this.must(this.waiting.includes(waiter), "settles twice");
    if (waiter.controller.signal.aborted) {
      return this.must(error === waiter.controller.signal.reason, "loses the reason");
    }
    const { estimates, breaker } = this.#gate;
    const remainingMs = waiter.deadlineAtMs - this.#clock.now();
    const p50Ms = estimates.p50Ms(OPERATION);
    const isTooMany = this.waiting.length > this.#maxQueue && waiter === this.#dispensable;
    const isHopeless = p50Ms > 0 && remainingMs <= p50Ms;
    const isLate = this.waiting.length > 1 && remainingMs < Math.max(p50Ms, 1.5 * estimates.ewmaMs);
    const isIsolated = breaker.state === "isolated";
    this.must(isTooMany || isHopeless || isLate || isIsolated, "is dropped without a reason");
  }

  leave(pick: number): void {
    const [generation] = this.#passed.splice(pick % (this.#passed.length || 1), 1);
    if (generation === undefined) return;
    const health = HEALTH[pick % 6]!;
    this.trace.push(`${this.#clock.now()}: one leaves, ${health}`);
    this.#gate.leave(generation, {
      ...{ operation: OPERATION, health, timedOut: health === "none" && pick % 4 > 0 },
      succeeded: health === "answered",
      retryAfterMs: health === "pushback" && pick % 2 > 0 ? 600 : undefined,
      elapsedMs: ELAPSED_MS[pick % 4]!,
    });
  }

  abort(pick: number): void {
    this.trace.push(`${this.#clock.now()}: one aborts`);
    this.waiting[pick % this.waiting.length]?.controller.abort("aborted");
  }

  endCheck(pick: number): void {
    this.trace.push(`${this.#clock.now()}: the check ends, ${pick % 3}`);
    const check = this.#checks.at(-1);
    if (pick % 3 === 0) check?.reject(pick % 2 > 0 ? DOWN : LATER);
    else check?.resolve();
  }

  byHand(pick: number): void {
    this.trace.push(`${this.#clock.now()}: by hand ${pick % 8}`);
    const { breaker } = this.#gate;
    if (pick % 8 === 0) breaker.isolate();
    else if (pick % 8 < 4) breaker.close();
    else if (pick % 8 < 6) breaker.recover();
  }

  async advance(ms: number): Promise<void> {
    this.trace.push(`${this.#clock.now()}: advance ${ms}`);
    await flush();
    await this.#clock.advance(ms);
  }

  /** Lets promises settle, then looks at what must hold whatever was done. */
  async check(): Promise<void> {
    await flush();
    const { breaker, limiter } = this.#gate;
    const { waiting } = this.#gate.stats();
    const { timers } = this.#clock;
    this.must(waiting === this.waiting.length, "waits for ever, or is forgotten");
    this.must(waiting <= this.#maxQueue, "is one too many");
    this.must(limiter.inFlight === this.#passed.length, "a place is lost");
    this.must(waiting === 0 || breaker.isShut || !limiter.hasRoom, "waits while the gate is free");
    const isTimed = breaker.waitMs !== Infinity;
    this.must(waiting === 0 || !isTimed || (breaker.waitMs > 0 && timers > 0), "nobody wakes it");
    this.must(waiting > 0 || breaker.state === "half_open" || timers <= 1, "holds a timer");
  }

  /** Ends all and looks whether anything is left. */
  async end(): Promise<void> {
    for (const { controller } of this.waiting) controller.abort("aborted");
    while (this.#passed.length > 0) this.leave(0);
    await this.advance(5_000);
    await this.check();
    const { limiter } = this.#gate;
    const listeners = this.#controllers.some((controller) => controller.listeners > 0);
    this.must(limiter.inFlight === 0 && this.waiting.length === 0 && !listeners, "is left behind");
    this.must(this.#clock.timers === 0, "a timer is left behind");
    const { passed, shed, circuit_open, aborted } = this.settled;
    const all = passed + shed + circuit_open + aborted;
    this.must(all === this.#controllers.length, "does not settle exactly once");
  }
}

function nearest(waiters: readonly Waiter[]): Waiter | undefined {
  const atMs = Math.min(...waiters.map(({ deadlineAtMs }) => deadlineAtMs));
  return waiters.find(({ deadlineAtMs }) => deadlineAtMs === atMs);
}

Deno.test("A3–A5 B5–B7 Gate keeps its promises at every step of seeded runs", async () => {
  const options: fc.Arbitrary<Options> = fc.record({
    maxLimit: fc.integer({ min: 1, max: 4 }),
    maxQueue: fc.integer({ min: 1, max: 6 }),
    isTaught: fc.boolean(),
    seed: fc.nat(),
  });
  const steps = fc.array(fc.tuple(fc.nat(15), fc.nat(255)), { maxLength: 30, size: "max" });
  const settled = { passed: 0, shed: 0, circuit_open: 0, aborted: 0 };
  await fc.assert(
    fc.asyncProperty(options, steps, async (options, steps) => {
      const run = new Run(options);
      for (const [command, pick] of steps) {
        if (command < 6) run.enter(pick);
        else if (command < 11) run.leave(pick);
        else if (command === 11 && run.waiting.length > 0) run.abort(pick);
        else if (command === 12) run.endCheck(pick);
        else if (command === 13 && pick < 40) run.byHand(pick);
        else if (command > 13) await run.advance(ADVANCES_MS[pick % 8]!);
        await run.check();
      }
      await run.end();
      for (const [outcome, times] of Object.entries(run.settled)) {
        settled[outcome as "passed"] += times;
      }
    }),
    { numRuns: RUNS },
  );
  for (const [outcome, times] of Object.entries(settled)) {
    assert(times > RUNS / 10, `${outcome}: ${times}`);
  }
});
