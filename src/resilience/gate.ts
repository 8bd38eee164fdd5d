import { type ClientError, createClientError, isClientError } from "../errors/errors.ts";
import { type HealthEvidence, healthOf } from "../errors/health.ts";
import { resolveOptions } from "../errors/misuse.ts";
import { CircuitBreaker } from "./breaker.ts";
import type { BreakerTransition } from "./breaker_options.ts";
import { checkServer } from "./check_server.ts";
import { LatencyEstimates } from "./estimates.ts";
import {
  type AttemptEnd,
  type EnterOptions,
  type GateOptions,
  QUEUE_RULES,
  type QueueOptions,
  type QueueStats,
} from "./gate_options.ts";
import { GateQueue, type Queued } from "./gate_queue.ts";
import { ConcurrencyLimiter, type LimiterSample } from "./limiter.ts";

interface Waiting extends Queued {
  readonly options: EnterOptions;
  readonly sinceMs: number;
  readonly resolve: (generation: number) => void;
  readonly reject: (reason: unknown) => void;
  readonly onAbort: () => void;
}

/**
 * Stands in front of one server: lets a call pass if the breaker is closed and the limiter has room,
 * and has the others wait in one queue, the nearest deadline first. While the breaker is shut they
 * wait without holding a place, and one check at a time finds out for all of them whether the server
 * is back. Whoever passed must leave. Holds no timer while nobody waits.
 */
export class Gate {
  readonly breaker: CircuitBreaker;
  readonly limiter: ConcurrencyLimiter;
  readonly estimates: LatencyEstimates = new LatencyEstimates();
  readonly #options: GateOptions;
  readonly #queueOptions: Required<QueueOptions>;
  readonly #queue = new GateQueue<Waiting>();
  readonly #closing = new AbortController();
  #order = 0;
  #shed = 0;
  #overflowed = 0;
  #wakeAtMs = Infinity;
  #undoTimer = (): void => {};

  constructor(options: GateOptions) {
    const { clock, random, onEvent } = options;
    this.#options = options;
    this.#queueOptions = resolveOptions("create a queue", options.queue, QUEUE_RULES);
    this.breaker = new CircuitBreaker(options.breaker, {
      ...{ clock, random },
      onTransition: (transition) => this.#onTransition(transition),
    });
    this.limiter = new ConcurrencyLimiter(
      options.maxLimit,
      options.limiter,
      clock,
      onEvent && ((limit) => onEvent({ type: "limiter.change", limit })),
    );
  }

  /** Whether a call would pass now. */
  get isFree(): boolean {
    // The breaker first: as it closes, it lowers the limit.
    return !this.breaker.isShut && this.#queue.size === 0 && this.limiter.hasRoom;
  }

