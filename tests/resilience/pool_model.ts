import type { DestroyReason } from "../../src/resilience/pool_options.ts";

/** What a pool and its model are given. */
export interface ModelOptions {
  readonly poolSize: number;
  readonly maxResources: number;
  readonly capacity: number;
  readonly maxWaiters: number;
  readonly createParallelism: number;
}

/** How a creation ends. */
export type CreationEnd = "succeeds" | "fails for now" | "fails for good";

type State = "usable" | "failed" | "gone";

/** A pool that is naive on purpose: plain lists, looked through again and again. */
export class PoolModel {
  nowMs = 0;
  closed = false;
  graceEndsMs = Infinity;
  readonly resources: { generation: number; state: State }[] = [];
  readonly leases = new Map<number, { generation: number; state: State }>();
  readonly outcomes: string[] = [];
  readonly waitsMs: number[] = [];
  readonly destroyed: Partial<Record<DestroyReason, number>> = {};
  readonly counts = { begun: 0, created: 0, failed: 0, failedInARow: 0 };
  waiting: { caller: number; urgent: boolean; sinceMs: number; untilMs: number }[] = [];
  creating: number[] = [];
  #notBeforeMs = 0;
  readonly #options: ModelOptions;

  constructor(options: ModelOptions) {
    this.#options = options;
  }

  acquire(urgent: boolean, timeoutMs: number): void {
    const caller = this.outcomes.push("pending") - 1;
    const waiter = { caller, urgent, sinceMs: this.nowMs, untilMs: this.nowMs + timeoutMs };
    const full = this.waiting.length >= this.#options.maxWaiters;
    if (this.closed) this.outcomes[caller] = "pool_closed";
    else if (this.waiting.length === 0 && this.#free()) this.#lend(waiter);
    else if (full || timeoutMs === 0) this.outcomes[caller] = full ? "pool_full" : "pool_timeout";
    else {
      const background = this.waiting.findIndex((other) => urgent && !other.urgent);
      this.waiting.splice(background < 0 ? this.waiting.length : background, 0, waiter);
    }
  }

  leave(outcome: string, leaves: (waiter: PoolModel["waiting"][number]) => boolean): void {
    for (const { caller } of this.waiting.filter(leaves)) this.outcomes[caller] = outcome;
    this.waiting = this.waiting.filter((waiter) => !leaves(waiter));
  }

  release(caller: number): void {
    const resource = this.leases.get(caller)!;
    this.leases.delete(caller);
    if (resource.state === "failed") this.fail(resource.generation);
    else if (this.closed) this.#destroyUnused("pool_closed");
    this.#serve();
  }

  fail(generation: number): void {
    const resource = this.resources.find((one) => one.generation === generation);
    if (resource === undefined || resource.state === "gone") return;
    resource.state = "failed";
    this.#destroyUnused("failed");
  }

  endCreation(generation: number, end: CreationEnd): void {
    this.creating = this.creating.filter((running) => running !== generation);
    if (end === "succeeds") {
      this.counts.created++;
      this.counts.failedInARow = 0;
      if (this.closed) this.#count("created_late");
      else this.resources.push({ generation, state: "usable" });
    } else if (!this.closed) {
      this.counts.failed++;
      this.counts.failedInARow = end === "fails for now" ? this.counts.failedInARow + 1 : 0;
      const ceilingMs = Math.min(5_000, 100 * 2 ** (this.counts.failedInARow - 1));
      this.#notBeforeMs = this.nowMs + (end === "fails for now" ? ceilingMs / 2 : 0);
      if (end === "fails for good") this.leave("forbidden", () => true);
    }
  }

  close(graceMs: number): void {
    if (this.closed) return;
    this.closed = true;
    this.graceEndsMs = this.nowMs + graceMs;
    this.leave("pool_closed", () => true);
    this.#destroyUnused("pool_closed");
  }

  /** Does what is due at this instant, after all that the callers did at it. */
  settle(): void {
    this.leave("pool_timeout", ({ untilMs }) => untilMs <= this.nowMs);
    if (this.graceEndsMs <= this.nowMs) this.#destroyUnused("pool_closed", true);
    this.#serve();
    const { createParallelism, maxResources, poolSize } = this.#options;
    const room = Math.min(maxResources - this.#in("usable").length, poolSize - this.leases.size);
    const wanted = Math.min(createParallelism, this.waiting.length, room);
    if (this.nowMs < this.#notBeforeMs) return;
    while (this.creating.length < wanted) this.creating.push(++this.counts.begun);
  }

  #in(state: State): PoolModel["resources"] {
    return this.resources.filter((resource) => resource.state === state);
  }

  /** How many leases of a resource are out. */
  leasesOf(resource: object): number {
    return [...this.leases.values()].filter((leased) => leased === resource).length;
  }

  #free(): PoolModel["resources"][number] | undefined {
    if (this.leases.size >= this.#options.poolSize) return undefined;
    return this.#in("usable").filter((one) => this.leasesOf(one) < this.#options.capacity)
      .sort((one, other) => this.leasesOf(one) - this.leasesOf(other))[0];
  }

  #lend({ caller, sinceMs }: { caller: number; sinceMs: number }): void {
    const resource = this.#free()!;
    this.leases.set(caller, resource);
    this.outcomes[caller] = `lease ${resource.generation}`;
    this.waitsMs.push(this.nowMs - sinceMs);
  }

  #serve(): void {
    while (this.waiting.length > 0 && this.#free() !== undefined) this.#lend(this.waiting.shift()!);
  }

  #destroyUnused(reason: "failed" | "pool_closed", always = false): void {
    for (const resource of this.resources) {
      const due = reason === "pool_closed" || resource.state === "failed";
      if (resource.state === "gone" || !due || (!always && this.leasesOf(resource) > 0)) continue;
      resource.state = "gone";
      this.#count(reason);
    }
  }

  #count(reason: DestroyReason): void {
    this.destroyed[reason] = (this.destroyed[reason] ?? 0) + 1;
  }
}
