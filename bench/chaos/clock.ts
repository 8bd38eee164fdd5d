import { setImmediate } from "node:timers";
import { type Clock, MAX_TIMER_MS, sleepOn } from "../../src/resilience/clock.ts";

interface Timer {
  readonly atMs: number;
  readonly order: number;
  callback: (() => void) | undefined;
}

/** Where the virtual wall clock stands at the virtual instant 0. */
const EPOCH_MS = Date.UTC(2026, 0, 1);
/** What settles through promises alone has settled after so many macrotasks. */
const MACROTASKS = 3;

/** Time that passes from timer to timer, as fast as the program runs. */
export class VirtualClock implements Clock {
  #nowMs: number;
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
    return Math.floor(EPOCH_MS + this.#nowMs);
  }

  setTimer(ms: number, callback: () => void): () => void {
    const atMs = this.#nowMs + Math.min(Math.max(ms, 0), MAX_TIMER_MS);
    const timer: Timer = { atMs, order: this.#order++, callback };
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
      await settle();
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

async function settle(): Promise<void> {
  for (let turn = 0; turn < MACROTASKS; turn++) {
    await new Promise<void>((resolve) => void setImmediate(resolve));
  }
}
