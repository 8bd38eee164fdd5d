import type { AbortSource } from "../resilience/abort_source.ts";
import type { Deadline } from "../resilience/deadline.ts";
import type { DeadlineTimer } from "../resilience/deadline_timer.ts";

/**
 * Settles as a promise does, or rejects with the signal's reason as soon as that is aborted. What the
 * promise does later is its owner's business; its rejection is not reported as unhandled.
 */
export function abortable<T>(promise: Promise<T>, signal: AbortSource): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason);
    if (signal.aborted) abort();
    signal.addEventListener("abort", abort, { once: true });
    const undo = (): void => signal.removeEventListener("abort", abort);
    promise.then((value) => (undo(), resolve(value)), (error) => (undo(), reject(error)));
  });
}

/**
 * Ends an execution or an attempt. To its own side it is an abort source itself; a signal is made only
 * for who asks for one: a signal holds 600 bytes on Node, a listener of it 300 more, and on Bun one
 * takes longer than all promises of an attempt.
 */
export class OwnController implements AbortSource {
  #aborted = false;
  #reason: unknown;
  /** Unset until somebody asks for a signal. */
  #controller: AbortController | undefined;
  /** Unset until there is one. */
  #listeners: (() => void)[] | undefined;

  get aborted(): boolean {
    return this.#aborted;
  }

  get reason(): unknown {
    return this.#reason;
  }

  /** A signal that is aborted with it. */
  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#aborted) this.#controller.abort(this.#reason);
    }
    return this.#controller.signal;
  }

  /** Aborts the signal, then tells its own side; only the first abort counts. */
  abort(reason: unknown): void {
    if (this.#aborted) return;
    this.#aborted = true;
    this.#reason = reason;
    this.#controller?.abort(reason);
    for (const listener of this.#listeners?.slice() ?? []) listener();
  }

  /** Calls back once it is aborted. */
  addEventListener(_type: "abort", listener: () => void): void {
    if (this.#listeners === undefined) this.#listeners = [listener];
    else this.#listeners.push(listener);
  }

  /** Undoes {@linkcode addEventListener}. */
  removeEventListener(_type: "abort", listener: () => void): void {
    const place = this.#listeners?.indexOf(listener) ?? -1;
    if (place >= 0) this.#listeners?.splice(place, 1);
  }
}

/** What ends a function early that runs {@linkcode withDeadline}. */
export interface DeadlineOptions {
  /** What the function's signal belongs to. */
  readonly controller: AbortController;
  /** Aborts the controller with its own reason. */
  readonly signal: AbortSignal | undefined;
  readonly deadline: Deadline;
  readonly timer: DeadlineTimer;
  /** Called at the deadline; must abort the controller. */
  readonly onTimeout: () => void;
}

/** Runs a function while a signal and a deadline can abort a controller, and not any longer. */
export async function withDeadline<T>(
  { controller, signal, deadline, timer, onTimeout }: DeadlineOptions,
  fn: () => Promise<T>,
): Promise<T> {
  const abort = (): void => controller.abort(signal?.reason);
  if (signal?.aborted) abort();
  signal?.addEventListener("abort", abort, { once: true });
  if (deadline.isPast()) onTimeout();
  const undo = timer.watch(deadline, onTimeout);
  try {
    return await fn();
  } finally {
    signal?.removeEventListener("abort", abort);
    undo();
  }
}
