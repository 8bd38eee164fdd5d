import type { ExecutionProgress } from "./execution_progress.ts";

interface Waiter<T> {
  readonly resolve: (result: IteratorResult<T, undefined>) => void;
  readonly reject: (reason: unknown) => void;
}

/**
 * Reads one execution at its own pace. It is known to the execution, and listens to its signal,
 * only while somebody waits for a value: a reader that is merely dropped leaves nothing behind.
 */
class Reader<T> implements AsyncIterator<T, undefined> {
  readonly #execution: ExecutionProgress;
  readonly #take: () => T | undefined;
  readonly #signal: AbortSignal | undefined;
  readonly #waiters: Waiter<T>[] = [];
  #done = false;

  constructor(
    execution: ExecutionProgress,
    take: () => T | undefined,
    signal: AbortSignal | undefined,
  ) {
    this.#execution = execution;
    this.#take = take;
    this.#signal = signal;
  }

  next(): Promise<IteratorResult<T, undefined>> {
    return new Promise((resolve, reject) => {
      this.#waiters.push({ resolve, reject });
      if (!this.#done && this.#signal?.aborted) return this.#abort();
      this.#execution.publishDue();
      this.#settle();
      if (this.#waiters.length === 0) return;
      this.#execution.addWaiting(this.#settle);
      this.#signal?.addEventListener("abort", this.#abort);
    });
  }

  return(): Promise<IteratorResult<T, undefined>> {
    this.#done = true;
    this.#settle();
    return Promise.resolve({ done: true, value: undefined });
  }

  readonly #settle = (): void => {
    while (this.#waiters.length > 0) {
      const value = this.#done ? undefined : this.#take();
      if (value === undefined && !this.#done && !this.#execution.ended) return;
      this.#done ||= value === undefined;
      this.#waiters.shift()!.resolve(
        value === undefined ? { done: true, value: undefined } : { done: false, value },
      );
    }
    this.#stopWaiting();
  };

  readonly #abort = (): void => {
    this.#done = true;
    this.#waiters.shift()?.reject(this.#signal?.reason);
    this.#settle();
  };

  #stopWaiting(): void {
    this.#execution.deleteWaiting(this.#settle);
    this.#signal?.removeEventListener("abort", this.#abort);
  }
}

/**
 * Makes an execution readable, by each `for await` from the start.
 *
 * @typeParam T What is read.
 * @param execution The execution; kept in memory as long as the iterable is.
 * @param start Called once per reader; returns what takes the reader's next value, if there is one.
 * @param signal Ends every reader with its reason.
 * @returns The iterable; ends with the execution.
 */
export function readExecution<T>(
  execution: ExecutionProgress,
  start: () => () => T | undefined,
  signal: AbortSignal | undefined,
): AsyncIterable<T> {
  return { [Symbol.asyncIterator]: () => new Reader(execution, start(), signal) };
}
