import { type Effect, EFFECTS } from "../errors/delivery.ts";
import {
  checkOptions,
  checkValue,
  misuse,
  type OptionRule,
  type OptionRules,
  overlay,
  resolveOptions,
} from "../errors/misuse.ts";
import { type Clock, systemClock, systemRandom } from "../resilience/clock.ts";
import { RETRY_POLICY_RULES, type RetryPolicy } from "../resilience/retry.ts";
import type { ClientEvent } from "./events.ts";
import type { Connector } from "./ports.ts";

/** What is known of one operation besides what its server says. */
export interface OperationPolicy {
  /** What repeating it does. It overrules the server's hints. */
  readonly effect?: Effect;
  /**
   * Time for one execution in milliseconds, > 0, everything included.
   *
   * @default {the group's}
   */
  readonly timeoutMs?: number;
  /**
   * How often to send at most, the first time included, an integer >= 1.
   *
   * @default {the group's}
   */
  readonly maxAttempts?: number;
}

/** How the operations of a group are called. Plain data. */
export interface GroupPolicy extends RetryPolicy {
  /**
   * Time for one execution in milliseconds, > 0: waiting, every attempt and every pause included.
   * Nothing extends it. `Infinity` waits for ever.
   *
   * @default {the client's}
   */
  readonly timeoutMs?: number;
  /**
   * Whether the server's hints (`readOnlyHint`, `idempotentHint`) are believed. MCP says that clients
   * must not rely on hints of servers that they do not trust.
   *
   * @default {false}
   */
  readonly trustAnnotations?: boolean;
  /** The only operations that the group has; without it, all of the server. */
  readonly include?: readonly string[];
  /** Operations that the group does not have. */
  readonly exclude?: readonly string[];
  /** What is known of single operations, by name. */
  readonly operations?: Readonly<Record<string, OperationPolicy>>;
}

/** How many calls a server gets at once, and how long to wait for a place. Plain data. */
export interface ServerPolicy {
  /**
   * The most calls at once on the server, an integer >= 1. Groups that share a connector share it.
   *
   * @default {10}
   */
  readonly poolSize?: number;
  /**
   * The longest wait for a place, in milliseconds, >= 1.
   *
   * @default {5000}
   */
  readonly acquireTimeoutMs?: number;
  /**
   * The most calls that may wait for a place at once, an integer >= 1.
   *
   * @default {256}
   */
  readonly maxWaiters?: number;
}

/** A named set of operations on one server, with its policy. */
export interface GroupConfig extends GroupPolicy, ServerPolicy {
  /** The server. Groups that are given the same connector share its pool. */
  readonly connector: Connector;
}

/** How an {@linkcode AutoMCPClient} works; policies are presets that a group may overrule. */
export interface ClientConfig extends RetryPolicy, ServerPolicy {
  /**
   * Time for one execution in milliseconds, > 0: waiting, every attempt and every pause included.
   *
   * @default {30000}
   */
  readonly timeoutMs?: number;
  /** The groups, by name. */
  readonly groups: Readonly<Record<string, GroupConfig>>;
  /**
   * Called with everything that happens, in order. If it throws, the error is reported in a
   * microtask. Unset, it costs nothing.
   */
  readonly onEvent?: (event: ClientEvent) => void;
  /** The clock of all deadlines and waits. */
  readonly clock?: Clock;
  /** A source of chance, 0 <= x < 1. */
  readonly random?: () => number;
}

/** A group with every value known and checked. */
export interface ResolvedGroup
  extends Required<RetryPolicy>, Required<ServerPolicy>, Required<Omit<GroupPolicy, "include">> {
  readonly name: string;
  readonly connector: Connector;
  readonly include: readonly string[] | undefined;
}

/** {@linkcode ClientConfig} with every value known and checked. */
export interface ResolvedClientConfig {
  readonly groups: readonly ResolvedGroup[];
  readonly onEvent: ((event: ClientEvent) => void) | undefined;
  readonly clock: Clock;
  readonly random: () => number;
}

