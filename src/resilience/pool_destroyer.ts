import type { Slot } from "./managed_resource.ts";
import type { DestroyReason, ResolvedPoolOptions } from "./pool_options.ts";

/** How long a resource that is slow to be destroyed keeps its place, in milliseconds. */
const HOLD_MS = 5_000;

/** Destroys resources, each once, and knows which of them still take a place. */
export class Destroyer<T> {
  /** How many were destroyed, by reason. */
  readonly counts: Record<DestroyReason, number> = {
    failed: 0,
    invalid: 0,
    retired: 0,
    idle: 0,
    aged: 0,
    pool_closed: 0,
    created_late: 0,
  };
  /** Those being destroyed. */
  readonly running: Map<Slot<T>, Promise<void>> = new Map();
  readonly #options: ResolvedPoolOptions<T>;
  readonly #onPlaceFree: () => void;
  readonly #holds = new Map<Slot<T>, () => void>();
  readonly #destroyed = new WeakSet<Slot<T>>();

  constructor(options: ResolvedPoolOptions<T>, onPlaceFree: () => void) {
    this.#options = options;
    this.#onPlaceFree = onPlaceFree;
  }

  /** How many places are taken by what is being destroyed. */
  get held(): number {
    return this.#holds.size;
  }

  /**
   * Destroys a resource, unless that was done before.
   *
   * @param slot The resource, which nobody may get any more.
   * @param reason Why.
   * @param keepsPlace Whether another may be created only when this one is gone, or slow to go.
   */
  destroy(slot: Slot<T>, reason: DestroyReason, keepsPlace = false): void {
    if (this.#destroyed.has(slot)) return;
    this.#destroyed.add(slot);
    this.counts[reason]++;
    if (keepsPlace) {
      this.#holds.set(slot, this.#options.clock.setTimer(HOLD_MS, () => this.#freePlace(slot)));
    }
    const { promise, resolve } = Promise.withResolvers<void>();
    this.running.set(slot, promise); // before anybody is told, who might ask how many there are
    this.#destroyNow(slot, reason).finally(() => {
      this.running.delete(slot);
      resolve();
      this.#freePlace(slot);
    });
  }

  /** Frees all places: nothing will be created any more. */
  freePlaces(): void {
    for (const slot of this.#holds.keys()) this.#freePlace(slot);
  }

  /** Waits until everything is destroyed, and what is still being created too. */
  async allDone(creations: ReadonlySet<Promise<void>>): Promise<void> {
    while (creations.size + this.running.size > 0) {
      await Promise.allSettled([...creations, ...this.running.values()]);
    }
  }

  #freePlace(slot: Slot<T>): void {
    this.#holds.get(slot)?.();
    if (this.#holds.delete(slot)) this.#onPlaceFree();
  }

  async #destroyNow({ resource, generation, end }: Slot<T>, reason: DestroyReason): Promise<void> {
    const { destroy, onEvent } = this.#options;
    onEvent?.({ type: "pool.destroyed", generation, ...end, reason });
    try {
      await destroy(resource);
    } catch (error) {
      onEvent?.({ type: "pool.destroy_failed", generation, error });
    }
  }
}
