import type { ManagedResource } from "./managed_resource.ts";
import type { Priority } from "./pool_options.ts";
import { WaitList } from "./wait_list.ts";

/** A caller that waits. One object for promise and listener keeps a waiter small. */
export class Waiter<T> implements EventListenerObject {
  /** When it began to wait, in milliseconds of the clock. */
  readonly startedMs: number;
  /** Where it was called from, if leases are watched. */
  readonly stack: string | undefined;
  /** Undoes its place in the queue. */
  leave: () => void = () => {};
  /** Undoes its timer. */
  undoTimer: () => void = () => {};
  readonly #signal: AbortSignal | undefined;
  readonly #lease = Promise.withResolvers<ManagedResource<T>>();

  constructor(startedMs: number, signal: AbortSignal | undefined, stack: string | undefined) {
    this.startedMs = startedMs;
    this.stack = stack;
    this.#signal = signal;
    signal?.addEventListener("abort", this, { once: true });
  }

  /** Settles exactly once, with the lease or with why there is none. */
  get promise(): Promise<ManagedResource<T>> {
    return this.#lease.promise;
  }

  /** Called by the signal. */
  handleEvent(): void {
    this.reject(this.#signal?.reason);
  }

  /** Rejects if the signal is aborted but has not told yet; tells whether it did. */
  rejectIfAborted(): boolean {
    if (this.#signal?.aborted !== true) return false;
    this.handleEvent();
    return true;
  }

  /** Ends the wait with a lease. */
  resolve(lease: ManagedResource<T>): void {
    this.#settle();
    this.#lease.resolve(lease);
  }

  /** Ends the wait without one. */
  reject(reason: unknown): void {
    this.#settle();
    this.#lease.reject(reason);
  }

  #settle(): void {
    this.leave();
    this.undoTimer();
    this.#signal?.removeEventListener("abort", this);
  }
}

/** All who wait: first come, first served within a priority. */
export class WaitQueue<T> {
  readonly #lists: Record<Priority, WaitList<Waiter<T>>> = {
    interactive: new WaitList(),
    background: new WaitList(),
  };

  /** How many wait. */
  get size(): number {
    return this.#lists.interactive.size + this.#lists.background.size;
  }

  /** Who is served next. */
  get first(): Waiter<T> | undefined {
    return this.#lists.interactive.first ?? this.#lists.background.first;
  }

  /** Adds a waiter and returns its removal. */
  add(waiter: Waiter<T>, priority: Priority): () => void {
    return this.#lists[priority].add(waiter);
  }

  /** Rejects everybody who waits now. */
  rejectAll(reason: () => unknown): void {
    while (this.first !== undefined) this.first.reject(reason());
  }
}
