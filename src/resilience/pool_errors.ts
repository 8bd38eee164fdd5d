import { type ClientError, createClientError } from "../errors/errors.ts";

/** The pool takes nobody any more. */
export function closedError(): ClientError {
  return createClientError("pool_closed", "The pool was closed");
}

/** Too many wait already. */
export function fullError(waiting: number): ClientError {
  return createClientError("pool_full", `Already ${waiting} callers wait for a connection`);
}

/** A wait was too long; a creation that failed meanwhile is why. */
export function timeoutError(
  timeoutMs: number,
  failed: { readonly error: unknown } | undefined,
): ClientError {
  const what = failed === undefined ? "became free" : "could be made";
  const message = `No connection ${what} within ${Math.round(timeoutMs)} ms`;
  return createClientError("pool_timeout", message, failed && { cause: failed.error });
}
