import { setImmediate } from "node:timers";
import { type Clock, MAX_TIMER_MS, sleepOn } from "../../src/resilience/clock.ts";

interface Timer {
  readonly atMs: number;
  readonly order: number;
  /** Whether promises may follow from it. */
  readonly settles: boolean;
  callback: (() => void) | undefined;
}

/** Where the virtual wall clock stands at the virtual instant 0. */
const EPOCH_MS = Date.UTC(2026, 0, 1);
/** Time that passes from timer to timer, as fast as the program runs. */
export class VirtualClock implements Clock {
  #nowMs: number;
  #wallOffsetMs = 0;
  #order = 0;
  #live = 0;
  /** A binary heap: the earliest first, of equals the one that was set first. */
  readonly #heap: Timer[] = [];

  constructor(startMs = 0) {
    this.#nowMs = startMs;
  }

  /** How many timers are set. */
  get timers(): number {
    return this.#live;
  }

  now(): number {
    return this.#nowMs;
  }

  wall(): number {
    return this.trueWall() + this.#wallOffsetMs;
  }

  /** The wall clock of everybody whose clock does not jump. */
  trueWall(): number {
    return Math.floor(EPOCH_MS + this.#nowMs);
  }

  /** Sets the wall clock forward, or back. What measures time does not notice. */
  jumpWall(byMs: number): void {
    this.#wallOffsetMs += byMs;
  }

  setTimer(ms: number, callback: () => void): () => void {
    return this.#set(ms, callback, true);
  }

  /**
   * As {@linkcode setTimer}, for what goes on inside the model: a callback from which nothing follows
   * but other timers. No promise has to settle after it, which makes it cheap.
   */
  setModelTimer(ms: number, callback: () => void): () => void {
    return this.#set(ms, callback, false);
  }

  #set(ms: number, callback: () => void, settles: boolean): () => void {
    const atMs = this.#nowMs + Math.min(Math.max(ms, 0), MAX_TIMER_MS);
    const timer: Timer = { atMs, order: this.#order++, settles, callback };
    this.#push(timer);
    this.#live++;
    return () => {
      if (timer.callback === undefined) return;
      timer.callback = undefined;
      this.#live--;
    };
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return sleepOn(this, ms, signal);
  }

  /** Fires timers, the earliest first, until it is done, none is left or the signal is aborted. */
  async run(isDone: () => boolean, signal?: AbortSignal): Promise<void> {
    await settle();
    while (!isDone()) {
      signal?.throwIfAborted();
      const timer = this.#pop();
      if (timer === undefined) return;
      if (timer.callback === undefined) continue;
      this.#nowMs = timer.atMs;
      this.#live--;
      const { callback } = timer;
      timer.callback = undefined;
      callback();
      if (timer.settles) await settle();
    }
  }

  #push(timer: Timer): void {
    const heap = this.#heap;
    let at = heap.push(timer) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!isBefore(timer, heap[parent]!)) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = timer;
  }

  #pop(): Timer | undefined {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (heap.length === 0 || last === undefined) return first;
    let at = 0;
    while (true) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++;
      if (!isBefore(heap[child]!, last)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = last;
    return first;
  }
}

function isBefore(a: Timer, b: Timer): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
}

/** One macrotask: before it runs, all that settles through promises alone has settled. */
function settle(): Promise<void> {
  return new Promise((resolve) => void setImmediate(resolve));
}
