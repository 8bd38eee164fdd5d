import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { createClientError } from "../../src/errors/errors.ts";
import type { PoolStats } from "../../src/resilience/pool_stats.ts";
import { type CreationEnd, type ModelOptions, PoolModel } from "./pool_model.ts";
import {
  createPool,
  Creations,
  flush,
  type Item,
  QuickClock,
  watch,
  type Watched,
} from "./support.ts";

/** Waits for a place end between the instants at which anything else happens. */
const TIMEOUTS_MS = [0, 5, 35, 105, 1_005, Infinity, Infinity, Infinity];
const ADVANCES_MS = [10, 10, 50, 100, 300, 1_500];
const TICK_MS = 5;
const LIMITS_MS = [0, 1, 10, 100, 1_000, 10_000, Infinity];

/** A pool, its model, and what the callers hold. */
class Run {
  readonly trace: string[] = [];
  readonly #options: ModelOptions;
  readonly #model: PoolModel;
  readonly #clock = new QuickClock();
  readonly #creations = new Creations();
  readonly #items: Item[] = [];
  readonly #callers: Watched[] = [];
  readonly #controllers: AbortController[] = [];
  readonly #pool: ReturnType<typeof createPool>;
  #closing: Promise<void> | undefined;
  #isClosed = false;

