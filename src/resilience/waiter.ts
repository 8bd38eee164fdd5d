import type { Clock } from "./clock.ts";
import type { ManagedResource } from "./managed_resource.ts";
import type { Priority } from "./pool_options.ts";
import { Link, WaitList } from "./wait_list.ts";

/** A caller that waits. One object for place, promise and listener keeps a waiter small. */
export class Waiter<T> extends Link implements EventListenerObject {
  /** When it began to wait, in milliseconds of the clock. */
  readonly startedMs: number;
  /** How long it waits at most, in milliseconds. */
  readonly timeoutMs: number;
  /** Where it was called from, if leases are watched. */
  readonly stack: string | undefined;
  readonly #queue: WaitQueue<T>;
  readonly #priority: Priority;
  readonly #signal: AbortSignal | undefined;
  readonly #lease = Promise.withResolvers<ManagedResource<T>>();

  constructor(
    queue: WaitQueue<T>,
    startedMs: number,
    timeoutMs: number,
    how: { readonly priority?: Priority; readonly signal?: AbortSignal },
    stack: string | undefined,
  ) {
    super();
    this.startedMs = startedMs;
    this.timeoutMs = timeoutMs;
    this.stack = stack;
    this.#queue = queue;
    this.#priority = how.priority ?? "interactive";
    this.#signal = how.signal;
    this.#signal?.addEventListener("abort", this);
    queue.add(this, this.#priority);
  }

  /** Settles exactly once, with the lease or with why there is none. */
  get promise(): Promise<ManagedResource<T>> {
    return this.#lease.promise;
  }

  /** Called by the signal. */
  handleEvent(): void {
    this.reject(this.#signal!.reason);
  }

  /** Rejects if the signal is aborted but has not told yet; tells whether it did. */
  rejectIfAborted(): boolean {
    if (this.#signal?.aborted !== true) return false;
    this.handleEvent();
    return true;
  }

  /** Ends the wait with a lease. */
  resolve(lease: ManagedResource<T>): void {
    this.#leave();
    this.#lease.resolve(lease);
  }

  /** Ends the wait without one. */
  reject(reason: unknown): void {
    this.#leave();
    this.#lease.reject(reason);
  }

  #leave(): void {
    this.#queue.remove(this, this.#priority);
    this.#signal?.removeEventListener("abort", this);
  }
}

/** What a queue tells of those in it. */
export interface WaitQueueHooks<T> {
  /** Somebody has waited for as long as it wanted to, and must be rejected. */
  timedOut(waiter: Waiter<T>): void;
  /** Nobody waits any more. */
  emptied(): void;
}

/**
 * All who wait: first come, first served within a priority. One timer watches them all: nearly
 * nobody waits to the end, and a timer of its own would be most of what a waiter costs.
 */
export class WaitQueue<T> {
  readonly #lists: Record<Priority, WaitList<Waiter<T>>> = {
    interactive: new WaitList(),
    background: new WaitList(),
  };
  readonly #clock: Clock;
  readonly #hooks: WaitQueueHooks<T>;
  #armedAtMs = Infinity;
  #undoTimer = (): void => {};

  constructor(clock: Clock, hooks: WaitQueueHooks<T>) {
    this.#clock = clock;
    this.#hooks = hooks;
  }

  /** How many wait. */
  get size(): number {
    return this.#lists.interactive.size + this.#lists.background.size;
  }

  /** Who is served next. */
  get first(): Waiter<T> | undefined {
    return this.#lists.interactive.first ?? this.#lists.background.first;
  }

  /** Adds a waiter. */
  add(waiter: Waiter<T>, priority: Priority): void {
    this.#lists[priority].add(waiter);
    const atMs = waiter.startedMs + waiter.timeoutMs;
    if (atMs < this.#armedAtMs) this.#arm(atMs, waiter.startedMs);
  }

  /** Removes a waiter. */
  remove(waiter: Waiter<T>, priority: Priority): void {
    this.#lists[priority].remove(waiter);
    if (this.size > 0) return;
    this.#disarm();
    this.#hooks.emptied();
  }

  /** Rejects everybody who waits now. */
  rejectAll(reason: () => unknown): void {
    while (this.first !== undefined) this.first.reject(reason());
  }

  #arm(atMs: number, nowMs: number): void {
    this.#disarm();
    this.#armedAtMs = atMs;
    this.#undoTimer = this.#clock.setTimer(atMs - nowMs, () => this.#check());
  }

  #disarm(): void {
    this.#undoTimer();
    this.#undoTimer = () => {};
    this.#armedAtMs = Infinity;
  }

  #check(): void {
    this.#disarm();
    const nowMs = this.#clock.now();
    let nearestMs = Infinity;
    for (const list of [this.#lists.interactive, this.#lists.background]) {
      for (const waiter of list) {
        const atMs = waiter.startedMs + waiter.timeoutMs;
        if (atMs <= nowMs) this.#hooks.timedOut(waiter);
        else nearestMs = Math.min(nearestMs, atMs);
      }
    }
    if (nearestMs < this.#armedAtMs) this.#arm(nearestMs, nowMs);
  }
}
