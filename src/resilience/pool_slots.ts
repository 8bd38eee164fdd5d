import type { Slot } from "./managed_resource.ts";
import type { ResolvedPoolOptions } from "./pool_options.ts";

/** The resources that may be lent, the oldest first: idle, busy, and those being validated. */
export class Slots<T> implements Iterable<Slot<T>> {
  /** Replaced whenever one is taken out, so that whoever is going through them can end some. */
  #all: Slot<T>[] = [];
  readonly #validating = new Set<Slot<T>>();
  readonly #staleAfterMs: number;

  constructor({ validate, validateAfterIdleMs }: ResolvedPoolOptions<T>) {
    this.#staleAfterMs = validate === undefined ? Infinity : validateAfterIdleMs;
  }

  /** How many there are. */
  get size(): number {
    return this.#all.length;
  }

  /** How many have a lease: looked up, as a count of its own would cost each lease a third more. */
  get busy(): number {
    let busy = 0;
    for (const { leases } of this.#all) if (leases > 0) busy++;
    return busy;
  }

  /** How many are being validated. */
  get validating(): number {
    return this.#validating.size;
  }

  /** How many leases those being validated could carry. */
  get validatingCapacity(): number {
    let capacity = 0;
    for (const slot of this.#validating) capacity += slot.capacity;
    return capacity;
  }

  [Symbol.iterator](): Iterator<Slot<T>> {
    return this.#all.values();
  }

  /** Takes a resource in that nobody holds. */
  add(slot: Slot<T>): void {
    this.#all.push(slot);
  }

  /** Takes a resource out, whatever it is doing. */
  delete(slot: Slot<T>): void {
    this.#all = this.#all.filter((one) => one !== slot);
    this.#validating.delete(slot);
  }

  /** Keeps an idle resource from being lent while it is validated. */
  startValidation(slot: Slot<T>, validation: AbortController): void {
    slot.validation = validation;
    this.#validating.add(slot);
  }

  /** Lets a resource be lent again. */
  endValidation(slot: Slot<T>, nowMs: number): void {
    slot.validation = undefined;
    slot.validAtMs = nowMs;
    this.#validating.delete(slot);
  }

  /** The one with the fewest leases that may be lent now, of equals the oldest; none if all are full. */
  free(nowMs: number): Slot<T> | undefined {
    let best: Slot<T> | undefined;
    for (const slot of this.#all) {
      if (slot.leases === 0) {
        if (slot.validation === undefined && !this.#isStale(slot, nowMs)) return slot;
      } else if (slot.leases < slot.capacity && !(best && best.leases <= slot.leases)) {
        best = slot;
      }
    }
    return best;
  }

  /** The oldest idle one that must be validated before it may be lent. */
  stale(nowMs: number): Slot<T> | undefined {
    for (const slot of this.#all) {
      const isIdle = slot.leases === 0 && slot.validation === undefined;
      if (isIdle && this.#isStale(slot, nowMs)) return slot;
    }
    return undefined;
  }

  #isStale({ idleSinceMs, validAtMs }: Slot<T>, nowMs: number): boolean {
    return nowMs - Math.max(idleSinceMs, validAtMs) > this.#staleAfterMs;
  }
}
