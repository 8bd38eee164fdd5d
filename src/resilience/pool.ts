import { waitAtMost } from "./clock.ts";
import { Creator } from "./creator.ts";
import { type LeaseOwner, ManagedResource, type Slot } from "./managed_resource.ts";
import { closedError, fullError, timeoutError } from "./pool_errors.ts";
import {
  type AcquireOptions,
  checkAcquireOptions,
  checkCapacity,
  type CloseOptions,
  type DestroyReason,
  type PoolOptions,
  type Priority,
  resolveCloseOptions,
  type ResolvedPoolOptions,
  resolvePoolOptions,
} from "./pool_options.ts";
import { countWait, createWaitCounts, type PoolStats, toWaitBuckets } from "./pool_stats.ts";
import { Waiter, WaitQueue } from "./waiter.ts";

/**
 * Lends resources: creates them on demand, one at a time, and never lends more than `poolSize` leases.
 *
 * Waiters are served first come, first served within a priority, and each settles exactly once: with
 * a lease, or by its timeout, its signal, or the pool's end. A resource goes to the next caller as
 * long as nobody has called {@linkcode ManagedResource.fail} on it. The pool holds no timer while
 * nobody waits.
 *
 * @typeParam T The resource.
 *
 * @example Never more than two at once
 * ```ts
 * import { ResourcePool } from "@automcp/client";
 * import { assertEquals } from "@std/assert";
 *
 * let made = 0;
 * const pool = new ResourcePool({ poolSize: 2, create: () => Promise.resolve(++made) });
 * await Promise.all(Array.from({ length: 20 }, () => pool.use(() => Promise.resolve())));
 * assertEquals([pool.stats().leases, pool.stats().idle <= 2], [0, true]);
 * await pool.close();
 * ```
 */
export class ResourcePool<T> {
  readonly #options: ResolvedPoolOptions<T>;
  readonly #creator: Creator<T>;
  readonly #leaseOwner: LeaseOwner<T>;
  readonly #usable = new Set<Slot<T>>();
  readonly #draining = new Set<Slot<T>>();
  readonly #leases = new Set<ManagedResource<T>>();
  readonly #waiters = new WaitQueue<T>();
  readonly #destructions = new Set<Promise<void>>();
  readonly #waits = createWaitCounts();
  readonly #destroyed = { failed: 0, pool_closed: 0, created_late: 0 };
  #closed: Promise<void> | undefined;
  #emptied: (() => void) | undefined;

