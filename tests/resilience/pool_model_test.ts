import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { runs } from "../support/runs.ts";
import { createClientError } from "../../src/errors/errors.ts";
import type { DestroyReason } from "../../src/resilience/pool_options.ts";
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
const ADVANCES_MS = [10, 10, 50, 100, 300, 1_100];
const TICK_MS = 5;
const LIMITS_MS = [0, 1, 10, 100, 1_000, 10_000, Infinity];

/** What a step may be, as often as it is here. */
const COMMANDS = [
  ...["acquire", "acquire", "acquire", "acquire", "acquire", "tryAcquire"],
  ...["release", "release", "release", "abort", "fail", "evict", "breakSilently"],
  ...["noteTimeout", "noteTimeout", "noteAnswer", "close"],
  ...["endCreation", "endCreation", "endCreation", "endValidation", "endValidation"],
  ...["endDestruction", "advance", "advance"],
] as const;

type Command = Exclude<typeof COMMANDS[number], "advance" | `end${string}`>;

/** A pool, its model, and what the callers hold. */
class Run {
  readonly trace: string[] = [];
  readonly #options: ModelOptions;
  readonly #model: PoolModel;
  readonly #clock = new QuickClock();
  readonly #creations = new Creations();
  readonly #items: Item[] = [];
  readonly #broken = new Set<number>();
  readonly #validations = new Map<number, (valid: boolean) => void>();
  readonly #destroyed: number[] = [];
  readonly #ended = new Map<number, DestroyReason>();
  readonly #destructions = new Map<number, () => void>();
  readonly #callers: Watched[] = [];
  readonly #controllers: AbortController[] = [];
  readonly #pool: ReturnType<typeof createPool>["pool"];
  #closing: Promise<void> | undefined;
  #isClosed = false;

  constructor(options: ModelOptions) {
    this.#options = options;
    this.#model = new PoolModel(options, (generation) => this.#ended.get(generation));
    const { capacity, isStateful, slowDestroy, ...rest } = options;
    const { pool } = createPool({
      ...rest,
      isStateful: () => isStateful,
      isUsable: ({ id }) => !this.#broken.has(id),
      leasesPerResource: (item) => (this.#items.push(item), capacity),
      create: this.#creations.create,
      validate: ({ id }) => new Promise((resolve) => this.#validations.set(id, resolve)),
      destroy: ({ id }) => {
        this.#destroyed.push(id);
        return slowDestroy
          ? new Promise((resolve) => this.#destructions.set(id, resolve))
          : undefined;
      },
      onEvent: (event) => {
        if (event.type === "pool.destroyed") this.#ended.set(event.generation, event.reason);
      },
      clock: this.#clock,
    });
    this.#pool = pool;
  }

  /** Whether a lease that was granted has not reached its caller yet. */
  get isLeaseUnseen(): boolean {
    return [...this.#model.leases.keys()].some((caller) => !this.#callers[caller]!.lease);
  }

  /** Does one step; `pick` chooses what to. Only what must wait gives a promise. */
  step(command: typeof COMMANDS[number], pick: number): Promise<void> | void {
    if (command === "advance") return this.#advance(ADVANCES_MS[pick % 6]!);
    if (command === "endCreation") return this.#endCreation(pick);
    if (command === "endValidation") return this.#endValidation(pick);
    if (command === "endDestruction") return this.#endDestruction(pick);
    this.#act(command, pick);
  }

  /** Does what callers do, in the tick of the step before. */
  #act(command: Command, pick: number): void {
    const pool = this.#pool;
    const model = this.#model;
    const held = [...model.leases.keys()];
    const caller = held[pick % held.length];
    const lease = caller === undefined ? undefined : this.#callers[caller]!.lease;
    const item = this.#items[pick % this.#items.length];
    this.trace.push(`${command} ${pick}: lease ${caller}, resource ${item?.id}`);
    if (command === "acquire") {
      const [timeoutMs, urgent] = [TIMEOUTS_MS[pick % 8]!, pick % 3 > 0];
      const controller = this.#controllers[this.#callers.length] = new AbortController();
      const priority = urgent ? "interactive" : "background";
      const { signal } = controller;
      this.#callers.push(watch(pool.acquire({ signal, priority, acquireTimeoutMs: timeoutMs })));
      model.acquire(urgent, timeoutMs);
    } else if (command === "tryAcquire") {
      const lease = pool.tryAcquire();
      this.#callers.push({ lease, outcome: String(lease), error: undefined });
      model.tryAcquire();
    } else if (command === "abort" && this.#callers.length > 0) {
      const aborted = pick % this.#callers.length;
      this.#controllers[aborted]?.abort("aborted");
      model.leave("aborted", (waiter) => waiter.caller === aborted);
    } else if (command === "evict" && item !== undefined) {
      pool.evict(item, new Error("gone"));
      model.fail(item.id);
    } else if (command === "breakSilently" && item !== undefined) {
      this.#broken.add(item.id);
      model.resources.all.find(({ generation }) => generation === item.id)!.broken = true;
    } else if (command === "close" && pick < 60) {
      const graceMs = pick < 30 ? 105 : 305;
      this.#closing ??= pool.close({ graceMs }).then(() => void (this.#isClosed = true));
      model.close(graceMs);
    } else if (caller === undefined || lease === undefined) return;
    else if (command === "release") {
      lease.release();
      model.release(caller);
      // A second time, and whatever else comes late, must change nothing.
      if (pick % 5 === 0) [() => lease.release(), () => lease.noteTimeout()][pick % 2]!();
    } else if (command === "fail") {
      lease.fail(new Error("broken"));
      model.fail(lease.generation);
    } else if (command === "noteTimeout") {
      lease.noteTimeout();
      model.timeOut(caller);
    } else if (command === "noteAnswer") {
      lease.noteAnswer();
      model.leases.get(caller)!.timeouts = 0;
    }
  }

  async #endCreation(pick: number): Promise<void> {
    await this.settle();
    const { running } = this.#creations;
    const creation = running[pick % running.length];
    if (creation === undefined) return;
    const ends: CreationEnd[] = ["fails for now", "fails for good", "is unusable at once"];
    const end = pick % 3 > 0 ? "succeeds" : ends[pick % 7 % 3]!;
    this.trace.push(`creation ${creation.generation} ${end}`);
    if (end === "is unusable at once") this.#broken.add(creation.generation);
    if (end === "fails for now") creation.fail(createClientError("connection_refused", end));
    else if (end === "fails for good") creation.fail(createClientError("forbidden", end));
    else creation.succeed();
    this.#model.endCreation(creation.generation, end);
    await this.settle();
  }

  async #endValidation(pick: number): Promise<void> {
    await this.settle();
    const running = this.#model.resources.in("validating");
    const resource = running[pick % running.length];
    if (resource === undefined) return;
    const valid = pick % 3 > 0;
    this.trace.push(`validation ${resource.generation} ${valid}`);
    this.#validations.get(resource.generation)!(valid);
    this.#model.endValidation(resource, valid);
    await this.settle();
  }

  async #endDestruction(pick: number): Promise<void> {
    await this.settle();
    const running = this.#model.resources.in("closing");
    const resource = running[pick % running.length];
    if (resource === undefined) return;
    this.trace.push(`destruction ${resource.generation}`);
    this.#destructions.get(resource.generation)!();
    this.#model.endDestruction(resource);
    await this.settle();
  }

