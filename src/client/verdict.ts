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

/** What can be put right, so that the next attempt is free. */
export type Repair = "session" | "connection";

/** What decides about a failed attempt besides its error. */
export interface AttemptSituation {
  readonly effect: Effect;
  /** What can still be put right, each once; what a verdict rests on is taken out. */
  readonly repairs: Set<Repair>;
  /** Whether a lost session is replaced. */
  readonly replacesSession: boolean;
  /** Whether the connection that carried the attempt has ended. */
  readonly connectionEnded: boolean;
  /** Whether the next attempt only asks for the answer to what the server has taken on. */
  readonly resumes: boolean;
  /** Whether the next attempt has to wait for the server to come back. */
  readonly gateIsShut: boolean;
}

/**
 * Says whether a failed attempt may be repeated, from the effect and what is proved, never from an
 * error's text; `undefined` if it must not be.
 */
export function classifyAttempt(
  error: unknown,
  situation: AttemptSituation,
): FailedAttempt | undefined {
  const failed = classifyClientError(error);
  // To ask for an answer does nothing twice, whatever the operation does.
  const effect = situation.resumes ? "safe" : situation.effect;
  if (failed === undefined || !isSafeToRepeat(effect, failed.delivery)) return undefined;
  const { code, cause } = error as ClientError;
  const proved = failed.delivery === "not_sent" || failed.delivery === "not_executed";
  const free = situation.gateIsShut && proved;
  switch (code) {
    case "pool_timeout":
      // A busy pool is final; a server that cannot be reached now is waited for until the deadline.
      return isClientError(cause) && cause.temporary ? { ...failed, repaired: true } : undefined;
    case "circuit_open":
    case "pool_full":
    case "shed":
      return undefined;
    case "connection_refused":
      return { ...failed, free, counts: false };
    case "operation_failed":
      // The server has said that there will be no answer.
      if (situation.resumes) return undefined;
  }
  if (situation.resumes) return { ...failed, free, counts: false };
  const { repairs } = situation;
  if (code === "session_lost") {
    if (!situation.replacesSession || !repairs.delete("session")) return undefined;
    return { ...failed, repaired: true };
  }
  // A new connection makes it good, whatever the server had against the old one.
  if (situation.connectionEnded && proved && repairs.delete("connection")) {
    return { ...failed, temporary: true, repaired: true };
  }
  return { ...failed, free };
}

/**
 * Returns an attempt's error as that of its whole execution: what nobody can know becomes "unknown".
 *
 * @param facts What the execution knows; its delivery is that of all attempts so far.
 */
export function concludeExecution(
  error: ClientError,
  operation: string,
  facts: ErrorFacts & Required<Pick<ErrorFacts, "effect" | "delivery">>,
): ClientError {
  const delivery = strongerDelivery(facts.delivery, error.delivery);
  if (facts.effect !== "unsafe" || delivery !== "unknown" || KEPT_CODES.has(error.code)) {
    return concludeError(error, { ...facts, delivery });
  }
  const message = `'${operation}' may have run: ${error.message}`;
  return createClientError("outcome_unknown", message, { ...facts, delivery, cause: error });
}
