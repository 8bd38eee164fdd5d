import type { ManagedResource } from "./managed_resource.ts";
import type { Priority } from "./pool_options.ts";
import { WaitList } from "./wait_list.ts";

/** A caller that waits. One object for promise, timer and listener keeps a waiter small. */
export class Waiter<T> implements EventListenerObject {
  readonly startedMs: number;
  readonly promise: Promise<ManagedResource<T>>;
  leave: () => void = () => {};
  undoTimer: () => void = () => {};
  readonly #signal: AbortSignal | undefined;
  #resolve!: (lease: ManagedResource<T>) => void;
  #reject!: (reason: unknown) => void;

  constructor(startedMs: number, signal: AbortSignal | undefined) {
    this.startedMs = startedMs;
    this.#signal = signal;
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    signal?.addEventListener("abort", this, { once: true });
  }

  handleEvent(): void {
    this.reject(this.#signal?.reason);
  }

  /** Leaves if the signal is aborted but has not told yet: the place belongs to the next. */
  rejectIfAborted(): boolean {
    if (this.#signal?.aborted !== true) return false;
    this.handleEvent();
    return true;
  }

  resolve(lease: ManagedResource<T>): void {
    this.#settle();
    this.#resolve(lease);
  }

  reject(reason: unknown): void {
    this.#settle();
    this.#reject(reason);
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
