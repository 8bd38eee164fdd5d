/** Time as a value: what AutoMCP knows of it, so that tests can own it. */
export interface Clock {
  /** Returns monotonic time in milliseconds; only differences mean something. */
  now(): number;
  /** Returns the wall-clock time in milliseconds since the Unix epoch. */
  wall(): number;
  /**
   * Calls back once after a wait.
   *
   * @param ms The wait in milliseconds, clamped to 0 … 2³¹ − 1.
   * @param callback Called once when the wait is over.
   * @param options Whether the process must live on for it.
   * @returns A function that undoes the timer; calling it later or twice is harmless.
   */
  setTimer(ms: number, callback: () => void, options?: TimerOptions): UndoTimer;
  /**
   * Waits.
   *
   * @param ms The wait in milliseconds, clamped to 0 … 2³¹ − 1.
   * @param signal Ends the wait early.
   * @returns Nothing, after the wait.
   * @throws The reason of the signal, in the same task as its abort.
   */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/** How a timer is set. */
export interface TimerOptions {
  /**
   * Whether the process lives on for the timer, in runtimes whose timers let one choose.
   *
   * @default {true}
   */
  readonly keepAlive?: boolean;
}

/** Undoes a timer when called. */
export interface UndoTimer {
  (): void;
  /**
   * Says anew whether the process lives on for the timer. Absent where timers do not let one choose;
   * there a timer that nobody needs is undone.
   */
  keepAlive?(isKept: boolean): void;
}

/** The longest wait that the timers of all runtimes can take, in milliseconds. */
export const MAX_TIMER_MS: number = 2 ** 31 - 1;

/**
 * Waits on a clock's timer.
 *
 * @param clock The clock whose timer is used.
 * @param ms The wait in milliseconds.
 * @param signal Ends the wait early.
 */
export function sleepOn(
  clock: Pick<Clock, "setTimer">,
  ms: number,
  signal?: AbortSignal,
): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const abort = (): void => {
      undo();
      reject(signal?.reason);
    };
    const undo = clock.setTimer(ms, () => {
      signal?.removeEventListener("abort", abort);
      resolve();
    });
    signal?.addEventListener("abort", abort, { once: true });
  });
}

/** Waits for a promise that never rejects, but not longer than so many milliseconds. */
export async function waitAtMost(
  ms: number,
  promise: Promise<unknown>,
  clock: Pick<Clock, "setTimer">,
): Promise<void> {
  let undo = (): void => {};
  const timeout = new Promise<void>((resolve) => {
    undo = clock.setTimer(ms, resolve);
  });
  await Promise.race([promise, timeout]);
  undo();
}

/** Deno, Node and Bun return an object; browsers and Workers a number. */
type RuntimeTimer = number | { ref(): unknown; unref(): unknown };

/** The clock of the runtime. */
export const systemClock: Clock = {
  now: () => performance.now(),
  wall: () => Date.now(),
  setTimer(ms, callback, options) {
    const waitMs = Math.min(Math.max(ms, 0), MAX_TIMER_MS);
    const timer = setTimeout(callback, waitMs) as RuntimeTimer;
    const undo: UndoTimer = () => clearTimeout(timer as number);
    if (typeof timer === "object") {
      undo.keepAlive = (isKept) => void (isKept ? timer.ref() : timer.unref());
      if (options?.keepAlive === false) timer.unref();
    }
    return undo;
  },
  sleep: (ms, signal) => sleepOn(systemClock, ms, signal),
};

/** The chance of the runtime: 0 <= x < 1. */
export const systemRandom: () => number = Math.random;
