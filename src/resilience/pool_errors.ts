import { type ClientError, createClientError } from "../errors/errors.ts";

/** The pool takes nobody any more. */
export function closedError(): ClientError {
  return createClientError("pool_closed", "The pool is closed");
}

/** Too many wait already. */
export function fullError(waiting: number): ClientError {
  return createClientError("pool_full", `${waiting} callers wait already`);
}

/** A wait was too long; a creation that failed meanwhile is why. */
export function timeoutError(
  timeoutMs: number,
  failed: { readonly error: unknown } | undefined,
): ClientError {
  const message = `No connection within ${Math.round(timeoutMs)} ms`;
  return createClientError("pool_timeout", message, failed && { cause: failed.error });
}

/** `isUsable` said no. */
export function unusableError(): ClientError {
  const message = "The connection ended before it was used";
  return createClientError("connection_lost", message, { delivery: "not_sent" });
}
