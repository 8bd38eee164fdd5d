import type { Execution, ExecutionResponse } from "../client/execution.ts";
import type { JsonObject, JsonValue } from "../client/ports.ts";
import type { EdgeEvent } from "../edge/mod.ts";
import type { ErrorCode } from "../errors/codes.ts";
import type { Effect } from "../errors/delivery.ts";
import { type ClientError, createClientError, isClientError } from "../errors/errors.ts";
import type { ProgressSnapshot } from "../progress/events.ts";
import { formatCount, formatMs } from "./format.ts";

/** A line of the log. */
export interface LogEntry {
  /** When it happened, in milliseconds after the start. */
  readonly afterMs: number;
  readonly kind: "info" | "progress" | "retry" | "success" | "failure";
  readonly text: string;
}

/** What is known of an operation's newest run; a new object after each change. */
export interface RunState {
  readonly status:
    | "idle"
    | "running"
    | "success"
    | "error"
    | "unknown"
    | "failed"
    | "cancelled";
  /** The wall clock at the start, in milliseconds since the Unix epoch. */
  readonly startedAtMs: number;
  /** From the start to the newest change, in milliseconds. */
  readonly elapsedMs: number;
  /** The id under which the endpoint knows the execution. */
  readonly executionId: string | undefined;
  /** Which attempt of the endpoint is under way, from 1; 0 before the first. */
  readonly attempt: number;
  readonly progress: ProgressSnapshot | undefined;
  readonly log: readonly LogEntry[];
  readonly response: ExecutionResponse | undefined;
  readonly error: ClientError | undefined;
}

/** What a run needs of an execution. */
export type RunningOperation = Pick<Execution, "progress" | "response" | "cancel">;
/** Starts an operation with arguments. */
export type StartOperation = (args: JsonObject, timeoutMs: number) => RunningOperation;

const IDLE: RunState = {
  status: "idle",
  startedAtMs: 0,
  elapsedMs: 0,
  executionId: undefined,
  attempt: 0,
  progress: undefined,
  log: [],
  response: undefined,
  error: undefined,
};
const FAILURE_STATUS: Partial<Record<ErrorCode, RunState["status"]>> = {
  cancelled: "cancelled",
  outcome_unknown: "unknown",
};
const MAX_LOG_ENTRIES = 500;

/** The newest run of one operation; outlives the components that show it. */
export class Run {
  readonly #start: StartOperation;
  readonly #listeners = new Set<() => void>();
  #state: RunState = IDLE;
  #execution: RunningOperation | undefined;

  constructor(start: StartOperation) {
    this.#start = start;
  }

  get state(): RunState {
    return this.#state;
  }

  /** Calls back after each change. Returns the undoing. */
  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Runs the operation; settles when the run has ended, however it did. */
  async start(args: JsonObject, timeoutMs: number): Promise<void> {
    if (this.#state.status === "running") return;
    this.#set({ ...IDLE, status: "running", startedAtMs: Date.now() });
    try {
      const execution = this.#execution = this.#start(args, timeoutMs);
      void this.#follow(execution);
      const response = await execution.response;
      const ok = response.success;
      this.#end(
        { status: response.status, response },
        ok ? "success" : "failure",
        ok ? "The operation succeeded" : "The operation ran and answered with an error",
      );
    } catch (thrown) {
      const error = isClientError(thrown) ? thrown : createClientError("internal", String(thrown));
      const status = FAILURE_STATUS[error.code] ?? "failed";
      this.#end({ status, error }, "failure", error.code);
    } finally {
      this.#execution = undefined;
    }
  }

  cancel(): void {
    if (this.#execution === undefined) return;
    this.#log("info", "Cancelling");
    this.#execution.cancel();
  }

  /** Takes an event of the endpoint. */
  take({ type, data }: EdgeEvent): void {
    if (this.#state.status !== "running" || !isObject(data)) return;
    if (type === "execution") {
      const id = typeof data.id === "string" ? data.id : undefined;
      this.#log("info", "The endpoint took the execution", { executionId: id });
    } else if (type === "attempt") {
      const attempt = Number(data.attempt);
      const retry = typeof data.reason === "string";
      const wait = typeof data.waitMs === "number" ? ` and a wait of ${formatMs(data.waitMs)}` : "";
      const why = retry ? ` after ${data.reason}${wait}` : "";
      this.#log(retry ? "retry" : "info", `Attempt ${attempt}${why}`, { attempt });
    } else if (type === "progress") {
      const { progress, total, message } = data;
      const of = typeof total === "number" ? ` of ${formatCount(total)}` : "";
      const count = typeof progress === "number" ? `${formatCount(progress)}${of}` : "";
      const about = typeof message === "string" ? ` · ${message}` : "";
      this.#log("progress", count + about);
    } else if (type === "gap") {
      this.#log("info", `Events ${data.from} to ${data.to} were dropped`);
    }
  }

  async #follow(execution: RunningOperation): Promise<void> {
    for await (const progress of execution.progress) {
      if (this.#execution === execution) this.#set({ progress });
    }
  }

  #end(end: Partial<RunState>, kind: LogEntry["kind"], text: string): void {
    this.#log(kind, text, end);
  }

  #log(kind: LogEntry["kind"], text: string, change: Partial<RunState> = {}): void {
    const entry = { afterMs: Date.now() - this.#state.startedAtMs, kind, text };
    this.#set({ ...change, log: [...this.#state.log, entry].slice(-MAX_LOG_ENTRIES) });
  }

  #set(change: Partial<RunState>): void {
    const state = { ...this.#state, ...change };
    this.#state = { ...state, elapsedMs: Date.now() - state.startedAtMs };
    for (const listener of this.#listeners) listener();
  }
}

/** What is proved about a failed execution, in words. */
export function explainDelivery({ delivery, code }: ClientError, effect: Effect): string {
  switch (delivery) {
    case "not_sent":
      return "Nothing was sent to the server: the operation did not run.";
    case "not_executed":
      return "It was refused before it ran: nothing was done.";
    case "executed":
      return "The operation ran, but its result cannot be used.";
    case "unknown":
      if (code === "operation_failed" || code === "invalid_arguments") {
        return "The server answered with an error; it is not known how far the operation came.";
      }
      return effect === "unsafe"
        ? "It is not known whether it ran. Check before you run it again: it may be done twice."
        : "It is not known whether it ran. Running it again does no harm.";
  }
}

function isObject(value: JsonValue): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
