import type { Effect } from "../errors/delivery.ts";
import type { AbortSource } from "../resilience/abort_source.ts";
import { type CallPolicy, inherit } from "./call.ts";
import type { FoundOperation, OperationCatalog } from "./catalog.ts";
import type { ResolvedGroup } from "./config.ts";
import { resolveEffect } from "./effect.ts";

/** The operations of one group: which it has, how they are called, what repeating them does. */
export class GroupOperations {
  readonly #group: ResolvedGroup;
  readonly #catalog: OperationCatalog;
  /** How operations are called that have no policy of their own. */
  readonly #policy: CallPolicy;
  /** How the others are. */
  readonly #policies: ReadonlyMap<string, CallPolicy>;

  constructor(group: ResolvedGroup, catalog: OperationCatalog) {
    this.#group = group;
    this.#catalog = catalog;
    this.#policy = { ...group, priority: "interactive" };
    this.#policies = new Map(
      Object.entries(group.operations).map(([name, own]) => [name, inherit(this.#policy, own)]),
    );
  }

  /** Returns how an operation is called, unless a call says otherwise. */
  policyOf(name: string): CallPolicy {
    return this.#policies.get(name) ?? this.#policy;
  }

  /** Tells whether an operation of its server is one of the group's. */
  has(name: string): boolean {
    const { include, exclude } = this.#group;
    return (include === undefined || include.includes(name)) && !exclude.includes(name);
  }

  /** Finds an operation, or `undefined` if the group has none of this name. */
  find(
    name: string,
    mustBeFresh: boolean | undefined,
    signal: AbortSource,
  ): ReturnType<OperationCatalog["find"]> {
    if (!this.has(name)) return undefined;
    const hinted = this.#group.trustAnnotations && this.policyOf(name).effect === undefined;
    return this.#catalog.find(name, mustBeFresh ?? hinted, signal);
  }

  /** Resolves what repeating an operation does. */
  effectOf(
    { operation, fresh }: Pick<FoundOperation, "operation" | "fresh">,
    { effect, idempotency }: CallPolicy = this.policyOf(operation.name),
  ): Effect {
    const configured = effect ?? (idempotency && "idempotent");
    return resolveEffect(configured, operation, fresh, this.#group.trustAnnotations);
  }
}
