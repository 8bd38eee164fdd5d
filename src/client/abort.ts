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
