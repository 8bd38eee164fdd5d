import type { Deadline } from "../resilience/deadline.ts";
import type { Timed } from "../resilience/deadline_timer.ts";
import type { Server } from "./server.ts";

/** How long an attempt may take, apart from its execution. */
export interface AttemptLimits {
  /** The longest it may take, in milliseconds. */
  readonly timeoutMs: number;
  /** The longest it may go without a report, in milliseconds. */
  readonly idleTimeoutMs: number;
  /** When its execution must have ended: what comes later than that is not watched. */
  readonly deadline: Deadline;
}

/** The clocks of one attempt. They stand still while its server waits for answers of ours. */
export class AttemptClocks implements Timed {
  /** How long they have stood still, in milliseconds. */
  pausedMs = 0;
  readonly #server: Server;
  readonly #limits: AttemptLimits;
  readonly #expirable: { expire(ms: number): void };
  #startedMs: number;
  #reportedMs: number;
  /** Since when the server waits for answers, and for how many. */
  #askedMs = 0;
  #asking = 0;

  /**
   * Starts the clocks.
   *
   * @param expirable The attempt; told of the time that is over.
   */
  constructor(
    server: Server,
    limits: AttemptLimits,
    startedMs: number,
    expirable: { expire(ms: number): void },
  ) {
    this.#server = server;
    this.#limits = limits;
    this.#expirable = expirable;
    this.#startedMs = this.#reportedMs = startedMs;
    this.#watch();
  }

  /** When the first of them runs out; a report moves that. */
  get atMs(): number {
    return Math.min(this.#timeoutAtMs, this.#reportedMs + this.#limits.idleTimeoutMs);
  }

  /** Ends the attempt. */
  onTimeout(): void {
    const { timeoutMs, idleTimeoutMs } = this.#limits;
    const isOver = this.#server.clock.now() >= this.#timeoutAtMs;
    this.#expirable.expire(isOver ? timeoutMs : idleTimeoutMs);
  }

  /** Takes note of a report. */
  noteReport(): void {
    this.#reportedMs = this.#server.clock.now();
  }

  /** Stands still until the server has what it asked for. */
  pause(answering: Promise<unknown>): void {
    const { clock, timer } = this.#server;
    if (this.#asking++ === 0) this.#askedMs = clock.now();
    timer.delete(this);
    const resume = (): void => {
      if (--this.#asking > 0) return;
      const pausedMs = clock.now() - this.#askedMs;
      this.pausedMs += pausedMs;
      this.#startedMs += pausedMs;
      this.#reportedMs += pausedMs;
      this.#watch();
    };
    answering.then(resume, resume);
  }

  /** Stops for good: no answer starts them again. */
  stop(): void {
    this.#asking = Infinity;
    this.#server.timer.delete(this);
  }

  get #timeoutAtMs(): number {
    return this.#startedMs + this.#limits.timeoutMs;
  }

  #watch(): void {
    const { clock, timer } = this.#server;
    if (this.atMs < this.#limits.deadline.atMsOn(clock)) timer.add(this);
  }
}
