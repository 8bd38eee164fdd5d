import type { Deadline } from "../resilience/deadline.ts";
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
export class AttemptClocks {
  /** How long they have stood still, in milliseconds. */
  pausedMs = 0;
  readonly #server: Server;
  readonly #limits: AttemptLimits;
  readonly #onExpire: (ms: number) => void;
  #startedMs: number;
  #reportedMs: number;
  /** Since when the server waits for answers, and for how many. */
  #askedMs = 0;
  #asking = 0;
  #undoTimeout = nothing;
  #undoIdle = nothing;

  /**
   * Starts the clocks.
   *
   * @param onExpire Called with the time that is over.
   */
  constructor(
    server: Server,
    limits: AttemptLimits,
    startedMs: number,
    onExpire: (ms: number) => void,
  ) {
    this.#server = server;
    this.#limits = limits;
    this.#onExpire = onExpire;
    this.#startedMs = this.#reportedMs = startedMs;
    this.#watch();
  }

  /** Takes note of a report. */
  noteReport(): void {
    this.#reportedMs = this.#server.clock.now();
  }

  /** Stands still until the server has what it asked for. */
  pause(answering: Promise<unknown>): void {
    const { clock } = this.#server;
    if (this.#asking++ === 0) this.#askedMs = clock.now();
    this.#undo();
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
    this.#undo();
  }

  #watch(): void {
    const { clock, timer } = this.#server;
    const { timeoutMs, idleTimeoutMs, deadline } = this.#limits;
    const remainingMs = deadline.remainingMs();
    const leftMs = this.#startedMs + timeoutMs - clock.now();
    if (leftMs < remainingMs) {
      this.#undoTimeout = timer.after(leftMs, () => this.#onExpire(timeoutMs));
    }
    if (idleTimeoutMs < remainingMs) this.#watchReports();
  }

  #watchReports(): void {
    const { clock, timer } = this.#server;
    const { idleTimeoutMs } = this.#limits;
    // The instant first: a length of time would keep a rounding error that no timer can wait out.
    const leftMs = this.#reportedMs + idleTimeoutMs - clock.now();
    if (leftMs <= 0) this.#onExpire(idleTimeoutMs);
    else this.#undoIdle = timer.after(leftMs, () => this.#watchReports());
  }

  #undo(): void {
    this.#undoTimeout();
    this.#undoIdle();
  }
}

function nothing(): void {}
