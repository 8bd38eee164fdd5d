import type { Effect } from "../errors/delivery.ts";
import { checkKeys, checkNumber, checkType, misuse, resolveNumbers } from "../errors/misuse.ts";
import { type Clock, systemClock, systemRandom } from "../resilience/clock.ts";
import {
  type ResolvedRetryPolicy,
  resolveRetryPolicy,
  RETRY_POLICY_KEYS,
  type RetryPolicy,
} from "../resilience/retry.ts";
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

/** A group's policy with every value known and checked. */
export interface ResolvedGroupPolicy {
  readonly timeoutMs: number;
  readonly retry: ResolvedRetryPolicy;
  readonly trustAnnotations: boolean;
  readonly include: ReadonlySet<string> | undefined;
  readonly exclude: ReadonlySet<string>;
  readonly operations: ReadonlyMap<string, OperationPolicy>;
}

/** A group with every value known and checked. */
export interface ResolvedGroup {
  readonly name: string;
  readonly connector: Connector;
  readonly policy: ResolvedGroupPolicy;
  readonly server: Required<ServerPolicy>;
}

/** {@linkcode ClientConfig} with every value known and checked. */
export interface ResolvedClientConfig {
  readonly groups: readonly ResolvedGroup[];
  readonly onEvent: ((event: ClientEvent) => void) | undefined;
  readonly clock: Clock;
  readonly random: () => number;
}

const SERVER_RULES = {
  poolSize: { preset: 10, min: 1, integer: true },
  acquireTimeoutMs: { preset: 5_000, min: 1 },
  maxWaiters: { preset: 256, min: 1, integer: true },
} as const;
const SERVER_KEYS = Object.keys(SERVER_RULES) as (keyof ServerPolicy)[];
const PRESET_KEYS: readonly string[] = ["timeoutMs", ...SERVER_KEYS, ...RETRY_POLICY_KEYS];
const CLIENT_KEYS: readonly string[] = [...PRESET_KEYS, "groups", "onEvent", "clock", "random"];
const GROUP_KEYS: readonly string[] = [
  ...PRESET_KEYS,
  ...["connector", "trustAnnotations", "include", "exclude", "operations"],
];
const OPERATION_KEYS: readonly string[] = ["effect", "timeoutMs", "maxAttempts"];
const EFFECTS: readonly Effect[] = ["safe", "idempotent", "unsafe"];

/**
 * Checks a configuration and fills in what it leaves out.
 *
 * @throws {TypeError} If a key is unknown, with the nearest known one, or a value is of the wrong type.
 * @throws {RangeError} If a number is out of its range.
 */
export function resolveClientConfig(config: ClientConfig): ResolvedClientConfig {
  const act = "create a client";
  checkType(act, "its configuration", config, "object");
  checkKeys(act, config, CLIENT_KEYS);
  checkType(act, "'groups'", config.groups, "object");
  const groups = Object.entries(config.groups).map(([name, group]) =>
    resolveGroup(name, group, config)
  );
  checkSharedServers(groups);
  return {
    groups,
    onEvent: config.onEvent,
    clock: config.clock ?? systemClock,
    random: config.random ?? systemRandom,
  };
}

function resolveGroup(name: string, group: GroupConfig, presets: ClientConfig): ResolvedGroup {
  const act = `create group '${name}'`;
  if (!/^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/.test(name)) {
    const requirement = "1 to 64 letters, digits, '_', '.' or '-'";
    throw new TypeError(misuse(act, "its name", requirement, name));
  }
  checkType(act, "its configuration", group, "object");
  checkKeys(act, group, GROUP_KEYS);
  checkType(act, "'connector.connect'", group.connector?.connect, "function");
  const all = { ...presets, ...group };
  for (const [operation, policy] of Object.entries(group.operations ?? {})) {
    checkOperation(`${act}, operation '${operation}',`, policy);
  }
  return {
    name,
    connector: group.connector,
    policy: {
      timeoutMs: checkTimeout(act, all.timeoutMs ?? 30_000),
      retry: resolveRetryPolicy(all),
      trustAnnotations: checkType(
        act,
        "'trustAnnotations'",
        group.trustAnnotations ?? false,
        "boolean",
      ),
      include: group.include && checkNames(act, "include", group.include),
      exclude: checkNames(act, "exclude", group.exclude ?? []),
      operations: new Map(Object.entries(group.operations ?? {})),
    },
    server: resolveNumbers(act, all, SERVER_RULES),
  };
}

/** Groups that share a connector share its pool, so they cannot differ in what the pool is. */
function checkSharedServers(groups: readonly ResolvedGroup[]): void {
  const first = new Map<Connector, ResolvedGroup>();
  for (const group of groups) {
    const other = first.get(group.connector) ?? group;
    first.set(group.connector, other);
    const key = SERVER_KEYS.find((key) => group.server[key] !== other.server[key]);
    if (key === undefined) continue;
    throw new TypeError(
      `Cannot create groups '${other.name}' and '${group.name}' as they share a connector and must ` +
        `agree on '${key}': current values are ${other.server[key]} and ${group.server[key]}`,
    );
  }
}

function checkOperation(act: string, policy: OperationPolicy): void {
  checkKeys(act, policy, OPERATION_KEYS);
  if (policy.effect !== undefined) checkEffect(act, policy.effect);
  if (policy.timeoutMs !== undefined) checkTimeout(act, policy.timeoutMs);
  if (policy.maxAttempts !== undefined) {
    checkNumber(act, "maxAttempts", policy.maxAttempts, { min: 1, integer: true });
  }
}

/** Returns an effect, or throws a `TypeError` that names the three. */
export function checkEffect(act: string, effect: Effect): Effect {
  if (EFFECTS.includes(effect)) return effect;
  throw new TypeError(misuse(act, "'effect'", "'safe', 'idempotent' or 'unsafe'", effect));
}

/** Returns a length of time that leaves some time, or throws. */
export function checkTimeout(act: string, timeoutMs: unknown): number {
  return checkNumber(act, "timeoutMs", timeoutMs, { min: 0, above: true });
}

function checkNames(act: string, name: string, value: readonly string[]): ReadonlySet<string> {
  if (Array.isArray(value) && value.every((entry) => typeof entry === "string")) {
    return new Set(value);
  }
  throw new TypeError(misuse(act, `'${name}'`, "a list of operation names", value));
}
