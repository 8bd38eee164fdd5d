import type { ResourceFailure, Slot } from "./managed_resource.ts";
import { Destroyer } from "./pool_destroyer.ts";
import { unusableError } from "./pool_errors.ts";
import { Expiry } from "./pool_expiry.ts";
import { checkCapacity, type DestroyReason, type ResolvedPoolOptions } from "./pool_options.ts";
import { Slots } from "./pool_slots.ts";
import { findInvalid } from "./pool_validation.ts";

/**
 * The resources of a pool, from their creation to their end: which may be lent, which is asked
 * whether it is still good, which must go. Knows nothing of those who wait.
 */
export class Inventory<T> {
  /** Whether the time matters to it. */
  readonly isTimed: boolean;
  /** Those that may be lent. */
  readonly slots: Slots<T>;
  /** What becomes of those that may not. */
  readonly destroyer: Destroyer<T>;
  /** How many were taken in, or came too late for it. */
  created = 0;
  readonly #options: ResolvedPoolOptions<T>;
  readonly #onChange: (nowMs: number) => void;
  readonly #expiry: Expiry<T>;
  readonly #draining = new Set<Slot<T>>();
  #isClosed = false;

  /** Tells `onChange` when there may be more to lend, or room for more, without anybody's doing. */
  constructor(options: ResolvedPoolOptions<T>, onChange: (nowMs: number) => void) {
    const { clock, validate } = options;
    this.#options = options;
    this.#onChange = onChange;
    this.slots = new Slots(options);
    this.destroyer = new Destroyer(options, () => onChange(clock.now()));
    this.#expiry = new Expiry(options, () => {
      this.#expire(clock.now());
      this.#arm(); // a timer may be early
    });
    this.isTimed = this.#expiry.isOn || validate !== undefined;
  }

  /** How many are lent no more while leases are out. */
  get draining(): number {
    return this.#draining.size;
  }

  /** How many of the places are taken, besides by creations. */
  get taken(): number {
    return this.slots.size + this.destroyer.held;
  }

  /**
   * Takes in what was created, or destroys it.
   *
   * @returns Why it cannot be lent, if it was over before it began; nothing otherwise.
   * @throws What an option throws or is misused for.
   */
  add(resource: T, generation: number, nowMs: number): ResourceFailure | undefined {
    const base = { resource, generation, leases: 0, idleSinceMs: nowMs, validAtMs: nowMs };
    const state = { validation: undefined, timeoutsInARow: 0, end: undefined };
    const slot: Slot<T> = { ...base, ...state, capacity: 0, isStateful: false, agedAtMs: Infinity };
    if (this.#isClosed) {
      this.#countCreated(generation);
      this.destroyer.destroy(slot, "created_late");
      return undefined;
    }
    const unusable = this.#findUnusable(resource);
    if (unusable !== undefined) {
      this.end(slot, "failed", unusable);
      return unusable;
    }
    try {
      const { leasesPerResource, isStateful } = this.#options;
      slot.capacity = checkCapacity(leasesPerResource(resource));
      slot.isStateful = isStateful(resource);
      if (slot.isStateful) slot.agedAtMs = this.#expiry.drawAgedAtMs(nowMs);
    } catch (error) {
      this.#countCreated(generation);
      this.end(slot, "failed", { error });
      throw error;
    }
    this.slots.add(slot);
    this.#arm();
    this.#countCreated(generation);
    return undefined;
  }

  /** Finds the resource to lend now; ends those found to be too old or unusable on the way. */
  take(nowMs: number): Slot<T> | undefined {
    this.#expire(nowMs);
    for (;;) {
      // Asked each time: who is told of an end may do anything to the pool.
      const slot = this.#isClosed ? undefined : this.slots.free(nowMs);
      if (slot === undefined) return undefined;
      const unusable = this.#findUnusable(slot.resource);
      if (unusable === undefined) return slot;
      this.end(slot, "failed", unusable);
    }
  }

  /** Counts a lease of what was taken. */
  lend(slot: Slot<T>): void {
    slot.leases++;
    this.#arm();
  }

  /** Counts a lease that was given back. */
  takeBack(slot: Slot<T>, nowMs: number): void {
    slot.leases--;
    if (slot.end !== undefined) {
      const isLast = slot.leases === 0 && this.#draining.delete(slot);
      return isLast ? this.destroyer.destroy(slot, slot.end.reason) : undefined;
    }
    slot.idleSinceMs = nowMs;
    if (this.#isClosed) return slot.leases > 0 ? undefined : this.end(slot, "pool_closed");
    this.#expire(nowMs);
    this.#arm();
  }

  /** Starts to validate the oldest resource that must be before it is lent; tells whether there is one. */
  validateStale(nowMs: number): boolean {
    const slot = this.slots.stale(nowMs);
    if (slot !== undefined) this.#validate(slot);
    return slot !== undefined;
  }

  /** Takes a resource out of use, to be destroyed with its last lease's end; only the first counts. */
  end(slot: Slot<T>, reason: DestroyReason, failure?: ResourceFailure): void {
    if (slot.end !== undefined) return;
    slot.end = { reason, ...failure };
    this.slots.delete(slot);
    slot.validation?.abort(slot.end.error);
    this.#arm();
    if (slot.leases > 0) this.#draining.add(slot);
    // What broke is not waited for; what merely grew old ends soon, and is one of ours until then.
    else this.destroyer.destroy(slot, reason, reason === "idle" || reason === "aged");
  }

  /** Ends what nobody holds; the rest is ended as it is given back. */
  close(): void {
    this.#isClosed = true;
    for (const slot of this.slots) if (slot.leases === 0) this.end(slot, "pool_closed");
    this.destroyer.freePlaces();
  }

  /** Destroys what is left, whoever holds it. */
  destroyAll(): void {
    for (const slot of this.slots) this.end(slot, "pool_closed");
    for (const slot of this.#draining) this.destroyer.destroy(slot, "pool_closed");
    this.#draining.clear();
  }

  async #validate(slot: Slot<T>): Promise<void> {
    const { clock, validate } = this.#options;
    this.slots.startValidation(slot, new AbortController());
    this.#arm();
    const invalid = await findInvalid(slot, validate!, this.#options);
    if (slot.end !== undefined) return; // it was evicted meanwhile, or the pool was closed
    const nowMs = clock.now();
    this.slots.endValidation(slot, nowMs);
    if (invalid === undefined) this.#expire(nowMs);
    else this.end(slot, "invalid", invalid);
    this.#arm();
    this.#onChange(nowMs);
  }

  #findUnusable(resource: T): ResourceFailure | undefined {
    const { isUsable } = this.#options;
    try {
      return isUsable === undefined || isUsable(resource) ? undefined : { error: unusableError() };
    } catch (error) {
      return { error };
    }
  }

  #countCreated(generation: number): void {
    this.created++;
    this.#options.onEvent?.({ type: "pool.created", generation });
  }

  #expire(nowMs: number): void {
    if (!this.#expiry.isOn || this.#isClosed) return;
    for (const slot of this.slots) {
      const reason = this.#expiry.reasonToEnd(slot, nowMs);
      if (reason !== undefined) this.end(slot, reason);
    }
  }

  #arm(): void {
    if (this.#expiry.isOn) this.#expiry.arm(this.slots);
  }
}
