/**
 * One copy of a request that runs.
 *
 * @typeParam T What it brings.
 */
export interface Copy<T> {
  readonly result: Promise<T>;
  /** Ends it because the other copy won. */
  abort(): void;
}

/**
 * When another copy goes out, and who hears of it.
 *
 * @typeParam T What a copy brings.
 */
export interface HedgeOptions<T> {
  /** How long the first copy is waited for, in milliseconds. */
  readonly afterMs: number;
  /** Calls back after a wait and returns the undoing of that. */
  readonly setTimer: (ms: number, callback: () => void) => () => void;
  /** Starts another copy, if one may go out now; it never waits. */
  readonly start: () => Copy<T> | undefined;
  /** Called once if there was another copy, with whether that one won. */
  readonly onEnd: (won: boolean) => void;
}

/**
 * Waits for a copy of a request, and sends another one if it takes long. The first result wins and
 * the other copy is ended at once; a failure waits for the other copy.
 *
 * @typeParam T What a copy brings.
 * @param first The copy that runs already.
 * @param options When another one goes out.
 * @returns The first result.
 * @throws The failure of the copy that failed last.
 */
export function hedge<T>(first: Copy<T>, options: HedgeOptions<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    let running = 1;
    let second: Copy<T> | undefined;
    const follow = (copy: Copy<T>): void => {
      copy.result.then((result) => {
        // The copy that lost may have ended all the same; the one that won is not to be touched.
        if (ended) return;
        const other = copy === first ? second : first;
        end(copy !== first);
        other?.abort();
        resolve(result);
      }, (error) => {
        if (--running > 0) return;
        end(false);
        reject(error);
      });
    };
    const undoTimer = options.setTimer(options.afterMs, () => {
      second = options.start();
      if (second === undefined) return;
      running++;
      follow(second);
    });
    let ended = false;
    const end = (won: boolean): void => {
      ended = true;
      undoTimer();
      if (second !== undefined) options.onEnd(won);
    };
    follow(first);
  });
}
