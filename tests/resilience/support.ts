import { isClientError } from "../../src/errors/errors.ts";
import { type Clock, sleepOn } from "../../src/resilience/clock.ts";
import type { ManagedResource } from "../../src/resilience/managed_resource.ts";
import { ResourcePool } from "../../src/resilience/pool.ts";
import type { CreateOptions, PoolEvent, PoolOptions } from "../../src/resilience/pool_options.ts";
import { FakeClock } from "../support/fake_clock.ts";

/** What the pools of these tests lend. */
export interface Item {
  readonly id: number;
}

/** A pool on a fake clock, and what became of its items. */
export interface PoolFixture {
  readonly clock: FakeClock;
  readonly pool: ResourcePool<Item>;
  readonly destroyed: number[];
  readonly events: PoolEvent[];
}

/** Returns a pool whose items are numbered by their creation, which succeeds at once. */
export function createPool(options: Partial<PoolOptions<Item>> = {}): PoolFixture {
  const clock = new FakeClock();
  const destroyed: number[] = [];
  const events: PoolEvent[] = [];
  const pool = new ResourcePool<Item>({
    create: ({ generation }) => Promise.resolve({ id: generation }),
    destroy: ({ id }) => void destroyed.push(id),
    onEvent: (event) => void events.push(event),
    clock,
    random: () => 0.5,
    ...options,
  });
  return { clock, pool, destroyed, events };
}

/** A creation that the test settles. */
export interface Creation extends CreateOptions {
  succeed(): void;
  fail(error: unknown): void;
}

/** Creations that wait for the test to settle them. */
export class Creations {
  /** Those that run, the oldest first. */
  readonly running: Creation[] = [];
  /** How many were begun. */
  started = 0;
  /** The most that ran at once. */
  most = 0;

  readonly create = ({ signal, generation }: CreateOptions): Promise<Item> => {
    const { promise, resolve, reject } = Promise.withResolvers<Item>();
    const end = (): void => void this.running.splice(this.running.indexOf(creation), 1);
    const creation: Creation = {
      signal,
      generation,
      succeed: () => (end(), resolve({ id: generation })),
      fail: (error) => (end(), reject(error)),
    };
    this.running.push(creation);
    this.started++;
    this.most = Math.max(this.most, this.running.length);
    return promise;
  };
}

/** What has become of a promise for a lease. */
export interface Watched {
  lease: ManagedResource<Item> | undefined;
  /** `"pending"`, `"lease"`, the code of a `ClientError`, or the reason as text. */
  outcome: string;
  error: unknown;
}

/** Watches a promise for a lease. */
export function watch(promise: Promise<ManagedResource<Item>>): Watched {
  const watched: Watched = { lease: undefined, outcome: "pending", error: undefined };
  promise.then((lease) => {
    watched.lease = lease;
    watched.outcome = "lease";
  }, (error) => {
    watched.error = error;
    watched.outcome = isClientError(error) ? error.code : String(error);
  });
  return watched;
}

/** Lets promises settle within the macrotask; no chain of the pool is as long as this. */
export async function flush(turns = 32): Promise<void> {
  for (let turn = 0; turn < turns; turn++) await null;
}

/** A fake clock that settles promises within the macrotask, for tests of thousands of runs. */
export class QuickClock implements Clock {
  #nowMs = 0;
  readonly #turns: number;
  readonly #timers = new Set<{ atMs: number; callback: () => void }>();

  /** @param turns How many microtasks after one another the longest chain of promises takes. */
  constructor(turns?: number) {
    this.#turns = turns ?? 32;
  }

  now = (): number => this.#nowMs;
  wall = (): number => this.#nowMs;
  sleep = (ms: number, signal?: AbortSignal): Promise<void> => sleepOn(this, ms, signal);

  setTimer(ms: number, callback: () => void): () => void {
    const timer = { atMs: this.#nowMs + Math.max(ms, 0), callback };
    this.#timers.add(timer);
    return () => void this.#timers.delete(timer);
  }

  /** How many timers are set. */
  get timers(): number {
    return this.#timers.size;
  }

  /** Moves time on at once, whatever timers there are. */
  jump(ms: number): void {
    this.#nowMs += ms;
  }

  /** Moves time on, timer by timer, settling promises after each. */
  async advance(ms: number): Promise<void> {
    const endMs = this.#nowMs + ms;
    for (let next = this.#next(endMs); next !== undefined; next = this.#next(endMs)) {
      this.#nowMs = next.atMs;
      this.#timers.delete(next);
      next.callback();
      await flush(this.#turns);
    }
    this.#nowMs = endMs;
  }

  #next(endMs: number): { atMs: number; callback: () => void } | undefined {
    let next;
    for (const timer of this.#timers) {
      if (timer.atMs <= endMs && (next === undefined || timer.atMs < next.atMs)) next = timer;
    }
    return next;
  }
}

/** A controller that counts who listens to its signal. */
export class CountedAbort extends AbortController {
  readonly #listening = new Set<unknown>();

  constructor() {
    super();
    const { signal } = this;
    const [add, remove] = [signal.addEventListener, signal.removeEventListener];
    signal.addEventListener = (...args: unknown[]) => {
      const [type, listener, options] = args as Parameters<typeof add>;
      if (type === "abort") this.#listening.add(listener);
      // One that listens once is gone with the abort, whether it is removed or not.
      if (typeof options === "object" && options.once) {
        add.call(signal, "abort", () => this.#listening.delete(listener), { once: true });
      }
      add.apply(signal, args as Parameters<typeof add>);
    };
    signal.removeEventListener = (...args: unknown[]) => {
      if (args[0] === "abort") this.#listening.delete(args[1]);
      remove.apply(signal, args as Parameters<typeof remove>);
    };
  }

  /** How many listen now. */
  get listeners(): number {
    return this.#listening.size;
  }
}
