import type { DestroyReason } from "../../src/resilience/pool_options.ts";
import {
  type ModelResource,
  type ResourceOptions,
  ResourcesModel,
} from "./pool_model_resources.ts";

/** What a pool and its model are given. */
export interface ModelOptions extends ResourceOptions {
  readonly poolSize: number;
  readonly maxResources: number;
  readonly maxWaiters: number;
  readonly createParallelism: number;
  readonly leakThresholdMs: number;
}

/** How a creation ends. */
export type CreationEnd = "succeeds" | "is unusable at once" | "fails for now" | "fails for good";

/** Asks the pool why a resource ended: of two reasons that come at one instant, either may count. */
export type ReasonOf = (generation: number) => DestroyReason | undefined;

interface Waiter {
  readonly caller: number;
  readonly urgent: boolean;
  readonly sinceMs: number;
  readonly untilMs: number;
}

/** Those who want leases of a pool; naive on purpose, with plain lists. */
export class PoolModel {
  closed = false;
  graceEndsMs = Infinity;
  readonly resources: ResourcesModel;
  readonly leases = new Map<number, ModelResource>();
  readonly outcomes: string[] = [];
  readonly waitsMs: number[] = [];
  readonly counts = { begun: 0, created: 0, failed: 0, failedInARow: 0, leaks: 0 };
  /** When each lease that is watched is reported. */
  readonly leaksAtMs = new Map<number, number>();
  waiting: Waiter[] = [];
  creating: number[] = [];
  #notBeforeMs = 0;
  readonly #options: ModelOptions;
  readonly #reasonOf: ReasonOf;

  constructor(options: ModelOptions, reasonOf: ReasonOf) {
    this.#options = options;
    this.#reasonOf = reasonOf;
    this.resources = new ResourcesModel(options);
  }

  get nowMs(): number {
    return this.resources.nowMs;
  }

