import type { Deadline } from "../resilience/deadline.ts";
import type { DeadlineTimer } from "../resilience/deadline_timer.ts";

/**
 * Settles as a promise does, or rejects with the signal's reason as soon as that is aborted. What the
 * promise does later is its owner's business; its rejection is not reported as unhandled.
 */
export function abortable<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason);
    if (signal.aborted) abort();
    signal.addEventListener("abort", abort, { once: true });
    const undo = (): void => signal.removeEventListener("abort", abort);
    promise.then((value) => (undo(), resolve(value)), (error) => (undo(), reject(error)));
  });
}

/**
 * An abort controller that tells its own side without a listener: one listener of a signal takes
 * longer than all promises of an attempt on Bun, and holds 300 bytes on Node.
 */
export class OwnController extends AbortController {
  /** Unset until there is one. */
  #onAbort: (() => void)[] | undefined;

  /** Aborts the signal, then calls back whoever asked for it. */
  override abort(reason?: unknown): void {
    if (this.signal.aborted) return;
    super.abort(reason);
    for (const onAbort of this.#onAbort?.slice() ?? []) onAbort();
  }

  /** Calls back once it is aborted; at once if it is already. */
  add(onAbort: () => void): void {
    if (this.signal.aborted) return onAbort();
    if (this.#onAbort === undefined) this.#onAbort = [onAbort];
    else this.#onAbort.push(onAbort);
  }

  /** Undoes {@linkcode add}. */
  delete(onAbort: () => void): void {
    const place = this.#onAbort?.indexOf(onAbort) ?? -1;
    if (place >= 0) this.#onAbort?.splice(place, 1);
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