  /**
   * Creates an empty pool; nothing is created before it is wanted.
   *
   * @param options What to lend, and how much of it.
   * @throws {TypeError} If an option is unknown or of the wrong type.
   * @throws {RangeError} If a value is out of its range.
   */
  constructor(options: PoolOptions<T>) {
    this.#options = resolvePoolOptions(options);
    this.#creator = new Creator(this.#options, {
      wanted: () => this.#wanted(),
      created: (resource, generation) => this.#add(resource, generation),
      failedForGood: (error) => this.#waiters.rejectAll(() => error),
      settled: () => this.#serve(),
    });
    this.#leaseOwner = {
      release: (slot, lease) => this.#release(slot, lease),
      fail: (slot, error) => this.#fail(slot, error),
      misuse: ({ generation }) => this.#options.onEvent?.({ type: "pool.misuse", generation }),
    };
  }

  /**
   * Waits for a lease.
   *
   * @param options How long to wait, and who is served first.
   * @returns The lease; its holder must release it.
   * @throws {ResourceExhaustedError} `pool_timeout` (with the last failed creation as its cause),
   * `pool_full` if too many wait, `pool_closed`.
   * @throws The reason of the signal, or a failure of creating that will not pass.
   * @throws {TypeError} If an option is unknown or of the wrong type; `RangeError` if out of range.
   *
   * @example Give up after a second
   * ```ts
   * import { ResourcePool } from "@automcp/client";
   *
   * const pool = new ResourcePool({ create: () => Promise.resolve({}) });
   * const lease = await pool.acquire({ acquireTimeoutMs: 1_000 });
   * lease.release();
   * await pool.close();
   * ```
   */
  acquire(options: AcquireOptions = {}): Promise<ManagedResource<T>> {
    checkAcquireOptions(options);
    const { signal, deadline, priority = "interactive" } = options;
    const { acquireTimeoutMs = this.#options.acquireTimeoutMs } = options;
    if (signal?.aborted) return Promise.reject(signal.reason);
    if (this.#closed !== undefined) return Promise.reject(closedError());
    const slot = this.#waiters.size === 0 ? this.#free() : undefined;
    if (slot !== undefined) return Promise.resolve(this.#lend(slot, 0));
    if (this.#waiters.size >= this.#options.maxWaiters) {
      return Promise.reject(fullError(this.#waiters.size));
    }
    const timeoutMs = Math.min(acquireTimeoutMs, deadline?.remainingMs() ?? Infinity);
    if (timeoutMs <= 0) return Promise.reject(timeoutError(timeoutMs, this.#creator.lastError));
    return this.#wait(timeoutMs, priority, signal);
  }

  /**
   * Runs a function with a resource and gives it back afterwards, whatever happens.
   *
   * @typeParam R What the function returns.
   * @param fn The function; takes the resource and its lease.
   * @param options How long to wait, and who is served first.
   * @returns What the function returned.
   * @throws What {@linkcode ResourcePool.acquire} and the function throw.
   *
   * @example Use a resource for one expression
   * ```ts
   * import { ResourcePool } from "@automcp/client";
   * import { assertEquals } from "@std/assert";
   *
   * const pool = new ResourcePool({ create: () => Promise.resolve([1, 2, 3]) });
   * assertEquals(await pool.use((list) => list.length), 3);
   * await pool.close();
   * ```
   */
  async use<R>(
    fn: (resource: T, lease: ManagedResource<T>) => R | PromiseLike<R>,
    options?: AcquireOptions,
  ): Promise<R> {
    const lease = await this.acquire(options);
    try {
      return await fn(lease.value, lease);
    } finally {
      await lease[Symbol.asyncDispose]();
    }
  }

  /**
   * Takes a resource out of use that broke while nobody looked: nobody gets it again, and it is
   * destroyed once its last lease is given back. Does nothing if the pool does not hold it.
   *
   * @param resource The resource.
   * @param error What broke it.
   */
  evict(resource: T, error: unknown): void {
    for (const slot of this.#usable) if (slot.resource === resource) this.#fail(slot, error);
  }

  /**
   * Ends the pool: refuses new callers, rejects those that wait, lets leases that are out be given
   * back for `graceMs`, then destroys all resources. Called again, it returns the same promise.
   *
   * @param options How long to wait for leases.
   * @returns Nothing, once all is destroyed; destroying is waited for as long again at most.
   *
   * @example Leave nothing behind
   * ```ts
   * import { ResourcePool } from "@automcp/client";
   * import { assertEquals } from "@std/assert";
   *
   * const pool = new ResourcePool({ create: () => Promise.resolve({}) });
   * await pool.use(() => {});
   * await pool.close({ graceMs: 1_000 });
   * assertEquals(pool.stats().size, 0);
   * ```
   */
  close(options: CloseOptions = {}): Promise<void> {
    const { graceMs } = resolveCloseOptions(options);
    if (this.#closed === undefined) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#closed = promise; // before anybody is told, who might close it again
      resolve(this.#close(graceMs));
    }
    return this.#closed;
  }

  /** Closes the pool with the default grace. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Returns the pool at this moment, as plain data. */
  stats(): PoolStats {
    let idle = 0;
    for (const slot of this.#usable) if (slot.leases === 0) idle++;
    return {
      size: this.#usable.size,
      idle,
      busy: this.#usable.size - idle,
      draining: this.#draining.size,
      creating: this.#creator.running.size,
      waiting: this.#waiters.size,
      leases: this.#leases.size,
      poolSize: this.#options.poolSize,
      created: this.#creator.created,
      createFailed: this.#creator.failed,
      destroyed: { ...this.#destroyed },
      acquireWait: toWaitBuckets(this.#waits),
    };
  }

  #wait(timeoutMs: number, priority: Priority, signal?: AbortSignal): Promise<ManagedResource<T>> {
    const { clock } = this.#options;
    const waiter = new Waiter<T>(clock.now(), signal);
    const remove = this.#waiters.add(waiter, priority);
    waiter.leave = () => {
      remove();
      if (this.#waiters.size === 0) this.#creator.rest();
    };
    if (timeoutMs !== Infinity) {
      const expire = () => waiter.reject(timeoutError(timeoutMs, this.#creator.lastError));
      waiter.undoTimer = clock.setTimer(timeoutMs, expire);
    }
    this.#creator.createOnDemand();
    return waiter.promise;
  }

  /** How many resources the waiters need besides those being created, as far as there is room. */
  #wanted(): number {
    const { maxResources, poolSize } = this.#options;
    const room = Math.min(maxResources - this.#usable.size, poolSize - this.#leases.size);
    return Math.min(this.#waiters.size, room) - this.#creator.running.size;
  }

  #add(resource: T, generation: number): void {
    const state = { capacity: 0, leases: 0, failure: undefined, destroyed: false };
    const slot: Slot<T> = { resource, generation, ...state };
    if (this.#closed !== undefined) return this.#destroy(slot, "created_late");
    try {
      slot.capacity = checkCapacity(this.#options.leasesPerResource(resource));
      this.#usable.add(slot);
    } catch (error) {
      slot.failure = { error };
      this.#destroy(slot, "failed");
      this.#waiters.rejectAll(() => error);
    }
  }

  /** The usable resource with the fewest leases, of equals the oldest; none if all are full. */
  #free(): Slot<T> | undefined {
    if (this.#leases.size >= this.#options.poolSize) return undefined;
    let best: Slot<T> | undefined;
    for (const slot of this.#usable) {
      if (slot.leases >= slot.capacity) continue;
      if (slot.leases === 0) return slot;
      if (best === undefined || slot.leases < best.leases) best = slot;
    }
    return best;
  }

  #lend(slot: Slot<T>, waitMs: number): ManagedResource<T> {
    const lease = new ManagedResource(slot, this.#leaseOwner);
    slot.leases++;
    this.#leases.add(lease);
    countWait(this.#waits, waitMs);
    return lease;
  }

  #release(slot: Slot<T>, lease: ManagedResource<T>): void {
    slot.leases--;
    this.#leases.delete(lease);
    if (slot.leases === 0) {
      if (slot.failure !== undefined) this.#destroy(slot, "failed");
      else if (this.#closed !== undefined) this.#destroy(slot, "pool_closed");
    }
    if (this.#leases.size === 0) this.#emptied?.();
    this.#serve();
  }

  #fail(slot: Slot<T>, error: unknown): void {
    if (slot.failure !== undefined || slot.destroyed) return;
    slot.failure = { error };
    this.#usable.delete(slot);
    this.#draining.add(slot);
    if (slot.leases === 0) this.#destroy(slot, "failed");
    this.#creator.createOnDemand();
  }

  /** Gives free places to waiters, then creates for those that are left. */
  #serve(): void {
    const { clock } = this.#options;
    for (let waiter = this.#waiters.first; waiter !== undefined; waiter = this.#waiters.first) {
      if (waiter.rejectIfAborted()) continue;
      const slot = this.#free();
      if (slot === undefined) break;
      waiter.resolve(this.#lend(slot, clock.now() - waiter.startedMs));
    }
    this.#creator.createOnDemand();
  }

  #destroy(slot: Slot<T>, reason: DestroyReason): void {
    if (slot.destroyed) return;
    slot.destroyed = true;
    this.#usable.delete(slot);
    this.#draining.add(slot);
    const destruction: Promise<void> = this.#destroyNow(slot, reason).finally(() => {
      this.#draining.delete(slot);
      this.#destructions.delete(destruction);
    });
    this.#destructions.add(destruction);
  }

  async #destroyNow(slot: Slot<T>, reason: DestroyReason): Promise<void> {
    const { generation, failure } = slot;
    this.#destroyed[reason]++;
    this.#options.onEvent?.({ type: "pool.destroyed", generation, reason, ...failure });
    try {
      await this.#options.destroy(slot.resource);
    } catch (error) {
      this.#options.onEvent?.({ type: "pool.destroy_failed", generation, error });
    }
  }

  async #close(graceMs: number): Promise<void> {
    const { clock } = this.#options;
    this.#creator.close(closedError());
    this.#waiters.rejectAll(closedError);
    for (const slot of this.#usable) if (slot.leases === 0) this.#destroy(slot, "pool_closed");
    const emptied = new Promise<void>((resolve) => this.#emptied = resolve);
    if (this.#leases.size > 0) await waitAtMost(graceMs, emptied, clock);
    for (const slot of [...this.#usable, ...this.#draining]) this.#destroy(slot, "pool_closed");
    await waitAtMost(graceMs, this.#allDestroyed(), clock);
  }

  async #allDestroyed(): Promise<void> {
    const { running } = this.#creator;
    while (running.size + this.#destructions.size > 0) {
      await Promise.allSettled([...running, ...this.#destructions]);
    }
  }
}
