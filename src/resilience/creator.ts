import { drawBackoffMs } from "./backoff.ts";
import type { ResourceFailure } from "./managed_resource.ts";
import type { ResolvedPoolOptions } from "./pool_options.ts";

/** The wait after a failed creation: full jitter from 100 ms up to 5 s. */
const CREATE_BACKOFF = { baseDelayMs: 100, backoffFactor: 2, maxDelayMs: 5_000 } as const;

/** What a pool tells its creator, and hears from it. */
export interface CreatorHooks<T> {
  /** How many resources are wanted besides those being created; asked before each creation. */
  wanted(): number;
  /** Takes a resource that was created at this instant, also after `close()`, or says why not. */
  created(resource: T, generation: number, nowMs: number): ResourceFailure | undefined;
  /** Takes a failure that trying again would not mend. */
  failedForGood(error: unknown): void;
  /** Called after every creation, whatever became of it, with the instant at which it ended. */
  settled(nowMs: number): void;
}

/** Creates resources on demand, few at a time, with a growing wait after failures that may pass. */
export class Creator<T> {
  /** Creations that failed. */
  failed = 0;
  /** The last failure, until a creation succeeds. */
  lastError: { readonly error: unknown } | undefined;
  /** The creations that run. */
  readonly running: Set<Promise<void>> = new Set();
  readonly #options: ResolvedPoolOptions<T>;
  readonly #hooks: CreatorHooks<T>;
  readonly #closing = new AbortController();
  #generation = 0;
  #failuresInARow = 0;
  #notBeforeMs = -Infinity;
  #undoTimer: (() => void) | undefined;

  constructor(options: ResolvedPoolOptions<T>, hooks: CreatorHooks<T>) {
    this.#options = options;
    this.#hooks = hooks;
  }

  /** Creates what is wanted, now or after the wait that the last failure demands. */
  createOnDemand(): void {
    const { createParallelism, clock } = this.#options;
    while (this.#undoTimer === undefined && !this.#closing.signal.aborted) {
      if (this.running.size >= createParallelism || this.#hooks.wanted() <= 0) return;
      const waitMs = this.#notBeforeMs - clock.now();
      if (waitMs > 0) {
        this.#undoTimer = clock.setTimer(waitMs, () => {
          this.#undoTimer = undefined;
          this.createOnDemand();
        });
        return;
      }
      const creation: Promise<void> = this.#create().then((tell) => {
        // It must be counted no more when the pool hears what became of it.
        this.running.delete(creation);
        const nowMs = clock.now();
        try {
          tell?.(nowMs);
        } catch (defect) {
          // What an option throws by mistake must not start another creation at once.
          this.#hooks.failedForGood(defect);
        }
        this.#hooks.settled(nowMs);
      });
      this.running.add(creation);
    }
  }

  /** Drops the timer of the next creation: nobody waits for it any more. */
  rest(): void {
    this.#undoTimer?.();
    this.#undoTimer = undefined;
  }

  /** Stops creating; creations that run are told by their signal. A timer ends with the last who waits. */
  close(reason: unknown): void {
    this.#closing.abort(reason);
  }

  /** Creates one; returns what tells the pool, unless it is not to know. */
  async #create(): Promise<((nowMs: number) => void) | undefined> {
    await null; // the creation must be known to run before it can fail
    if (this.#hooks.wanted() < 0) return; // who wanted it has left meanwhile
    const generation = ++this.#generation;
    try {
      const resource = await this.#options.create({ signal: this.#closing.signal, generation });
      return (nowMs) => this.#succeed(resource, generation, nowMs);
    } catch (error) {
      return (nowMs) => this.#fail(error, generation, nowMs);
    }
  }

  #succeed(resource: T, generation: number, nowMs: number): void {
    const failure = this.#hooks.created(resource, generation, nowMs);
    // One that ended at once must not be replaced at once, again and again.
    if (failure !== undefined) return this.#fail(failure.error, generation, nowMs);
    this.#failuresInARow = 0;
    this.lastError = undefined;
  }

  #fail(error: unknown, generation: number, nowMs: number): void {
    if (this.#closing.signal.aborted) return; // it ended because it was told to
    const { random, isTemporary, onEvent } = this.#options;
    const temporary = isTemporary(error);
    this.failed++;
    this.#failuresInARow = temporary ? this.#failuresInARow + 1 : 0;
    const waitMs = temporary ? drawBackoffMs(this.#failuresInARow, CREATE_BACKOFF, random) : 0;
    this.#notBeforeMs = nowMs + waitMs;
    this.lastError = { error };
    onEvent?.({ type: "pool.create_failed", generation, error, temporary, waitMs });
    if (!temporary) this.#hooks.failedForGood(error);
  }
}
