import type { ErrorCode } from "../errors/codes.ts";
import type { BreakerStats } from "../resilience/breaker_options.ts";
import type { QueueStats } from "../resilience/gate_options.ts";
import type { PoolStats } from "../resilience/pool_stats.ts";
import type { Era } from "./ports.ts";
import type { ServerState } from "./server.ts";

/** What became of the executions of a group, so far. Plain data; the numbers add up. */
export interface ExecutionStats {
  /** Executions that were started. */
  readonly started: number;
  /** Executions that run now: `started` less all that ended. */
  readonly running: number;
  /** Executions that ended with a response, of either status. */
  readonly completed: number;
  /** Executions that ended with an error, cancelled ones included. */
  readonly failed: number;
  /** Executions that their caller aborted; they count neither as completed nor as failed. */
  readonly aborted: number;
  /** Requests that were sent. */
  readonly attempts: number;
  /** Requests that were sent again. */
  readonly retries: number;
  /** Retries by the code of the error before them. */
  readonly retriesByCode: Readonly<Partial<Record<ErrorCode, number>>>;
  /** Failed executions by code; adds up to `failed`. */
  readonly failedByCode: Readonly<Partial<Record<ErrorCode, number>>>;
  /** Time spent waiting before retries, in milliseconds. */
  readonly waitMs: number;
}

/** A server at one moment. */
export interface ServerStats {
  /** The connector's name for it. */
  readonly name: string;
  /** Where it stands. */
  readonly state: ServerState;
  /** How the newest connection talks; absent before the first. */
  readonly era?: Era;
  /** Its connections. */
  readonly pool: PoolStats;
  /** Whether it is taken for down, and what that rests on. */
  readonly breaker: BreakerStats;
  /** How many attempts it is given at once, and how many it has. */
  readonly limiter: { readonly limit: number; readonly inFlight: number };
  /** The calls that wait for it. */
  readonly queue: QueueStats;
  /** What repeats may still cost. */
  readonly retryBudget: { readonly tokens: number };
}

/** A client at one moment: plain data. */
export interface ClientStats {
  /** The client's name. */
  readonly name: string;
  /** Its groups, by name. */
  readonly groups: Readonly<Record<string, ExecutionStats & { readonly server: string }>>;
  /** Its servers; groups with the same connector share one. */
  readonly servers: readonly ServerStats[];
}

/** {@linkcode ExecutionStats} that are still being counted. */
export type ExecutionCounts = {
  -readonly [K in keyof ExecutionStats]: ExecutionStats[K] extends number ? number
    : Partial<Record<ErrorCode, number>>;
};

/** Makes counts of nothing. */
export function createExecutionCounts(): ExecutionCounts {
  return {
    started: 0,
    running: 0,
    completed: 0,
    failed: 0,
    aborted: 0,
    attempts: 0,
    retries: 0,
    retriesByCode: {},
    failedByCode: {},
    waitMs: 0,
  };
}

/** Counts one more of a code. */
export function countCode(counts: Partial<Record<ErrorCode, number>>, code: ErrorCode): void {
  counts[code] = (counts[code] ?? 0) + 1;
}
