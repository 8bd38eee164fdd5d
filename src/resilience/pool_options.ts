import { isClientError } from "../errors/errors.ts";
import { checkNumber, checkOptions, type OptionRules, resolveOptions } from "../errors/misuse.ts";
import { type Clock, systemClock, systemRandom } from "./clock.ts";
import type { Deadline } from "./deadline.ts";

/** Why a resource was destroyed. */
export type DestroyReason = "failed" | "pool_closed" | "created_late";

/** What happens in a pool. */
export type PoolEvent =
  | { readonly type: "pool.created"; readonly generation: number }
  | { readonly type: "pool.create_failed"; readonly error: unknown; readonly waitMs: number }
  | {
    readonly type: "pool.destroyed";
    readonly generation: number;
    readonly reason: DestroyReason;
    /** What the lease was failed with. */
    readonly error?: unknown;
  }
  | { readonly type: "pool.destroy_failed"; readonly generation: number; readonly error: unknown }
  | { readonly type: "pool.misuse"; readonly generation: number };

/** What a resource is created with. */
export interface CreateOptions {
  /** Aborted when the pool closes. */
  readonly signal: AbortSignal;
  /** Counts the pool's creations from 1; a resource that replaces another has a higher one. */
  readonly generation: number;
}

/**
 * What a {@linkcode ResourcePool} lends, and how much of it.
 *
 * @typeParam T The resource.
 */
export interface PoolOptions<T> {
  /** Creates a resource. Never called twice at once beyond `createParallelism`, and only on demand. */
  readonly create: (options: CreateOptions) => Promise<T>;
  /**
   * Destroys a resource that nobody holds any more, or whose holders were given `graceMs` to end. Its
   * rejection becomes the event `pool.destroy_failed`.
   */
  readonly destroy?: (resource: T) => void | Promise<void>;
  /**
   * The most leases at once, an integer >= 1.
   *
   * @default {10}
   */
  readonly poolSize?: number;
  /**
   * The most usable resources at once, an integer >= 1.
   *
   * @default {poolSize}
   */
  readonly maxResources?: number;
  /**
   * The most leases of one resource at once, >= 1; `Infinity` leaves it to `poolSize`.
   *
   * @default {() => 1}
   */
  readonly leasesPerResource?: (resource: T) => number;
  /**
   * The longest wait for a lease, in milliseconds, >= 0. With 0 it fails at once if nothing is free.
   *
   * @default {5000}
   */
  readonly acquireTimeoutMs?: number;
  /**
   * The most callers that may wait at once, for a creation too, an integer >= 1.
   *
   * @default {256}
   */
  readonly maxWaiters?: number;
  /**
   * How many resources may be created at once, an integer >= 1.
   *
   * @default {1}
   */
  readonly createParallelism?: number;
  /**
   * Tells whether a failed creation may be tried again. Waiters then go on waiting; otherwise all who
   * wait are rejected with the failure. By default a `ClientError` says so itself, and a foreign error
   * may be tried again.
   */
  readonly isTemporary?: (error: unknown) => boolean;
  /** Called with what happens. If it throws, the error is reported in a microtask. */
  readonly onEvent?: (event: PoolEvent) => void;
  /** The clock of all waits. */
  readonly clock?: Clock;
  /** A source of chance, 0 <= x < 1. */
  readonly random?: () => number;
}

/** Who is served first. */
export type Priority = "interactive" | "background";

/** How to wait for a lease. */
export interface AcquireOptions {
  /** Ends the wait; its reason is thrown untouched. */
  readonly signal?: AbortSignal;
  /** Ends the wait, if it is nearer than `acquireTimeoutMs`. */
  readonly deadline?: Deadline;
  /**
   * The longest wait, in milliseconds, >= 0, instead of the pool's.
   *
   * @default {5000}
   */
  readonly acquireTimeoutMs?: number;
  /**
   * Whether to be served before or after others.
   *
   * @default {"interactive"}
   */
  readonly priority?: Priority;
}

/** How to close. */
export interface CloseOptions {
  /**
   * How long what is in use may go on, in milliseconds, >= 0. With 0 it is ended at once.
   *
   * @default {5000}
   */
  readonly graceMs?: number;
}

const CLOSE_RULES: OptionRules<CloseOptions> = { graceMs: { preset: 5_000, min: 0 } };

/** Checks how to close and fills in what is left out. */
export function resolveCloseOptions(options: CloseOptions): Required<CloseOptions> {
  return resolveOptions("close", options, CLOSE_RULES);
}

/** {@linkcode PoolOptions} with every value known and checked. */
export interface ResolvedPoolOptions<T> extends Required<Omit<PoolOptions<T>, "onEvent">> {
  readonly onEvent: ((event: PoolEvent) => void) | undefined;
}

const RULES: OptionRules<PoolOptions<never>> = {
  create: { type: "function", required: true },
  destroy: { preset: () => {}, type: "function" },
  poolSize: { preset: 10, min: 1, integer: true },
  maxResources: { min: 1, integer: true },
  leasesPerResource: { preset: () => 1, type: "function" },
  acquireTimeoutMs: { preset: 5_000, min: 0 },
  maxWaiters: { preset: 256, min: 1, integer: true },
  createParallelism: { preset: 1, min: 1, integer: true },
  isTemporary: {
    preset: (error: unknown) => !isClientError(error) || error.temporary,
    type: "function",
  },
  onEvent: { type: "function", listener: true },
  clock: { preset: systemClock },
  random: { preset: systemRandom, type: "function" },
};

const ACQUIRE_RULES: OptionRules<AcquireOptions> = {
  signal: {},
  deadline: {},
  acquireTimeoutMs: { min: 0 },
  priority: { oneOf: ["interactive", "background"] },
};

/**
 * Checks the options of a pool and fills in what they leave out.
 *
 * @throws {TypeError} If an option is unknown or of the wrong type.
 * @throws {RangeError} If a value is out of its range.
 */
export function resolvePoolOptions<T>(options: PoolOptions<T>): ResolvedPoolOptions<T> {
  const rules = RULES as OptionRules<PoolOptions<T>>;
  const resolved = resolveOptions<ResolvedPoolOptions<T>, PoolOptions<T>>(
    "create a pool",
    options,
    rules,
  );
  return { ...resolved, maxResources: resolved.maxResources ?? resolved.poolSize };
}

/**
 * Checks how a caller wants to wait.
 *
 * @throws {TypeError} If an option is unknown or of the wrong type.
 * @throws {RangeError} If a value is out of its range.
 */
export function checkAcquireOptions(options: AcquireOptions): void {
  checkOptions("acquire", options, ACQUIRE_RULES);
}

/** Returns how many leases a resource may carry, if `leasesPerResource` said something usable. */
export function checkCapacity(leases: number): number {
  return checkNumber("lend a resource", "leasesPerResource", leases, { min: 1, integer: true });
}
