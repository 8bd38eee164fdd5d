import { isClientError } from "../errors/errors.ts";
import { checkNumber, checkOptions, type OptionRules, resolveOptions } from "../errors/misuse.ts";
import { type Clock, systemClock, systemRandom } from "./clock.ts";
import type { Deadline } from "./deadline.ts";

/**
 * Why a resource was destroyed: it broke, did not validate, timed out too often in a row, was idle or
 * in use for too long, the pool closed, or it was created after that.
 */
export type DestroyReason =
  | "failed"
  | "invalid"
  | "retired"
  | "idle"
  | "aged"
  | "pool_closed"
  | "created_late";

/** What happens in a pool. */
export type PoolEvent =
  | { readonly type: "pool.created"; readonly generation: number }
  | {
    readonly type: "pool.create_failed";
    /** Which creation it was, counted from 1. */
    readonly generation: number;
    readonly error: unknown;
    /** Whether it is tried again while somebody waits; if not, all who waited were rejected. */
    readonly temporary: boolean;
    /** How long the next creation waits at least. */
    readonly waitMs: number;
  }
  | {
    readonly type: "pool.destroyed";
    readonly generation: number;
    readonly reason: DestroyReason;
    /** What broke it, or what its validator threw. */
    readonly error?: unknown;
  }
  | { readonly type: "pool.destroy_failed"; readonly generation: number; readonly error: unknown }
  | { readonly type: "pool.misuse"; readonly generation: number }
  | {
    readonly type: "pool.leak";
    readonly generation: number;
    /** How long the lease has been out. */
    readonly heldMs: number;
    /** Where it was acquired. */
    readonly stack: string;
  };

/** What a resource is created with. */
export interface CreateOptions {
  /** Aborted when the pool closes. */
  readonly signal: AbortSignal;
  /** Counts the pool's creations from 1; a resource that replaces another has a higher one. */
  readonly generation: number;
}

/** What a resource is validated with. */
export interface ValidateOptions {
  /** Aborted when the answer is not waited for any more: after the timeout, or as the pool closes. */
  readonly signal: AbortSignal;
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
   * The most resources at once, an integer >= 1: idle, busy, being created or validated, and those
   * that are being destroyed because of their age. What broke makes room at once.
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
  /**
   * Tells whether a resource may still be lent, from what is known without asking it; called after its
   * creation and before each lease. One that may not, or for which this throws, is destroyed and
   * replaced on demand; after the creation that counts as a failed one.
   *
   * @default {() => true}
   */
  readonly isUsable?: (resource: T) => boolean;
  /**
   * Asks a resource whether it is still good, before it is lent after `validateAfterIdleMs`. `false`,
   * a throw and a timeout destroy it, and the caller goes on waiting for another. Without it nothing
   * is validated.
   */
  readonly validate?: (resource: T, options: ValidateOptions) => boolean | Promise<boolean>;
  /**
   * How long a resource must have been idle to be validated, in milliseconds, >= 0. With 0 it is
   * validated before every lease that finds it idle, with `Infinity` never.
   *
   * @default {30000}
   */
  readonly validateAfterIdleMs?: number;
  /**
   * The longest validation, in milliseconds, > 0. The caller's own wait goes on meanwhile.
   *
   * @default {5000}
   */
  readonly validationTimeoutMs?: number;
  /**
   * Tells whether a resource has a state that ages, as a session has: only then it expires, and is
   * retired after timeouts. Called once, after the creation.
   *
   * @default {() => true}
   */
  readonly isStateful?: (resource: T) => boolean;
  /**
   * How long a stateful resource may be idle before it is destroyed, in milliseconds, > 0. `Infinity`
   * keeps it.
   *
   * @default {Infinity}
   */
  readonly idleTimeoutMs?: number;
  /**
   * How long a stateful resource is lent, in milliseconds after its creation, > 0, less up to a quarter
   * by lot. Leases that are out then are waited for. With `Infinity` it never grows too old.
   *
   * @default {Infinity}
   */
  readonly maxLifetimeMs?: number;
  /**
   * How many attempts on a stateful resource may time out in a row, an integer >= 1, before it is
   * lent no more; see {@linkcode ManagedResource.noteTimeout}. With `Infinity` it always is.
   *
   * @default {Infinity}
   */
  readonly retireAfterTimeouts?: number;
  /**
   * How long a lease may be out before `pool.leak` reports it, in milliseconds, > 0. It is only
   * reported, never taken back. Costs a timer and a stack trace per lease; `Infinity` is off.
   *
   * @default {Infinity}
   */
  readonly leakThresholdMs?: number;
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
export interface ResolvedPoolOptions<T>
  extends Required<Omit<PoolOptions<T>, OptionalFunction>>, Explicit<T> {}

/** The functions without which the pool does less. */
type OptionalFunction = "isUsable" | "onEvent" | "validate";
type Explicit<T> = { readonly [K in OptionalFunction]: PoolOptions<T>[K] | undefined };

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
  isUsable: { type: "function" },
  validate: { type: "function" },
  validateAfterIdleMs: { preset: 30_000, min: 0 },
  validationTimeoutMs: { preset: 5_000, min: 0, above: true },
  isStateful: { preset: () => true, type: "function" },
  idleTimeoutMs: { preset: Infinity, min: 0, above: true },
  maxLifetimeMs: { preset: Infinity, min: 0, above: true },
  retireAfterTimeouts: { preset: Infinity, min: 1, integer: true },
  leakThresholdMs: { preset: Infinity, min: 0, above: true },
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
