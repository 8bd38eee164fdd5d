import type { DestroyReason } from "./pool_options.ts";

/** What broke a resource, if anything said so. */
export interface ResourceFailure {
  /** What was thrown, or said to be the reason. */
  readonly error?: unknown;
}

/**
 * A resource and what its pool knows of it.
 *
 * @typeParam T The resource.
 */
export interface Slot<T> {
  /** The resource. */
  readonly resource: T;
  /** Which creation of the pool it comes from, counted from 1. */
  readonly generation: number;
  /** The most leases at once. */
  capacity: number;
  /** Whether it expires, and is retired after timeouts. */
  isStateful: boolean;
  /** When it is too old to be lent, in milliseconds of the clock; `Infinity` is never. */
  agedAtMs: number;
  /** The leases that are out. */
  leases: number;
  /** When a lease last came back, in milliseconds of the clock; kept only where an option needs it. */
  idleSinceMs: number;
  /** When it last proved valid, in milliseconds of the clock. */
  validAtMs: number;
  /** Ends its validation, while it is lent to nobody. */
  validation: AbortController | undefined;
  /** The timeouts since its last answer. */
  timeoutsInARow: number;
  /** Why it was taken out of use: no new lease, destroyed with the last one's release. */
  end: ResourceFailure & { readonly reason: DestroyReason } | undefined;
}

/**
 * What a lease may ask of its pool.
 *
 * @typeParam T The resource.
 */
export interface LeaseOwner<T> {
  /** Takes a lease back. */
  release(slot: Slot<T>, lease: ManagedResource<T>): void;
  /** Takes a resource out of use. */
  fail(slot: Slot<T>, error: unknown): void;
  /** Hears that an attempt on a resource timed out. */
  timedOut(slot: Slot<T>): void;
  /** Reports a lease that was used after its release. */
  misuse(slot: Slot<T>): void;
}

/**
 * The right to use a resource of a {@linkcode ResourcePool}, given back exactly once.
 *
 * @typeParam T The resource.
 *
 * @example Give a resource back on every path
 * ```ts
 * import { ResourcePool } from "@automcp/client";
 *
 * const pool = new ResourcePool({ create: () => Promise.resolve(new Map<string, number>()) });
 * const lease = await pool.acquire();
 * try {
 *   lease.value.set("visits", 1);
 * } catch (error) {
 *   lease.fail(error); // nobody gets this resource again
 *   throw error;
 * } finally {
 *   lease.release();
 * }
 * await pool.close();
 * ```
 */
export class ManagedResource<T> {
  /** The resource. */
  readonly value: T;
  /** Which creation of the pool it comes from, counted from 1. */
  readonly generation: number;
  readonly #slot: Slot<T>;
  readonly #owner: LeaseOwner<T>;
  #released = false;

  /**
   * Leases are made by their pool.
   *
   * @param slot The resource and what the pool knows of it.
   * @param owner The pool.
   */
  constructor(slot: Slot<T>, owner: LeaseOwner<T>) {
    this.value = slot.resource;
    this.generation = slot.generation;
    this.#slot = slot;
    this.#owner = owner;
  }

  /** Gives the lease back. Again, it changes nothing but emits `pool.misuse`. */
  release(): void {
    if (this.#released) return this.#owner.misuse(this.#slot);
    this.#released = true;
    this.#owner.release(this.#slot, this);
  }

  /**
   * Says that the resource is broken: nobody gets it again, and it is destroyed when its last lease
   * is given back. The lease itself must still be released. After that, it changes nothing but emits
   * `pool.misuse`.
   *
   * @param error What broke it.
   */
  fail(error: unknown): void {
    if (this.#released) return this.#owner.misuse(this.#slot);
    this.#owner.fail(this.#slot, error);
  }

  /**
   * Says that an attempt on the resource timed out. After `retireAfterTimeouts` of them without an
   * answer between, whoever holds the leases, a stateful resource is lent no more and is destroyed
   * when its last lease is given back. After the release, it changes nothing but emits `pool.misuse`.
   */
  noteTimeout(): void {
    if (this.#released) return this.#owner.misuse(this.#slot);
    this.#owner.timedOut(this.#slot);
  }

  /**
   * Says that the resource answered, be it with an error: its timeouts are counted anew. After the
   * release, it changes nothing but emits `pool.misuse`.
   */
  noteAnswer(): void {
    if (this.#released) return this.#owner.misuse(this.#slot);
    this.#slot.timeoutsInARow = 0;
  }

  /** Gives the lease back, unless that was done already. */
  // deno-lint-ignore require-await -- disposing of a lease is synchronous, its protocol is not
  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#released) this.release();
  }
}
