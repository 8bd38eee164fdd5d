import type { ErrorCode } from "../errors/codes.ts";
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

/** Counts what becomes of executions. */
export class ExecutionCounter {
  #started = 0;
  #completed = 0;
  #aborted = 0;
  #attempts = 0;
  #retries = 0;
  #waitMs = 0;
  readonly #retriesByCode: Partial<Record<ErrorCode, number>> = {};
  readonly #failedByCode: Partial<Record<ErrorCode, number>> = {};
  #failed = 0;

  /** Counts a start. */
  start(): void {
    this.#started++;
  }

  /** Counts a request that is sent. */
  attempt(): void {
    this.#attempts++;
  }

  /** Counts a wait, and the retry that it is for. */
  retry(code: ErrorCode, waitMs: number): void {
    this.#retries++;
    this.#waitMs += waitMs;
    this.#retriesByCode[code] = (this.#retriesByCode[code] ?? 0) + 1;
  }

  /** Counts an end: with a response, with an error, or by the caller's abort. */
  end(end: "completed" | "aborted" | ErrorCode): void {
    if (end === "completed") this.#completed++;
    else if (end === "aborted") this.#aborted++;
    else {
      this.#failed++;
      this.#failedByCode[end] = (this.#failedByCode[end] ?? 0) + 1;
    }
  }

  /** Returns the counts at this moment. */
  toStats(): ExecutionStats {
    return {
      started: this.#started,
      running: this.#started - this.#completed - this.#failed - this.#aborted,
      completed: this.#completed,
      failed: this.#failed,
      aborted: this.#aborted,
      attempts: this.#attempts,
      retries: this.#retries,
      retriesByCode: { ...this.#retriesByCode },
      failedByCode: { ...this.#failedByCode },
      waitMs: this.#waitMs,
    };
  }
}
