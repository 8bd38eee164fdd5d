import type { DestroyReason } from "../../src/resilience/pool_options.ts";

/** What the resources of a pool and its model are given. */
export interface ResourceOptions {
  readonly capacity: number;
  readonly isStateful: boolean;
  readonly idleTimeoutMs: number;
  readonly maxLifetimeMs: number;
  readonly validateAfterIdleMs: number;
  readonly validationTimeoutMs: number;
  readonly retireAfterTimeouts: number;
  readonly slowDestroy: boolean;
}

/** A resource of the model. */
export interface ModelResource {
  readonly generation: number;
  state: "usable" | "validating" | "draining" | "closing" | "gone";
  reason: DestroyReason | undefined;
  leases: number;
  /** Whether `isUsable` denies it. */
  broken: boolean;
  timeouts: number;
  readonly agedAtMs: number;
  idleSinceMs: number;
  validAtMs: number;
  validationEndsMs: number;
  /** Until when it keeps its place as it is destroyed. */
  holdsUntilMs: number;
}

/** The resources of a pool, naive on purpose: one list, looked through again and again. */
export class ResourcesModel {
  nowMs = 0;
  readonly all: ModelResource[] = [];
  readonly destroyed: Partial<Record<DestroyReason, number>> = {};
  readonly #options: ResourceOptions;

  constructor(options: ResourceOptions) {
    this.#options = options;
  }

  add(generation: number, broken: boolean): void {
    const { isStateful, maxLifetimeMs } = this.#options;
    const agedAtMs = isStateful ? this.nowMs + maxLifetimeMs * 0.875 : Infinity;
    const times = { agedAtMs, idleSinceMs: this.nowMs, validAtMs: this.nowMs };
    const ends = { validationEndsMs: Infinity, holdsUntilMs: 0 };
    const state = { state: "usable", reason: undefined, leases: 0, timeouts: 0 } as const;
    this.all.push({ generation, broken, ...times, ...ends, ...state });
  }

  in(...states: ModelResource["state"][]): ModelResource[] {
    return this.all.filter(({ state }) => states.includes(state));
  }

  /** How many places are taken. */
  get taken(): number {
    const holding = this.in("closing").filter(({ holdsUntilMs }) => holdsUntilMs > this.nowMs);
    return this.in("usable", "validating").length + holding.length;
  }

  get validatingCapacity(): number {
    return this.in("validating").length * this.#options.capacity;
  }

  isStale({ state, leases, idleSinceMs, validAtMs }: ModelResource): boolean {
    const sinceMs = Math.max(idleSinceMs, validAtMs);
    return state === "usable" && leases === 0 &&
      this.nowMs - sinceMs > this.#options.validateAfterIdleMs;
  }

  /** Whether the timer for idle resources is due, or would be if there were one. */
  isIdleDue(resource: ModelResource): boolean {
    return resource.state === "usable" && resource.leases === 0 &&
      this.#dueReason(resource) !== undefined;
  }

  isAged({ agedAtMs }: ModelResource): boolean {
    return this.nowMs >= agedAtMs;
  }

  #dueReason(resource: ModelResource): DestroyReason | undefined {
    if (this.isAged(resource)) return "aged";
    const { leases, state, idleSinceMs } = resource;
    const { isStateful, idleTimeoutMs } = this.#options;
    const idle = isStateful && leases === 0 && state === "usable";
    return idle && this.nowMs - idleSinceMs >= idleTimeoutMs ? "idle" : undefined;
  }

  sweep(): void {
    for (const resource of this.in("usable", "validating")) {
      const reason = this.#dueReason(resource);
      if (reason !== undefined) this.end(resource, reason);
    }
  }

  /** The usable one with the fewest leases, of equals the oldest. */
  free(): ModelResource | undefined {
    for (;;) {
      const [best] = this.in("usable")
        .filter((one) => one.leases < this.#options.capacity && !this.isStale(one))
        .sort((one, other) => one.leases - other.leases);
      if (best === undefined || !best.broken) return best;
      this.end(best, "failed");
    }
  }

  validateStale(): boolean {
    const stale = this.all.find((one) => this.isStale(one));
    if (stale === undefined) return false;
    stale.state = "validating";
    stale.validationEndsMs = this.nowMs + this.#options.validationTimeoutMs;
    return true;
  }

  endValidation(resource: ModelResource, valid: boolean): void {
    if (!valid) return this.end(resource, "invalid");
    resource.state = "usable";
    resource.validAtMs = this.nowMs;
  }

  giveBack(resource: ModelResource, closed: boolean): void {
    resource.leases--;
    if (resource.leases > 0) return;
    resource.idleSinceMs = this.nowMs;
    if (resource.state === "draining") this.destroy(resource, resource.reason!);
    else if (closed && resource.state === "usable") this.end(resource, "pool_closed");
  }

  countTimeout(resource: ModelResource): void {
    const { isStateful, retireAfterTimeouts } = this.#options;
    if (isStateful && ++resource.timeouts >= retireAfterTimeouts) this.end(resource, "retired");
  }

  end(resource: ModelResource, reason: DestroyReason): void {
    if (resource.state !== "usable" && resource.state !== "validating") return;
    resource.reason = reason;
    if (resource.leases > 0) resource.state = "draining";
    else this.destroy(resource, reason, reason === "idle" || reason === "aged");
  }

  destroy(resource: ModelResource, reason: DestroyReason, holds = false): void {
    if (resource.state === "closing" || resource.state === "gone") return;
    resource.state = this.#options.slowDestroy ? "closing" : "gone";
    resource.holdsUntilMs = holds ? this.nowMs + 5_000 : 0;
    this.destroyed[reason] = (this.destroyed[reason] ?? 0) + 1;
  }
}