  constructor(options: ModelOptions) {
    this.#options = options;
    this.#model = new PoolModel(options);
    const { capacity, ...sizes } = options;
    this.#pool = createPool({
      ...sizes,
      leasesPerResource: (item) => (this.#items.push(item), capacity),
      create: this.#creations.create,
      clock: this.#clock,
    });
  }

  /** Whether a lease that was granted has not reached its caller yet. */
  get isLeaseUnseen(): boolean {
    return [...this.#model.leases.keys()].some((caller) => !this.#callers[caller]!.lease);
  }

  /** Does one command, in the same tick as the last unless it must wait; `pick` chooses what to. */
  step(command: number, pick: number): Promise<void> | undefined {
    const { pool } = this.#pool;
    const model = this.#model;
    const held = [...model.leases.keys()];
    const caller = held[pick % held.length];
    const say = (text: string): void => void this.trace.push(text);
    if (command < 6) {
      const [timeoutMs, urgent] = [TIMEOUTS_MS[pick % 8]!, pick % 3 > 0];
      say(`acquire ${this.#callers.length}, ${timeoutMs} ms, ${urgent ? "urgent" : "background"}`);
      const controller = new AbortController();
      this.#controllers.push(controller);
      const priority = urgent ? "interactive" : "background";
      const { signal } = controller;
      this.#callers.push(watch(pool.acquire({ signal, priority, acquireTimeoutMs: timeoutMs })));
      model.acquire(urgent, timeoutMs);
    } else if (command < 9 && caller !== undefined) {
      say(`release ${caller}`);
      this.#callers[caller]!.lease!.release();
      model.release(caller);
      // A second time it must change nothing.
      if (pick % 5 === 0) this.#callers[caller]!.lease!.release();
    } else if (command === 9 && this.#callers.length > 0) {
      const aborted = pick % this.#callers.length;
      say(`abort ${aborted}`);
      this.#controllers[aborted]!.abort("aborted");
      model.leave("aborted", (waiter) => waiter.caller === aborted);
    } else if (command === 10 && caller !== undefined) {
      say(`fail ${caller}`);
      this.#callers[caller]!.lease!.fail(new Error("broken"));
      model.fail(model.leases.get(caller)!.generation);
    } else if (command === 11 && this.#items.length > 0) {
      const item = this.#items[pick % this.#items.length]!;
      say(`evict ${item.id}`);
      pool.evict(item, new Error("gone"));
      model.fail(item.id);
    } else if (command > 11 && command < 15) return this.#endCreation(command, pick);
    else if (command > 14 && command < 17) return this.#advance(ADVANCES_MS[pick % 6]!);
    else if (command === 17 && pick < 60) {
      const graceMs = pick < 30 ? 105 : 1_005;
      say(`close ${graceMs}`);
      this.#closing ??= pool.close({ graceMs }).then(() => void (this.#isClosed = true));
      model.close(graceMs);
    }
    return undefined;
  }

  async #endCreation(command: number, pick: number): Promise<void> {
    await this.settle();
    const { running } = this.#creations;
    const creation = running[pick % running.length];
    if (creation === undefined) return;
    const end: CreationEnd = command < 14 && pick % 4 > 0
      ? "succeeds"
      : pick % 7 > 0
      ? "fails for now"
      : "fails for good";
    this.trace.push(`creation ${creation.generation} ${end}`);
    if (end === "succeeds") creation.succeed();
    else {
      const code = end === "fails for now" ? "connection_refused" : "forbidden";
      creation.fail(createClientError(code, end));
    }
    this.#model.endCreation(creation.generation, end);
    await this.settle();
  }

  async #advance(ms: number): Promise<void> {
    await this.settle();
    this.trace.push(`advance ${ms}`);
    for (let passedMs = 0; passedMs < ms; passedMs += TICK_MS) {
      this.#model.nowMs += TICK_MS;
      this.#model.settle();
      await this.#clock.advance(TICK_MS);
    }
    await this.settle();
  }

  /** Lets promises settle, then compares pool and model. */
  async settle(): Promise<void> {
    await flush();
    this.#model.settle();
    const { pool, destroyed } = this.#pool;
    const { resources, leases, waiting, counts, waitsMs, outcomes } = this.#model;
    const stats = pool.stats();
    const usable = resources.filter(({ state }) => state === "usable");
    const idle = usable.filter((resource) => this.#model.leasesOf(resource) === 0).length;
    const failed = resources.filter(({ state }) => state === "failed").length;
    const where = (): string => `${JSON.stringify(this.#options)}\n${this.trace.join("\n")}`;
    const same = (actual: readonly unknown[], expected: readonly unknown[], what: string): void => {
      if (actual.join() !== expected.join()) assertEquals(actual, expected, `${what}\n${where()}`);
    };
    const seen = this.#callers.map(({ outcome, lease }) =>
      lease === undefined ? outcome : `lease ${lease.generation}`
    );
    same(seen, outcomes, "outcomes");
    same(
      [stats.size, stats.idle, stats.busy, stats.draining, stats.leases, stats.waiting],
      [usable.length, idle, usable.length - idle, failed, leases.size, waiting.length],
      "size, idle, busy, draining, leases, waiting",
    );
    const running = this.#creations.running.map(({ generation }) => generation);
    same(
      [stats.creating, ...running],
      [this.#model.creating.length, ...this.#model.creating],
      "creating",
    );
    same([stats.created, stats.createFailed], [counts.created, counts.failed], "created, failed");
    const destroyedBy = Object.entries(stats.destroyed).filter(([, count]) => count > 0);
    same(destroyedBy.sort(), Object.entries(this.#model.destroyed).sort(), "destroyed");
    const bars = LIMITS_MS.map((limitMs, index) =>
      waitsMs.filter((ms) => ms <= limitMs && ms > (LIMITS_MS[index - 1] ?? -1)).length
    );
    same(stats.acquireWait.map(({ count }) => count), bars, "acquireWait");
    this.#checkInvariants(stats, destroyed, where);
  }

  /** What must hold whatever the model says. */
  #checkInvariants(
    { leases, size, idle, creating, waiting }: PoolStats,
    destroyed: readonly number[],
    where: () => string,
  ): void {
    const { poolSize, maxResources, maxWaiters, createParallelism } = this.#options;
    const timers = this.#clock.timers;
    const holds = leases <= poolSize && size + creating <= maxResources &&
      creating <= createParallelism && waiting <= maxWaiters &&
      (waiting === 0 || idle === 0 || leases === poolSize) &&
      (waiting > 0 || (this.#closing !== undefined && !this.#isClosed) || timers === 0) &&
      new Set(destroyed).size === destroyed.length;
    assert(holds, holds ? "" : where());
  }

  /** Ends all and looks whether anything is left. */
  async end(): Promise<void> {
    await this.step(17, 0);
    while (this.#creations.running.length > 0) await this.#endCreation(12, 1);
    await this.#advance(2_000);
    for (const caller of [...this.#model.leases.keys()]) {
      this.#callers[caller]!.lease!.release();
      this.#model.release(caller);
    }
    await this.settle();
    const { size, draining, creating, leases } = this.#pool.pool.stats();
    const left = [size, draining, creating, leases, this.#clock.timers, +!this.#isClosed];
    assertEquals(left, [0, 0, 0, 0, 0, 0], this.trace.join("\n"));
    const everCreated = this.#pool.pool.stats().created;
    assertEquals(this.#pool.destroyed.length, everCreated, this.trace.join("\n"));
    assert(this.#callers.every(({ outcome }) => outcome !== "pending"), this.trace.join("\n"));
  }
}

Deno.test("P1–P16 ResourcePool does what a naive model does, on ten thousand seeded runs", async () => {
  const options = fc.record({
    poolSize: fc.integer({ min: 1, max: 4 }),
    maxResources: fc.integer({ min: 1, max: 4 }),
    capacity: fc.integer({ min: 1, max: 3 }),
    maxWaiters: fc.integer({ min: 1, max: 4 }),
    createParallelism: fc.integer({ min: 1, max: 2 }),
  });
  const steps = fc.array(fc.tuple(fc.nat(17), fc.nat(255)), { maxLength: 40, size: "max" });
  await fc.assert(
    fc.asyncProperty(options, steps, async (options, steps) => {
      const run = new Run(options);
      for (const [command, pick] of steps) {
        if (run.isLeaseUnseen) await run.settle();
        const doing = run.step(command, pick);
        if (doing !== undefined) await doing;
        if (pick >= 80) await run.settle();
      }
      await run.end();
    }),
    { numRuns: 10_000 },
  );
});