  /** How many waiters could have a lease if there were resources enough. */
  get demand(): number {
    return Math.min(this.waiting.length, this.#options.poolSize - this.leases.size);
  }

  acquire(urgent: boolean, timeoutMs: number): void {
    const caller = this.outcomes.push("pending") - 1;
    const waiter = { caller, urgent, sinceMs: this.nowMs, untilMs: this.nowMs + timeoutMs };
    const resource = this.waiting.length === 0 ? this.#take() : undefined;
    const full = this.waiting.length >= this.#options.maxWaiters;
    if (resource !== undefined) this.#lend(waiter, resource);
    else if (this.closed) this.outcomes[caller] = "pool_closed";
    else if (full || timeoutMs === 0) this.outcomes[caller] = full ? "pool_full" : "pool_timeout";
    else {
      const background = this.waiting.findIndex((other) => urgent && !other.urgent);
      this.waiting.splice(background < 0 ? this.waiting.length : background, 0, waiter);
      this.#validate();
    }
  }

  tryAcquire(): void {
    const caller = this.outcomes.push("undefined") - 1;
    const resource = this.waiting.length === 0 ? this.#take() : undefined;
    const [sinceMs, untilMs] = [this.nowMs, this.nowMs];
    if (resource !== undefined) this.#lend({ caller, urgent: true, sinceMs, untilMs }, resource);
  }

  leave(outcome: string, leaves: (waiter: Waiter) => boolean): void {
    for (const { caller } of this.waiting.filter(leaves)) this.outcomes[caller] = outcome;
    this.waiting = this.waiting.filter((waiter) => !leaves(waiter));
  }

  release(caller: number): void {
    const resource = this.leases.get(caller)!;
    this.leases.delete(caller);
    this.leaksAtMs.delete(caller);
    const wasUsable = resource.state === "usable";
    this.resources.giveBack(resource, this.closed);
    if (wasUsable && !this.closed) this.resources.sweep();
    this.#serve();
  }

  fail(generation: number): void {
    const resource = this.resources.all.find((one) => one.generation === generation);
    if (resource !== undefined) this.resources.end(resource, "failed");
    this.#validate();
  }

  timeOut(caller: number): void {
    this.resources.countTimeout(this.leases.get(caller)!);
    this.#validate();
  }

  endValidation(resource: ModelResource, valid: boolean): void {
    this.resources.endValidation(resource, valid);
    this.#serve();
  }

  endDestruction(resource: ModelResource): void {
    resource.state = "gone";
    if (resource.holdsUntilMs > this.nowMs) this.#serve();
  }

  endCreation(generation: number, end: CreationEnd): void {
    this.creating = this.creating.filter((running) => running !== generation);
    const isUnusable = end === "is unusable at once" && !this.closed;
    if (end === "succeeds" || end === "is unusable at once") {
      this.resources.add(generation, isUnusable);
      const resource = this.resources.all.at(-1)!;
      if (this.closed) this.resources.destroy(resource, "created_late");
      else if (isUnusable) this.resources.end(resource, "failed");
      if (!isUnusable) this.counts.created++;
      if (!isUnusable) this.counts.failedInARow = 0;
    }
    if (!this.closed && end !== "succeeds") {
      this.counts.failed++;
      this.counts.failedInARow = end === "fails for good" ? 0 : this.counts.failedInARow + 1;
      const ceilingMs = Math.min(5_000, 100 * 2 ** (this.counts.failedInARow - 1));
      this.#notBeforeMs = this.nowMs + (end === "fails for good" ? 0 : ceilingMs / 2);
      if (end === "fails for good") this.leave("forbidden", () => true);
    }
    this.#serve();
  }

  close(graceMs: number): void {
    if (this.closed) return;
    this.closed = true;
    this.graceEndsMs = this.nowMs + graceMs;
    this.leave("pool_closed", () => true);
    for (const resource of this.resources.in("usable", "validating")) {
      if (resource.leases === 0) this.resources.end(resource, "pool_closed");
    }
    for (const resource of this.resources.all) resource.holdsUntilMs = 0;
  }

  /** Does what is due at this instant, after all that the callers did at it and the pool's timers. */
  settle(): void {
    this.leave("pool_timeout", ({ untilMs }) => untilMs <= this.nowMs);
    this.#reportLeaks();
    if (this.graceEndsMs <= this.nowMs) this.#endGrace();
    for (const resource of this.resources.in("validating")) {
      if (resource.validationEndsMs > this.nowMs) continue;
      const isAged = this.resources.isAged(resource);
      if (isAged && this.#reasonOf(resource.generation) === "aged") this.#expire();
      else this.endValidation(resource, false);
    }
    if (this.resources.all.some((one) => this.resources.isIdleDue(one))) this.#expire();
    if (this.resources.in("closing").some(({ holdsUntilMs }) => holdsUntilMs === this.nowMs)) {
      this.#serve();
    }
    if (this.nowMs < this.#notBeforeMs) return;
    const room = this.#options.maxResources - this.resources.taken;
    const wanted = Math.min(this.demand - this.resources.validatingCapacity, room);
    const most = Math.min(this.#options.createParallelism, wanted);
    while (this.creating.length < most) this.creating.push(++this.counts.begun);
  }

  #expire(): void {
    this.resources.sweep();
    this.#serve();
  }

  #reportLeaks(): void {
    for (const [caller, atMs] of this.leaksAtMs) {
      if (atMs > this.nowMs) continue;
      this.leaksAtMs.delete(caller);
      this.counts.leaks++;
    }
  }

  #endGrace(): void {
    for (const resource of this.resources.in("usable", "validating", "draining")) {
      this.resources.destroy(resource, "pool_closed");
    }
    this.leaksAtMs.clear();
  }

  #take(): ModelResource | undefined {
    if (this.closed || this.leases.size >= this.#options.poolSize) return undefined;
    this.resources.sweep();
    return this.resources.free();
  }

  #lend({ caller, sinceMs }: Waiter, resource: ModelResource): void {
    resource.leases++;
    this.leases.set(caller, resource);
    this.leaksAtMs.set(caller, this.nowMs + this.#options.leakThresholdMs);
    this.outcomes[caller] = `lease ${resource.generation}`;
    this.waitsMs.push(this.nowMs - sinceMs);
  }

  #serve(): void {
    while (this.waiting.length > 0) {
      const resource = this.#take();
      if (resource === undefined) break;
      this.#lend(this.waiting.shift()!, resource);
    }
    this.#validate();
  }

  #validate(): void {
    while (this.demand > this.resources.validatingCapacity && this.resources.validateStale());
  }
}
