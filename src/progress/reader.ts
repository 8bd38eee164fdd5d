import type { ExecutionProgress } from "./execution_progress.ts";

/**
 * Makes an execution readable, by each `for await` from the start and at its own pace. A reader is
 * known to the execution, and listens to its signal, only while it waits for a value: one that is
 * merely dropped leaves nothing behind.
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
  return {
    [Symbol.asyncIterator]() {
      const take = start();
      let wake = (): void => {};
      let left = false;
      const wait = (): Promise<void> =>
        new Promise((resolve) => {
          wake = () => {
            execution.deleteWaiting(wake);
            signal?.removeEventListener("abort", wake);
            resolve();
          };
          execution.addWaiting(wake);
          signal?.addEventListener("abort", wake);
        });
      const values = (async function* (): AsyncGenerator<T, undefined> {
        while (!left) {
          signal?.throwIfAborted();
          execution.publishDue();
          const value = take();
          if (value !== undefined) yield value;
          else if (execution.ended) return;
          else await wait();
        }
      })();
      return {
        next: () => values.next(),
        return() {
          left = true;
          wake();
          return values.return(undefined);
        },
      };
    },
  };
}
