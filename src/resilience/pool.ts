import type { ClientError } from "../errors/errors.ts";
import { waitAtMost } from "./clock.ts";
import { Creator } from "./creator.ts";
import {
  type LeaseOwner,
  ManagedResource,
  type ResourceFailure,
  type Slot,
} from "./managed_resource.ts";
import { closedError, fullError, timeoutError } from "./pool_errors.ts";
import { Inventory } from "./pool_inventory.ts";
import { LeakWatch } from "./pool_leaks.ts";
import {
  type AcquireOptions,
  checkAcquireOptions,
  type CloseOptions,
  type PoolOptions,
  resolveCloseOptions,
  type ResolvedPoolOptions,
  resolvePoolOptions,
} from "./pool_options.ts";
import { countWait, createWaitCounts, type PoolStats, toWaitBuckets } from "./pool_stats.ts";
import { Waiter, WaitQueue } from "./waiter.ts";

const NO_OPTIONS: AcquireOptions = {};

/**
 * Lends resources: creates them on demand, one at a time, and never lends more than `poolSize` leases.
 *
 * Waiters are served first come, first served within a priority, and each settles exactly once: with
 * a lease, or by its timeout, its signal, or the pool's end. A resource goes to the next caller until
 * its holder fails it, or an option says that it must go. While nobody waits, the pool holds no timer
 * but the one that ends idle resources, if there are some and they end; no process lives on for it.
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
  readonly #inventory: Inventory<T>;
  readonly #creator: Creator<T>;
  readonly #leaseOwner: LeaseOwner<T>;
  readonly #leaks: LeakWatch;
  readonly #waiters: WaitQueue<T>;
  readonly #waits = createWaitCounts();
  #leases = 0;
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
    this.#inventory = new Inventory(this.#options, (nowMs) => this.#serve(nowMs));
    this.#creator = new Creator(this.#options, {
      wanted: () => this.#wanted(),
      created: (...created) => this.#inventory.add(...created),
      failedForGood: (error) => this.#waiters.rejectAll(() => error),
      settled: (nowMs) => this.#serve(nowMs),
    });
    this.#leaks = new LeakWatch(this.#options);
    this.#waiters = new WaitQueue(this.#options.clock, {
      timedOut: (waiter) => waiter.reject(this.#timeoutError(waiter.timeoutMs)),
      emptied: () => this.#creator.rest(),
    });
    this.#leaseOwner = {
      release: (slot, lease) => this.#release(slot, lease),
      fail: (slot, error) => this.#end(slot, "failed", { error }),
      timedOut: (slot) => this.#countTimeout(slot),
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
  acquire(options?: AcquireOptions): Promise<ManagedResource<T>> {
    if (options !== undefined) checkAcquireOptions(options);
    if (options?.signal?.aborted) return Promise.reject(options.signal.reason);
    const stack = this.#leaks.readStack();
    const slot = this.#waiters.size === 0 ? this.#take(this.#now()) : undefined;
    if (slot !== undefined) return Promise.resolve(this.#lend(slot, 0, stack));
    if (this.#closed !== undefined) return Promise.reject(closedError());
    if (this.#waiters.size >= this.#options.maxWaiters) {
      return Promise.reject(fullError(this.#waiters.size));
    }
    return this.#wait(options ?? NO_OPTIONS, stack);
  }

  /**
   * Returns a lease if one can be had at once: without waiting, creating or validating, and before
   * nobody who waits.
   *
   * @returns The lease, whose holder must release it; `undefined` if there is none now.
   *
   * @example Do something more only if it costs nobody anything
   * ```ts
   * import { ResourcePool } from "@automcp/client";
   * import { assertEquals } from "@std/assert";
   *
   * const pool = new ResourcePool({ create: () => Promise.resolve({}) });
   * assertEquals(pool.tryAcquire(), undefined); // nothing was created yet
   * await pool.use(() => {});
   * pool.tryAcquire()?.release();
   * await pool.close();
   * ```
   */
  tryAcquire(): ManagedResource<T> | undefined {
    const slot = this.#waiters.size === 0 ? this.#take(this.#now()) : undefined;
    return slot && this.#lend(slot, 0, this.#leaks.readStack());
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
    for (const slot of this.#inventory.slots) {
      if (slot.resource === resource) this.#end(slot, "failed", { error });
    }
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
    const { slots, draining, destroyer, created } = this.#inventory;
    const { size, busy, validating } = slots;
    return {
      size,
      idle: size - busy - validating,
      busy,
      validating,
      draining,
      closing: destroyer.running.size,
      creating: this.#creator.running.size,
      waiting: this.#waiters.size,
      leases: this.#leases,
      poolSize: this.#options.poolSize,
      maxResources: this.#options.maxResources,
      created,
      createFailed: this.#creator.failed,
      destroyed: { ...destroyer.counts },
      leaks: this.#leaks.reported,
      acquireWait: toWaitBuckets(this.#waits),
    };
  }

  /** The time, if anybody will ask for it. */
  #now(): number {
    const { clock } = this.#options;
    return this.#inventory.isTimed || this.#waiters.size > 0 ? clock.now() : 0;
  }

  #take(nowMs: number): Slot<T> | undefined {
    const slot = this.#isFull() ? undefined : this.#inventory.take(nowMs);
    return this.#isFull() ? undefined : slot; // who was told of an end meanwhile may have come first
  }

  #isFull(): boolean {
    return this.#leases >= this.#options.poolSize;
  }

  #lend(slot: Slot<T>, waitMs: number, stack: string | undefined): ManagedResource<T> {
    const lease = new ManagedResource(slot, this.#leaseOwner);
    this.#inventory.lend(slot);
    this.#leases++;
    if (stack !== undefined) this.#leaks.watch(lease, stack);
    countWait(this.#waits, waitMs);
    return lease;
  }

  #wait(options: AcquireOptions, stack: string | undefined): Promise<ManagedResource<T>> {
    const { acquireTimeoutMs = this.#options.acquireTimeoutMs, deadline } = options;
    const timeoutMs = Math.min(acquireTimeoutMs, deadline?.remainingMs() ?? Infinity);
    if (timeoutMs <= 0) return Promise.reject(this.#timeoutError(timeoutMs));
    const nowMs = this.#options.clock.now();
    const { promise } = new Waiter(this.#waiters, nowMs, timeoutMs, options, stack);
    this.#meetDemand(nowMs);
    return promise;
  }

  #timeoutError(timeoutMs: number): ClientError {
    return timeoutError(timeoutMs, this.#creator.lastError);
  }

  /** Gives free places to waiters, then validates and creates for those that are left. */
  #serve(nowMs: number): void {
    while (this.#waiters.size > 0) {
      const slot = this.#take(nowMs);
      if (slot === undefined) break;
      const waiter = this.#waiters.first; // whoever heard of a resource's end may have left
      if (waiter === undefined || waiter.rejectIfAborted()) continue;
      waiter.resolve(this.#lend(slot, nowMs - waiter.startedMs, waiter.stack));
    }
    this.#meetDemand(nowMs);
  }

  #meetDemand(nowMs: number): void {
    const { slots } = this.#inventory;
    while (this.#demand() > slots.validatingCapacity && this.#inventory.validateStale(nowMs));
    this.#creator.createOnDemand();
  }

  /** How many waiters could have a lease if there were resources enough. */
  #demand(): number {
    return Math.min(this.#waiters.size, this.#options.poolSize - this.#leases);
  }

  /** How many resources they need besides those being validated and created, as far as there is room. */
  #wanted(): number {
    const { slots, taken } = this.#inventory;
    const room = this.#options.maxResources - taken;
    return Math.min(this.#demand() - slots.validatingCapacity, room) - this.#creator.running.size;
  }

  #release(slot: Slot<T>, lease: ManagedResource<T>): void {
    const nowMs = this.#now();
    this.#leases--; // once per lease: it knows itself whether it was given back
    if (this.#leaks.isOn) this.#leaks.forget(lease);
    this.#inventory.takeBack(slot, nowMs);
    if (this.#leases === 0) this.#emptied?.();
    if (this.#waiters.size > 0) this.#serve(nowMs);
  }

  #end(slot: Slot<T>, reason: "failed" | "retired", failure?: ResourceFailure): void {
    this.#inventory.end(slot, reason, failure);
    this.#meetDemand(this.#now());
  }

  #countTimeout(slot: Slot<T>): void {
    if (!slot.isStateful) return;
    if (++slot.timeoutsInARow >= this.#options.retireAfterTimeouts) this.#end(slot, "retired");
  }

  async #close(graceMs: number): Promise<void> {
    const { clock } = this.#options;
    this.#creator.close(closedError());
    this.#waiters.rejectAll(closedError);
    this.#inventory.close();
    const emptied = new Promise<void>((resolve) => this.#emptied = resolve);
    if (this.#leases > 0) await waitAtMost(graceMs, emptied, clock);
    this.#inventory.destroyAll();
    this.#leaks.forgetAll();
    await waitAtMost(graceMs, this.#inventory.destroyer.allDone(this.#creator.running), clock);
  }
}
