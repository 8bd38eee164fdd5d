import type { ErrorCode } from "../errors/codes.ts";
import { concludeError } from "../errors/conclude.ts";
import { type Effect, isSafeToRepeat, strongerDelivery } from "../errors/delivery.ts";
import {
  type ClientError,
  createClientError,
  type ErrorFacts,
  isClientError,
} from "../errors/errors.ts";
import { classifyClientError, type FailedAttempt } from "../resilience/retry.ts";

/**
 * Errors that stay themselves although an unsafe operation may have run: the server did answer, the
 * caller did not want to know, or it is said already.
 */
const KEPT_CODES: ReadonlySet<ErrorCode> = new Set([
  "operation_failed",
  "invalid_arguments",
  "cancelled",
  "outcome_unknown",
]);

/**
 * Says whether a failed attempt may be repeated, from the effect and what is proved, never from an
 * error's text; `undefined` if it must not be.
 *
 * @param sessionReplaced Whether this execution has had a lost session replaced before.
 */
export function classifyAttempt(
  error: unknown,
  effect: Effect,
  sessionReplaced: boolean,
): FailedAttempt | undefined {
  const failed = classifyClientError(error);
  if (failed === undefined || !isSafeToRepeat(effect, failed.delivery)) return undefined;
  const { code, cause } = error as ClientError;
  switch (code) {
    case "pool_timeout":
      // A busy pool is final; a server that cannot be reached now is waited for until the deadline.
      return isClientError(cause) && cause.temporary ? { ...failed, repaired: true } : undefined;
    case "pool_full":
    case "shed":
      return undefined;
    case "session_lost":
      return sessionReplaced ? undefined : { ...failed, repaired: true };
    case "connection_refused":
      return { ...failed, counts: false };
    default:
      return failed;
  }
}

/**
 * Returns an attempt's error as that of its whole execution: what nobody can know becomes "unknown".
 *
 * @param facts What the execution knows; its delivery is that of all attempts so far.
 */
export function concludeExecution(
  error: ClientError,
  operation: string,
  facts: Required<Pick<ErrorFacts, "effect" | "delivery" | "attempts" | "executionId">>,
): ClientError {
  const delivery = strongerDelivery(facts.delivery, error.delivery);
  if (facts.effect !== "unsafe" || delivery !== "unknown" || KEPT_CODES.has(error.code)) {
    return concludeError(error, { ...facts, delivery });
  }
  const message = `'${operation}' may have run: ${error.message}`;
  return createClientError("outcome_unknown", message, { ...facts, delivery, cause: error });
}
