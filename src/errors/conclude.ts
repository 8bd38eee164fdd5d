import { type ClientError, createClientError, type ErrorFacts } from "./errors.ts";

/**
 * Returns the error of an attempt as the error of its whole execution.
 *
 * @param error The error that ended the last attempt.
 * @param facts What the execution knows: all its sends, the strongest delivery, the effect.
 * @returns A new error of the same class, with the message, stack and cause of the first.
 */
export function concludeError(error: ClientError, facts: ErrorFacts): ClientError {
  const concluded = createClientError(error.code, error.message, {
    temporary: error.temporary,
    delivery: error.delivery,
    issues: error.issues,
    ...(error.retryAfterMs !== undefined && { retryAfterMs: error.retryAfterMs }),
    cause: error.cause,
    ...facts,
  });
  if (error.stack !== undefined) concluded.stack = error.stack;
  return concluded;
}
