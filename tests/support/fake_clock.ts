import { type Clock, MAX_TIMER_MS, sleepOn } from "../../src/resilience/clock.ts";

interface Timer {
  atMs: number;
  order: number;
  callback: () => void;
}

/** A clock that only the test moves. Knows no runtime, so it runs in all of them. */
export class FakeClock implements Clock {
  #nowMs = 0;
  #wallOffsetMs: number;
  #order = 0;
  readonly #timers = new Set<Timer>();
  /** Every wait that was asked for through `sleep()`, in milliseconds. */
  readonly sleeps: number[] = [];

  constructor(wallMs = Date.UTC(2026, 0, 1)) {
    this.#wallOffsetMs = wallMs;
  }

  now(): number {
    return this.#nowMs;
  }

  wall(): number {
    return this.#wallOffsetMs + this.#nowMs;
  }

  setTimer(ms: number, callback: () => void): () => void {
    const waitMs = Math.min(Math.max(ms, 0), MAX_TIMER_MS);
    const timer = { atMs: this.#nowMs + waitMs, order: this.#order++, callback };
    this.#timers.add(timer);
    return () => void this.#timers.delete(timer);
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    this.sleeps.push(ms);
    return sleepOn(this, ms, signal);
  }

  /** How many timers are set; 0 when nothing is left behind. */
  get timers(): number {
    return this.#timers.size;
  }

  /** How long until the next timer fires, in milliseconds; `undefined` without a timer. */
  get nextTimerMs(): number | undefined {
    const next = this.#next();
    return next === undefined ? undefined : next.atMs - this.#nowMs;
  }

  /** Moves the wall clock alone, as a user or NTP does. */
  jumpWall(ms: number): void {
    this.#wallOffsetMs += ms;
  }

  /** Lets all promises settle, then moves time on, timer by timer, settling promises after each. */
  async advance(ms: number): Promise<void> {
    const endMs = this.#nowMs + ms;
    await settle();
    for (let next = this.#next(); next !== undefined && next.atMs <= endMs; next = this.#next()) {
      this.#nowMs = Math.max(this.#nowMs, next.atMs);
      this.#timers.delete(next);
      next.callback();
      await settle();
    }
    this.#nowMs = endMs;
  }

  #next(): Timer | undefined {
    let next: Timer | undefined;
    for (const timer of this.#timers) {
      if (
        next === undefined || timer.atMs < next.atMs ||
        (timer.atMs === next.atMs && timer.order < next.order)
      ) next = timer;
    }
    return next;
  }
}

/** Lets every promise that can settle do so: one macrotask is after all queued microtasks. */
export async function settle(): Promise<void> {
  portIsMacrotask ??= probePort();
  await (await portIsMacrotask ? passPort() : new Promise((resolve) => setTimeout(resolve, 0)));
}

/** A message to oneself: where it is a macrotask, it is one without a timer's wait. */
function passPort(): Promise<void> {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(null);
  });
}

let portIsMacrotask: Promise<boolean> | undefined;

/** workerd delivers a port's message between microtasks; there only a timer is a macrotask. */
async function probePort(): Promise<boolean> {
  let delivered = false;
  const passed = passPort().then(() => delivered = true);
  for (let turn = 0; turn < 20; turn++) await null;
  const late = !delivered;
  await passed;
  return late;
}
