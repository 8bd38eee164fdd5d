import { type ClientError, createClientError, type ErrorFacts, isClientError } from "./errors.ts";
import { healthOf } from "./health.ts";

/**
 * Returns the error of an attempt as the error of its whole execution.
 *
 * @param error The error that ended the last attempt.
 * @param facts What the execution knows: all its sends, the strongest delivery, the effect.
 * @returns A new error of the same class, with the message, stack, cause and health of the first.
 */
export function concludeError(error: ClientError, facts: ErrorFacts): ClientError {
  const { code, message, cause, stack } = error;
  const kept: ErrorFacts = { ...error as ErrorFacts, cause, health: healthOf(error) };
  const concluded = createClientError(code, message, { ...kept, ...facts });
  return Object.assign(concluded, { stack });
}

/** Returns an error of AutoMCP as it is, and anything else as the cause of a defect before a send. */
export function asClientError(error: unknown): ClientError {
  if (isClientError(error)) return error;
  return createClientError("internal", "A defect", { delivery: "not_sent", cause: error });
}
