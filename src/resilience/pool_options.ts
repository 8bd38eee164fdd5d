import { isClientError } from "../errors/errors.ts";
import { checkKeys, checkNumber } from "../errors/misuse.ts";
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

/** {@linkcode PoolOptions} with every value known and checked. */
export interface ResolvedPoolOptions<T> extends Required<Omit<PoolOptions<T>, "onEvent">> {
  readonly onEvent: ((event: PoolEvent) => void) | undefined;
}

const KEYS: readonly string[] = [
  "create",
  "destroy",
  "poolSize",
  "maxResources",
  "leasesPerResource",
  "acquireTimeoutMs",
  "maxWaiters",
  "createParallelism",
  "isTemporary",
  "onEvent",
  "clock",
  "random",
];
const FUNCTION_KEYS = ["destroy", "leasesPerResource", "isTemporary", "onEvent", "random"] as const;
const ACT = "create a pool";
const ACQUIRE_KEYS: readonly string[] = ["signal", "deadline", "acquireTimeoutMs", "priority"];
const PRIORITIES: readonly unknown[] = ["interactive", "background"];

/**
 * Checks the options of a pool and fills in what they leave out.
 *
 * @throws {TypeError} If an option is unknown or of the wrong type.
 * @throws {RangeError} If a value is out of its range.
 */
export function resolvePoolOptions<T>(options: PoolOptions<T>): ResolvedPoolOptions<T> {
  checkKeys(ACT, options, KEYS);
  checkFunction("create", options.create);
  for (const name of FUNCTION_KEYS) {
    if (options[name] !== undefined) checkFunction(name, options[name]);
  }
  const count = (name: keyof PoolOptions<T>, preset: number, min: number): number =>
    checkNumber(ACT, name, options[name] ?? preset, { min, integer: true });
  const poolSize = count("poolSize", 10, 1);
  return {
    create: options.create,
    destroy: options.destroy ?? (() => {}),
    poolSize,
    maxResources: count("maxResources", poolSize, 1),
    leasesPerResource: options.leasesPerResource ?? (() => 1),
    acquireTimeoutMs: checkNumber(ACT, "acquireTimeoutMs", options.acquireTimeoutMs ?? 5_000, {
      min: 0,
    }),
    maxWaiters: count("maxWaiters", 256, 1),
    createParallelism: count("createParallelism", 1, 1),
    isTemporary: options.isTemporary ?? ((error) => !isClientError(error) || error.temporary),
    onEvent: options.onEvent,
    clock: options.clock ?? systemClock,
    random: options.random ?? systemRandom,
  };
}

/**
 * Checks how a caller wants to wait.
 *
 * @throws {TypeError} If an option is unknown or of the wrong type.
 * @throws {RangeError} If a value is out of its range.
 */
export function checkAcquireOptions(options: AcquireOptions): void {
  checkKeys("acquire", options, ACQUIRE_KEYS);
  const { acquireTimeoutMs, priority } = options;
  if (acquireTimeoutMs !== undefined) {
    checkNumber("acquire", "acquireTimeoutMs", acquireTimeoutMs, { min: 0 });
  }
  if (priority !== undefined && !PRIORITIES.includes(priority)) {
    throw new TypeError(
      `Cannot acquire as 'priority' must be one of ${PRIORITIES.join(", ")}: ` +
        `current value is ${String(priority)}`,
    );
  }
}

/** Returns how many leases a resource may carry, if `leasesPerResource` said something usable. */
export function checkCapacity(leases: number): number {
  return checkNumber("lend a resource", "leasesPerResource", leases, { min: 1, integer: true });
}

function checkFunction(name: string, value: unknown): void {
  if (typeof value === "function") return;
  throw new TypeError(
    `Cannot ${ACT} as '${name}' must be a function: current value is ${String(value)}`,
  );
}