  async #advance(ms: number): Promise<void> {
    await this.settle();
    this.trace.push(`advance ${ms}`);
    for (let passedMs = 0; passedMs < ms; passedMs += TICK_MS) {
      this.#model.resources.nowMs += TICK_MS;
      await this.#clock.advance(TICK_MS);
      this.#model.settle();
    }
    await this.settle();
  }

  /** Lets promises settle, then compares pool and model. */
  async settle(): Promise<void> {
    await flush();
    this.#model.settle();
    const { resources, leases, waiting, counts, waitsMs, outcomes } = this.#model;
    const stats = this.#pool.stats();
    const usable = resources.in("usable");
    const busy = usable.filter(({ leases }) => leases > 0).length;
    const count = (state: "validating" | "draining" | "closing") => resources.in(state).length;
    const where = (): string => `${JSON.stringify(this.#options)}\n${this.trace.join("\n")}`;
    const same = (actual: readonly unknown[], expected: readonly unknown[], what: string): void => {
      if (actual.join() !== expected.join()) assertEquals(actual, expected, `${what}\n${where()}`);
    };
    const seen = this.#callers.map(({ outcome, lease }) =>
      lease === undefined ? outcome : `lease ${lease.generation}`
    );
    same(seen, outcomes, "outcomes");
    same(
      [stats.size, stats.idle, stats.busy, stats.validating, stats.draining, stats.closing],
      [usable.length + count("validating"), usable.length - busy, busy]
        .concat(count("validating"), count("draining"), count("closing")),
      "size, idle, busy, validating, draining, closing",
    );
    const creating = this.#creations.running.map(({ generation }) => generation);
    same(
      [stats.leases, stats.waiting, stats.creating, ...creating],
      [leases.size, waiting.length, this.#model.creating.length, ...this.#model.creating],
      "leases, waiting, creating",
    );
    same(
      [stats.created, stats.createFailed, stats.leaks],
      [counts.created, counts.failed, counts.leaks],
      "created, failed, leaks",
    );
    const destroyedBy = Object.entries(stats.destroyed).filter(([, count]) => count > 0);
    same(destroyedBy.sort(), Object.entries(resources.destroyed).sort(), "destroyed");
    const bars = LIMITS_MS.map((limitMs, index) =>
      waitsMs.filter((ms) => ms <= limitMs && ms > (LIMITS_MS[index - 1] ?? -1)).length
    );
    same(stats.acquireWait.map(({ count }) => count), bars, "acquireWait");
    this.#checkInvariants(stats, where);
  }

  /** What must hold whatever the model says. */
  #checkInvariants({ leases, size, creating, waiting }: PoolStats, where: () => string): void {
    const { poolSize, maxResources, maxWaiters, createParallelism } = this.#options;
    const { resources, demand, leaksAtMs } = this.#model;
    const held = resources.taken - size;
    const free = resources.in("usable").filter((one) =>
      one.leases < this.#options.capacity && !one.broken
    );
    const isStale = free.every((one) => resources.isStale(one));
    const holds = {
      P1: leases <= poolSize && size + creating + held <= maxResources &&
        creating <= createParallelism && waiting <= maxWaiters,
      P3: demand === 0 ||
        (isStale && (free.length === 0 || demand <= resources.validatingCapacity)),
      F3: this.#clock.timers === 0 || waiting + held + leaksAtMs.size > 0 || size > 0 ||
        (this.#closing !== undefined && !this.#isClosed),
      once: new Set(this.#destroyed).size === this.#destroyed.length,
    };
    for (const [rule, kept] of Object.entries(holds)) {
      assert(kept, kept ? "" : `${rule}\n${where()}`);
    }
  }

  /** Ends all and looks whether anything is left. */
  async end(): Promise<void> {
    this.#act("close", 0);
    while (this.#creations.running.length > 0) await this.#endCreation(1);
    await this.#advance(700);
    for (const caller of [...this.#model.leases.keys()]) {
      this.#callers[caller]!.lease!.release();
      this.#model.release(caller);
    }
    while (this.#model.resources.in("closing").length > 0) await this.#endDestruction(0);
    await this.settle();
    const { size, draining, closing, creating, leases } = this.#pool.stats();
    const left = [size, draining, closing, creating, leases, this.#clock.timers, +!this.#isClosed];
    assertEquals(left, [0, 0, 0, 0, 0, 0, 0], this.trace.join("\n"));
    assertEquals(this.#destroyed.length, this.#model.resources.all.length, this.trace.join("\n"));
    assert(this.#callers.every(({ outcome }) => outcome !== "pending"), this.trace.join("\n"));
  }
}

const OPTIONS = fc.record({
  poolSize: fc.integer({ min: 1, max: 4 }),
  maxResources: fc.integer({ min: 1, max: 4 }),
  capacity: fc.integer({ min: 1, max: 3 }),
  maxWaiters: fc.integer({ min: 1, max: 4 }),
  createParallelism: fc.integer({ min: 1, max: 2 }),
  isStateful: fc.boolean(),
  idleTimeoutMs: fc.constantFrom(Infinity, 150, 600),
  maxLifetimeMs: fc.constantFrom(Infinity, 400, 1_600),
  validateAfterIdleMs: fc.constantFrom(Infinity, 0, 50),
  validationTimeoutMs: fc.constantFrom(Infinity, 100),
  retireAfterTimeouts: fc.constantFrom(Infinity, 2),
  leakThresholdMs: fc.constantFrom(Infinity, 300),
  slowDestroy: fc.boolean(),
});
const STEPS = fc.array(fc.tuple(fc.constantFrom(...COMMANDS), fc.nat(255)), {
  maxLength: 28,
  size: "max",
});

/** What leaves so many idle resources behind, as far as there is room, and 100 ms. */
function warmUp(resources: number): [typeof COMMANDS[number], number][] {
  const each = (["acquire", "endCreation", "release"] as const).map((command) =>
    Array<[typeof command, number]>(resources).fill([command, command === "acquire" ? 5 : 1])
  );
  return [...each.flat(), ["advance", 3]];
}

const USUAL_RUNS = 10_000;
const RUNS = runs(USUAL_RUNS);
/** The usual runs are the same every time; more of them look elsewhere, too. */
const SEED = RUNS === USUAL_RUNS ? { seed: 1 } : {};

Deno.test(`P1–P19 ResourcePool does what a naive model does, on ${RUNS} seeded runs`, async () => {
  await fc.assert(
    fc.asyncProperty(OPTIONS, fc.nat(3), STEPS, async (options, resources, steps) => {
      const run = new Run(options);
      for (const [command, pick] of [...warmUp(resources), ...steps]) {
        if (run.isLeaseUnseen) await run.settle();
        const doing = run.step(command, pick);
        if (doing !== undefined) await doing;
        if (pick >= 80) await run.settle();
      }
      await run.end();
    }),
    { numRuns: RUNS, ...SEED },
  );
});