/** What a length of time that leaves some time must be. */
export const TIMEOUT_RULE: OptionRule = { min: 0, above: true };

const SERVER_RULES: OptionRules<ServerPolicy> = {
  poolSize: { preset: 10, min: 1, integer: true },
  acquireTimeoutMs: { preset: 5_000, min: 1 },
  maxWaiters: { preset: 256, min: 1, integer: true },
};
const PRESET_RULES: OptionRules<RetryPolicy & ServerPolicy & { timeoutMs?: number }> = {
  ...RETRY_POLICY_RULES,
  ...SERVER_RULES,
  timeoutMs: { preset: 30_000, ...TIMEOUT_RULE },
};
const CLIENT_RULES: OptionRules<ClientConfig> = {
  ...PRESET_RULES,
  groups: { type: "object", required: true },
  onEvent: { type: "function", listener: true },
  clock: { preset: systemClock },
  random: { preset: systemRandom, type: "function" },
};
const GROUP_RULES: OptionRules<GroupConfig> = {
  ...PRESET_RULES,
  connector: { type: "object", required: true },
  trustAnnotations: { preset: false, type: "boolean" },
  include: { type: "list" },
  exclude: { preset: [], type: "list" },
  operations: { preset: {}, type: "object" },
};
const OPERATION_RULES: OptionRules<OperationPolicy> = {
  effect: { oneOf: EFFECTS },
  timeoutMs: TIMEOUT_RULE,
  maxAttempts: RETRY_POLICY_RULES.maxAttempts,
};

/**
 * Checks a configuration and fills in what it leaves out.
 *
 * @throws {TypeError} If a key is unknown, with the nearest known one, or a value is of the wrong type.
 * @throws {RangeError} If a number is out of its range.
 */
export function resolveClientConfig(config: ClientConfig): ResolvedClientConfig {
  const { groups, onEvent, clock, random, ...presets } = resolveOptions<
    ResolvedClientConfig & ClientConfig,
    ClientConfig
  >("create a client", config, CLIENT_RULES);
  const resolved = Object.entries(groups).map(([name, group]) =>
    resolveGroup(name, group as GroupConfig, presets)
  );
  checkSharedServers(resolved);
  return { groups: resolved, onEvent, clock, random };
}

function resolveGroup(
  name: string,
  config: GroupConfig,
  presets: Omit<ClientConfig, "groups">,
): ResolvedGroup {
  const act = `create group '${name}'`;
  if (!/^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/.test(name)) {
    const requirement = "1 to 64 of A-Z a-z 0-9 _ . -";
    throw new TypeError(misuse(act, "its name", requirement, name));
  }
  const all = overlay<GroupConfig>(config, presets, config);
  const group = resolveOptions<ResolvedGroup, GroupConfig>(act, all, GROUP_RULES);
  checkValue<unknown>(act, "'connector.connect'", group.connector.connect, { type: "function" });
  for (const [operation, policy] of Object.entries(group.operations)) {
    checkOptions(`${act}, operation '${operation}',`, policy, OPERATION_RULES);
  }
  return { ...group, name };
}

/** Groups that share a connector share its pool, so they cannot differ in what the pool is. */
function checkSharedServers(groups: readonly ResolvedGroup[]): void {
  const first = new Map<Connector, ResolvedGroup>();
  for (const group of groups) {
    const other = first.get(group.connector) ?? group;
    first.set(group.connector, other);
    const keys = Object.keys(SERVER_RULES) as (keyof ServerPolicy)[];
    const key = keys.find((key) => group[key] !== other[key]);
    if (key === undefined) continue;
    const requirement = `that of '${other.name}' with its connector`;
    throw new TypeError(
      misuse(`create group '${group.name}'`, `'${key}'`, requirement, group[key]),
    );
  }
}
