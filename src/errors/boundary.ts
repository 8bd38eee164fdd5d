import { createClientError, isClientError } from "./errors.ts";
import type { ErrorCode } from "./codes.ts";
import type { Delivery, Effect } from "./delivery.ts";

/** Names what runs inside a boundary. It never holds arguments, headers or results. */
export interface BoundaryContext {
  /** What is done, as in `"execute add"`; stands in the error's message. */
  readonly action: string;
  /**
   * What repeating the action does.
   *
   * @default {"unsafe"}
   */
  readonly effect?: Effect;
  /**
   * The code of a foreign throw.
   *
   * @default {"operation_failed"}
   */
  readonly code?: ErrorCode;
  /** What a foreign throw leaves proved. The default belongs to the code. */
  readonly delivery?: Delivery;
  /** The signal that may stop the action; once aborted, its reason is what is thrown. */
  readonly signal?: AbortSignal;
}

/**
 * Runs a function so that whatever it throws leaves as a {@linkcode ClientError}.
 *
 * An error of AutoMCP passes untouched, with its type, code and cause. A foreign throw gets a code and
 * becomes the `cause`; its text stays there, because it may hold secrets. The reason of an aborted signal passes untouched.
 *
 * @typeParam T What the function returns.
 * @param fn The function to run.
 * @param context What is done, its effect and its signal.
 * @returns What the function returns.
 * @throws {ClientError} `operation_failed`, or the given code, if the function throws a foreign error.
 *
 * @example A foreign error gets a code and stays the cause
 * ```ts
 * import { executeWithBoundary, OperationError } from "@automcp/client";
 * import { assertEquals, assertRejects } from "@std/assert";
 *
 * const cause = new Error("disk full");
 * const error = await assertRejects(
 *   () => executeWithBoundary(() => Promise.reject(cause), { action: "write the report" }),
 *   OperationError,
 * );
 * assertEquals([error.code, error.cause], ["operation_failed", cause]);
 * ```
 */
export async function executeWithBoundary<T>(
  fn: () => T | PromiseLike<T>,
  context: BoundaryContext,
): Promise<T> {
  try {
    return await fn();
  } catch (error) {
    throw toBoundaryError(error, context);
  }
}

/** Returns what leaves a boundary for what was thrown inside. */
export function toBoundaryError(error: unknown, context: BoundaryContext): unknown {
  if (context.signal?.aborted) return context.signal.reason;
  if (isClientError(error)) return error;
  const { action, code = "operation_failed", signal: _, ...facts } = context;
  return createClientError(code, `Cannot ${action}`, { ...facts, cause: error });
}
