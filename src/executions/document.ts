import type { ExecutionResponse } from "../client/execution.ts";
import type { ErrorDocument } from "../errors/errors.ts";

/**
 * Where an execution stands: `"queued"` has sent nothing yet, `"running"` has, and the others are
 * ends. `"succeeded"` is a response of either status.
 */
export type ExecutionState = "queued" | "running" | "succeeded" | "failed" | "cancelled";

/** What is known of an execution: plain JSON. */
export interface ExecutionDocument {
  /** The id of the execution. */
  readonly id: string;
  /** The group that the operation was called through. */
  readonly group: string;
  /** The operation. */
  readonly operation: string;
  /** Where it stands. */
  readonly state: ExecutionState;
  /** How often the request was sent so far, >= 0. */
  readonly attempts: number;
  /** When it started, RFC 3339. */
  readonly startedAt: string;
  /** When it ended, RFC 3339. */
  readonly endedAt?: string;
  /** The response, once it has succeeded. */
  readonly response?: ExecutionResponse;
  /** The error, once it has failed or was cancelled. */
  readonly error?: ErrorDocument;
}
