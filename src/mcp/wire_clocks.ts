import type { Clock } from "../resilience/clock.ts";
import { Deadline } from "../resilience/deadline.ts";
import { DeadlineTimer } from "../resilience/deadline_timer.ts";
import { WireFault } from "./failure.ts";

/** How long a connection waits for its server, apart from any deadline. */
export interface WireClockOptions {
  readonly clock: Clock;
  /** For the head of an answer that needs no work; `Infinity` waits for ever. */
  readonly headersTimeoutMs: number;
  /** For the next byte of an event stream; `Infinity` waits for ever. */
  readonly bytesIdleTimeoutMs: number;
}

/** Watches one event stream. */
export interface ByteWatch {
  /** Says that bytes have arrived. */
  touch(): void;
  /** Ends the watch. */
  stop(): void;
}

/** Gives up what stays silent for too long; one timer serves all requests of a connection. */
export class WireClocks {
  readonly #options: WireClockOptions;
  readonly #timer: DeadlineTimer;
  /** For how many things silence is let pass, and until when it was the last time. */
  #held = 0;
  #heldUntilMs = -Infinity;

  constructor(options: WireClockOptions, timer = new DeadlineTimer(options.clock)) {
    this.#options = options;
    this.#timer = timer;
  }

  /** Leaves no timer behind, once nothing is watched. */
  close(): void {
    this.#timer.close();
  }

  /** Aborts a request unless this is undone in time. */
  watchHead(abort: AbortController): () => void {
    const { clock, headersTimeoutMs } = this.#options;
    return this.#timer.watch(Deadline.after(headersTimeoutMs, clock), () => {
      abort.abort(new WireFault({ kind: "no_answer" }));
    });
  }

  /** Lets every event stream be silent until something is done: its server waits for that. */
  hold(work: Promise<unknown>): void {
    this.#held++;
    const release = (): void => {
      this.#held--;
      this.#heldUntilMs = this.#options.clock.now();
    };
    work.then(release, release);
  }

  /**
   * Aborts a request whose event stream falls silent.
   *
   * @param onSilence Called after that, to end the reading too.
   */
  watchBytes(abort: AbortController, onSilence: () => void): ByteWatch {
    const { clock, bytesIdleTimeoutMs } = this.#options;
    let silentAtMs = clock.now() + bytesIdleTimeoutMs;
    const watch = () => this.#timer.watch(new Deadline(silentAtMs, clock), check);
    const check = (): void => {
      const heldUntilMs = this.#held > 0 ? clock.now() : this.#heldUntilMs;
      silentAtMs = Math.max(silentAtMs, heldUntilMs + bytesIdleTimeoutMs);
      // Bytes only move the instant: a timer for each of them would cost more than to read them.
      if (clock.now() < silentAtMs) {
        stop = watch();
        return;
      }
      abort.abort(new WireFault({ kind: "no_answer", headReceived: true, timedOut: true }));
      onSilence();
    };
    let stop = watch();
    return {
      touch: () => void (silentAtMs = clock.now() + bytesIdleTimeoutMs),
      stop: () => stop(),
    };
  }
}
