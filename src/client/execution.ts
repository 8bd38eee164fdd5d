import type { ExecutionEvent, ProgressSnapshot } from "../progress/events.ts";
import type { Continuation } from "./continuation.ts";
import type { ContentBlock, JsonValue } from "./ports.ts";

/**
 * How an operation answered. Plain JSON, the same over AutoMCP's HTTP API.
 *
 * @typeParam T The type of the structured result.
 */
export interface ExecutionResponse<T = JsonValue> {
  /** The id of the execution. */
  readonly executionId: string;
  /** The group that the operation was called through. */
  readonly group: string;
  /** The operation. */
  readonly operation: string;
  /** `"success"`, or `"error"` if the operation ran and said no. */
  readonly status: "success" | "error";
  /** Whether `status` is `"success"`. */
  readonly success: boolean;
  /** The result's blocks. */
  readonly content: readonly ContentBlock[];
  /** The result as data, for operations with an output schema. */
  readonly structuredContent?: T;
  /** How often the request was sent, >= 1. */
  readonly attempts: number;
  /** From the call to the result, in milliseconds. */
  readonly elapsedMs: number;
  /** When the execution started, RFC 3339. */
  readonly startedAt: string;
}

/**
 * A running operation: its progress, its response, and a way to cancel it.
 *
 * @typeParam T The type of the structured result.
 */
export interface Execution<T = JsonValue> {
  /** The id of the execution, unique in the world. */
  readonly id: string;
  /** The group that the operation was called through. */
  readonly group: string;
  /** The operation. */
  readonly operation: string;
  /**
   * The newest progress, again for every reader: at most ten snapshots a second, and always the
   * last one. Ends with the execution, whatever its outcome.
   */
  readonly progress: AsyncIterable<ProgressSnapshot>;
  /**
   * Every event of the execution from the first one on, numbered; a `gap` stands for those that the
   * bounded log had to drop. Ends after the one last event.
   */
  readonly events: AsyncIterable<ExecutionEvent>;
  /**
   * Settles by the deadline with the response, or rejects with a `ClientError`. A rejection that
   * nobody looks at is not reported as unhandled: the events tell it too.
   */
  readonly response: Promise<ExecutionResponse<T>>;
  /** How often the request was sent so far, >= 0. */
  readonly attempts: number;
  /** When the execution started, RFC 3339. */
  readonly startedAt: string;
  /**
   * What resumes the execution elsewhere, the newest of it; `undefined` until the server has taken the
   * operation on to answer later, which most servers never do.
   */
  readonly continuation: Continuation | undefined;
  /**
   * Cancels the execution: `response` rejects with `CancelledError` (`cancelled`), whose `delivery`
   * tells what is proved. Does nothing once the execution has ended.
   */
  cancel(): void;
}
