import type { Clock } from "./clock.ts";
import type { Deadline } from "./deadline.ts";

interface Entry {
  readonly atMs: number;
  readonly onTimeout: () => void;
}

/**
 * Watches many deadlines with one timer of the clock. Nearly all of them are given up before they
 * come, and on Deno a timer of its own costs each call a tenth of what its `fetch` costs.
 */
export class DeadlineTimer {
  readonly #clock: Clock;
  readonly #entries = new Set<Entry>();
  #armedAtMs = Infinity;
  #undo = (): void => {};

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Calls back once when a deadline has come. Returns the undoing of that. */
  watch(deadline: Deadline, onTimeout: () => void): () => void {
    return this.#add(deadline.atMsOn(this.#clock), onTimeout);
  }

  /** Calls back once when so many milliseconds are over. Returns the undoing of that. */
  after(ms: number, onTimeout: () => void): () => void {
    return this.#add(this.#clock.now() + ms, onTimeout);
  }

  #add(atMs: number, onTimeout: () => void): () => void {
    if (atMs === Infinity) return () => {};
    const entry = { atMs, onTimeout };
    this.#entries.add(entry);
    if (atMs < this.#armedAtMs) this.#arm(atMs);
    return () => {
      this.#entries.delete(entry);
      if (this.#entries.size === 0) this.#disarm();
    };
  }

  #arm(atMs: number): void {
    this.#disarm();
    this.#armedAtMs = atMs;
    this.#undo = this.#clock.setTimer(atMs - this.#clock.now(), () => this.#check());
  }

  #disarm(): void {
    this.#undo();
    this.#armedAtMs = Infinity;
  }

  #check(): void {
    this.#disarm();
    const nowMs = this.#clock.now();
    for (const entry of this.#entries) {
      if (entry.atMs > nowMs) continue;
      this.#entries.delete(entry);
      entry.onTimeout();
    }
    let nearestMs = Infinity;
    for (const { atMs } of this.#entries) nearestMs = Math.min(nearestMs, atMs);
    if (nearestMs < this.#armedAtMs) this.#arm(nearestMs);
  }
}
