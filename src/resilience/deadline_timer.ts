import type { Clock, UndoTimer } from "./clock.ts";
import type { Deadline } from "./deadline.ts";

/** What happens at an instant unless it is undone. */
export interface Timed {
  /** The instant, in milliseconds of the timer's clock; may move on. `Infinity` never comes. */
  readonly atMs: number;
  /** Called once when it has come. */
  onTimeout(): void;
}

/**
 * Watches many deadlines with one timer of the clock. Nearly all of them are given up before they
 * come, and on Deno a timer of its own costs each call a tenth of what its `fetch` costs. So, where a
 * timer need not keep the process alive, one that nobody needs any more is left to run out: the next
 * call has use for it.
 */
export class DeadlineTimer {
  readonly #clock: Clock;
  readonly #entries = new Set<Timed>();
  #armedAtMs = Infinity;
  #undo: UndoTimer = () => {};
  #isResting = false;
  #isClosed = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Calls back once when a deadline has come. Returns the undoing of that. */
  watch(deadline: Deadline, onTimeout: () => void): () => void {
    return this.#watch(deadline.atMsOn(this.#clock), onTimeout);
  }

  /** Calls back once when so many milliseconds are over. Returns the undoing of that. */
  after(ms: number, onTimeout: () => void): () => void {
    return this.#watch(this.#clock.now() + ms, onTimeout);
  }

  /** Watches something until its instant has come, or until {@linkcode delete}. */
  add(timed: Timed): void {
    const { atMs } = timed;
    if (atMs === Infinity) return;
    this.#entries.add(timed);
    if (atMs < this.#armedAtMs) this.#arm(atMs);
    else if (this.#isResting) this.#rest(false);
  }

  /** Watches something no more. */
  delete(timed: Timed): void {
    if (!this.#entries.delete(timed) || this.#entries.size > 0) return;
    if (this.#armedAtMs === Infinity) return;
    if (this.#undo.keepAlive === undefined || this.#isClosed) this.#disarm();
    else this.#rest(true);
  }

  /** Leaves no timer behind from now on, once nothing is watched. */
  close(): void {
    this.#isClosed = true;
    if (this.#entries.size === 0) this.#disarm();
  }

  #watch(atMs: number, onTimeout: () => void): () => void {
    const timed = { atMs, onTimeout };
    this.add(timed);
    return () => this.delete(timed);
  }

  #arm(atMs: number): void {
    this.#disarm();
    this.#armedAtMs = atMs;
    this.#undo = this.#clock.setTimer(atMs - this.#clock.now(), () => this.#check());
  }

  #disarm(): void {
    this.#undo();
    this.#armedAtMs = Infinity;
    this.#isResting = false;
  }

  #rest(isResting: boolean): void {
    this.#isResting = isResting;
    this.#undo.keepAlive?.(!isResting);
  }

  #check(): void {
    this.#disarm();
    const nowMs = this.#clock.now();
    for (const timed of this.#entries) {
      if (timed.atMs > nowMs) continue;
      this.#entries.delete(timed);
      timed.onTimeout();
    }
    let nearestMs = Infinity;
    for (const { atMs } of this.#entries) nearestMs = Math.min(nearestMs, atMs);
    if (nearestMs < this.#armedAtMs) this.#arm(nearestMs);
  }
}
