import type { Clock } from "../resilience/clock.ts";
import { Deadline } from "../resilience/deadline.ts";

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

/** Aborts a controller together with a signal. Returns the undoing of the link. */
export function linkAbort(
  signal: AbortSignal | undefined,
  controller: AbortController,
): () => void {
  if (signal === undefined) return () => {};
  const abort = (): void => controller.abort(signal.reason);
  if (signal.aborted) abort();
  signal.addEventListener("abort", abort, { once: true });
  return () => signal.removeEventListener("abort", abort);
}

/** What limits {@linkcode withTimeout}. */
export interface TimeoutOptions {
  readonly timeoutMs: number;
  readonly clock: Clock;
  readonly signal: AbortSignal | undefined;
  /** Makes the reason of the abort when the time is over. */
  readonly error: () => unknown;
}

/** Runs a function with a signal that is aborted by an outer one or after a length of time. */
export async function withTimeout<T>(
  options: TimeoutOptions,
  fn: (signal: AbortSignal, deadline: Deadline) => Promise<T>,
): Promise<T> {
  const { timeoutMs, clock, signal, error } = options;
  const controller = new AbortController();
  const unlink = linkAbort(signal, controller);
  const undoTimer = timeoutMs === Infinity
    ? () => {}
    : clock.setTimer(timeoutMs, () => controller.abort(error()));
  try {
    return await fn(controller.signal, Deadline.after(timeoutMs, clock));
  } finally {
    unlink();
    undoTimer();
  }
}