  /** Returns the queue at this moment. */
  stats(): QueueStats {
    return { waiting: this.#queue.size, shed: this.#shed, overflowed: this.#overflowed };
  }

  /** Throws `circuit_open` if the breaker is shut. */
  refuseIfShut(): void {
    if (this.breaker.isShut) throw this.#refuseArrival();
  }

  /**
   * Passes at once, or not at all.
   *
   * @returns The breaker's generation, to be given to {@linkcode leave}; `undefined` if the gate is
   * not free.
   */
  tryEnter(): number | undefined {
    if (!this.isFree) return undefined;
    this.limiter.enter();
    return this.breaker.generation;
  }

  /**
   * Passes, or waits for it.
   *
   * @returns The breaker's generation, to be given to {@linkcode leave}.
   * @throws {ResourceExhaustedError} `shed` if too many wait or too little time is left.
   * @throws {CircuitOpenError} `circuit_open` for the same while the breaker is shut, and at once
   * with `failFast` or where it is isolated.
   * @throws The reason of the signal, or of {@linkcode close}.
   */
  enter(options: EnterOptions): number | Promise<number> {
    const { signal, failFast } = options;
    if (signal.aborted) return Promise.reject(signal.reason);
    const generation = this.tryEnter();
    if (generation !== undefined) return generation;
    if (this.#closing.signal.aborted) return Promise.reject(this.#closing.signal.reason);
    if (this.breaker.isShut && (failFast || this.breaker.state === "isolated")) {
      return Promise.reject(this.#refuseArrival());
    }
    return new Promise((resolve, reject) => this.#wait(options, resolve, reject));
  }

  /**
   * Counts a call that has passed as done, and learns from it.
   *
   * @param generation What it passed with.
   * @param end How its attempt ended; absent if none was made.
   */
  leave(generation: number, end?: AttemptEnd): void {
    let sample: LimiterSample = "none";
    let p50Ms = 0;
    if (end !== undefined) {
      const { operation, health, timedOut, elapsedMs } = end;
      this.breaker.record(health, generation, end.retryAfterMs);
      if (health !== "none" || timedOut) this.estimates.addAttempt(elapsedMs);
      if (end.succeeded) this.estimates.addSuccess(operation, elapsedMs);
      sample = toSample(end);
      if (sample === "drop") p50Ms = this.estimates.p50Ms(operation);
    }
    this.limiter.leave(sample, p50Ms);
    this.#serve();
  }

  /** Ends the check that runs, and refuses whoever waits or would have to. */
  close(reason: unknown): void {
    this.#closing.abort(reason);
    this.#rejectAll(() => reason);
  }

  #wait(
    options: EnterOptions,
    resolve: (generation: number) => void,
    reject: (reason: unknown) => void,
  ): void {
    const { signal, deadline, priority } = options;
    const nowMs = this.#options.clock.now();
    const waiting: Waiting = {
      ...{ options, priority, resolve, reject, sinceMs: nowMs, order: this.#order++ },
      deadlineAtMs: nowMs + deadline.remainingMs(),
      onAbort: () => {
        this.#remove(waiting);
        reject(signal.reason);
      },
    };
    signal.addEventListener("abort", waiting.onAbort);
    this.#queue.add(waiting);
    if (this.#queue.size > this.#queueOptions.maxQueue) {
      this.#overflowed++;
      this.#drop(this.#queue.dispensable!, "Too many calls wait for the server already");
    }
    this.#serve();
    this.#wakeBy(Math.min(this.#hopelessAtMs(waiting), nowMs + this.breaker.waitMs));
  }

  /** Lets pass whoever may, and has the server checked if that is due. */
  #serve(): void {
    // The breaker first: as its pause ends, it may let pass all who wait.
    while (!this.breaker.isShut && this.limiter.hasRoom) {
      const next = this.#queue.first;
      if (next === undefined) break;
      const neededMs = this.#neededMs(next);
      const remainingMs = next.deadlineAtMs - this.#options.clock.now();
      // Somebody alone is sent whatever the estimate says: a stale one must not lock the gate.
      if (this.#queue.size > 1 && remainingMs < neededMs) this.#shedOne(next, neededMs);
      else {
        this.#remove(next);
        this.limiter.enter();
        next.resolve(this.breaker.generation);
      }
    }
    if (this.#queue.size > 0 && this.breaker.beginCheck()) void this.#check();
  }

  #onTransition(transition: BreakerTransition): void {
    const { to, waitMs = Infinity } = transition;
    if (to === "closed") this.limiter.ramp();
    this.#options.onEvent?.({ type: "breaker.transition", ...transition });
    if (to === "isolated") this.#rejectAll(() => this.#shutError());
    this.#serve();
    this.#wakeBy(this.#options.clock.now() + waitMs);
  }

  async #check(): Promise<void> {
    const { check, clock } = this.#options;
    const { generation } = this.breaker;
    let health: HealthEvidence = "answered";
    let retryAfterMs: number | undefined;
    try {
      await checkServer(check, this.#closing.signal, clock);
    } catch (error) {
      health = "hard";
      if (isClientError(error)) [health, retryAfterMs] = [healthOf(error), error.retryAfterMs];
    }
    // The breaker may have closed meanwhile and tripped again: then another check decides.
    if (generation === this.breaker.generation) this.breaker.endCheck(health, retryAfterMs);
  }

  /** Sees to it that somebody looks again by then, if anybody waits. */
  #wakeBy(atMs: number): void {
    if (atMs >= this.#wakeAtMs || this.#queue.size === 0) return;
    this.#rest();
    const { clock } = this.#options;
    this.#wakeAtMs = atMs;
    this.#undoTimer = clock.setTimer(atMs - clock.now(), () => this.#wake());
  }

  #rest(): void {
    this.#undoTimer();
    this.#wakeAtMs = Infinity;
  }

  #wake(): void {
    this.#rest();
    const { clock } = this.#options;
    this.#serve();
    let nextMs = clock.now() + this.breaker.waitMs;
    for (const waiting of this.#queue.all()) {
      const hopelessAtMs = this.#hopelessAtMs(waiting);
      if (hopelessAtMs > clock.now()) nextMs = Math.min(nextMs, hopelessAtMs);
      else this.#shedOne(waiting, this.estimates.p50Ms(waiting.options.operation));
    }
    this.#wakeBy(nextMs);
  }

  #shedOne(waiting: Waiting, neededMs: number): void {
    this.#shed++;
    const waitedMs = this.#options.clock.now() - waiting.sinceMs;
    this.#options.onEvent?.({ type: "queue.shed", waitedMs, neededMs });
    this.#drop(waiting, "The time that is left is too short for the operation");
  }

  #drop(waiting: Waiting, message: string): void {
    this.#remove(waiting);
    waiting.reject(this.#refusal(message));
  }

  #rejectAll(reason: () => unknown): void {
    for (const waiting of this.#queue.all()) {
      this.#remove(waiting);
      waiting.reject(reason());
    }
  }

  #remove(waiting: Waiting): void {
    this.#queue.remove(waiting);
    waiting.options.signal.removeEventListener("abort", waiting.onAbort);
    if (this.#queue.size === 0) this.#rest();
  }

  /** Refuses who came and may not wait; that somebody came has the server checked all the same. */
  #refuseArrival(): ClientError {
    const refusal = this.#shutError();
    if (this.breaker.beginCheck()) void this.#check();
    return refusal;
  }

  /** Why a call does not pass: its own want of time, unless it is the server that is down. */
  #refusal(message: string): ClientError {
    return this.breaker.isShut ? this.#shutError() : createClientError("shed", message);
  }

  #shutError(): ClientError {
    const { state, waitMs } = this.breaker;
    const what = state === "isolated" || state === "paused" ? `is ${state}` : "is taken for down";
    return createClientError("circuit_open", `The server ${what}`, {
      ...(waitMs !== Infinity && { retryAfterMs: Math.ceil(waitMs) }),
    });
  }

  #neededMs({ options }: Waiting): number {
    const { shedFactor } = this.#queueOptions;
    if (shedFactor === 0) return 0;
    return Math.max(this.estimates.p50Ms(options.operation), shedFactor * this.estimates.ewmaMs);
  }

  /** When what remains is less than the operation usually takes; its own deadline sees to the rest. */
  #hopelessAtMs({ options, deadlineAtMs }: Waiting): number {
    const p50Ms = this.estimates.p50Ms(options.operation);
    return p50Ms === 0 || this.#queueOptions.shedFactor === 0 ? Infinity : deadlineAtMs - p50Ms;
  }
}

function toSample({ health, timedOut }: AttemptEnd): LimiterSample {
  if (timedOut || health === "pushback" || health === "overload") return "drop";
  return health === "answered" ? "success" : "none";
}
