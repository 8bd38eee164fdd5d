import type { ErrorCode } from "./codes.ts";
import { type Delivery, type Effect, isSafeToRepeat } from "./delivery.ts";

/** Marks errors of every copy of this package, so that two copies recognise each other's. */
const BRAND: unique symbol = Symbol.for("@automcp/client/error");

/** One fault of the arguments, found before anything was sent. */
export interface ArgumentIssue {
  /** Where the fault is, as a JSON pointer (RFC 6901) into the arguments; `""` is the whole. */
  readonly pointer: string;
  /** What is wrong there; never holds the value itself. */
  readonly message: string;
}

/** What is known about a failure besides its code and message. */
export interface ErrorFacts {
  /** What is proved about the request. The default belongs to the code. */
  readonly delivery?: Delivery;
  /**
   * Whether the cause is likely to pass by itself. The default belongs to the code.
   */
  readonly temporary?: boolean;
  /**
   * What repeating the operation does; with `temporary` and `delivery` it decides `retryable`.
   *
   * @default {"unsafe"}
   */
  readonly effect?: Effect;
  /**
   * How often the request was sent, hedges and free re-sends included, >= 0.
   *
   * @default {0}
   */
  readonly attempts?: number;
  /** How long the server asked to wait, in milliseconds, >= 0. */
  readonly retryAfterMs?: number;
  /** The execution that failed. */
  readonly executionId?: string;
  /** The faults of the arguments, for the code `invalid_arguments`. */
  readonly issues?: readonly ArgumentIssue[];
  /** The original error, kept as it was. */
  readonly cause?: unknown;
}

/**
 * What the world did to a call: the base of all errors that AutoMCP throws at run time.
 *
 * Branch on {@linkcode ClientError.code}, never on the message. Misuse of the API throws
 * `TypeError` or `RangeError` instead, and the caller's own abort is rethrown as it was.
 *
 * @example Tell what happened from the code and what is proved from the delivery
 * ```ts
 * import { ConnectionError, isClientError } from "@automcp/client";
 * import { assertEquals } from "@std/assert";
 *
 * const error: unknown = new ConnectionError("connection_lost", "The stream ended early", {
 *   effect: "safe",
 * });
 * if (isClientError(error)) {
 *   assertEquals([error.code, error.delivery, error.retryable], ["connection_lost", "unknown", true]);
 * }
 * ```
 */
export class ClientError extends Error {
  /** The name of the class, a literal that survives minifying. */
  override readonly name: string = "ClientError";
  /** What happened, from a closed set. */
  readonly code: ErrorCode;
  /** What is proved about the request: the strongest claim of all its attempts. */
  readonly delivery: Delivery;
  /** Whether the cause is likely to pass by itself, whatever repeating would do. */
  readonly temporary: boolean;
  /** Whether the call may be repeated without doing anything twice, and is worth repeating. */
  readonly retryable: boolean;
  /** How often the request was sent, >= 0. */
  readonly attempts: number;
  /** How long the server asked to wait, in milliseconds; `undefined` if it did not. */
  readonly retryAfterMs: number | undefined;
  /** The execution that failed; `undefined` outside an execution. */
  readonly executionId: string | undefined;
  /** The faults of the arguments; empty unless the code is `invalid_arguments`. */
  readonly issues: readonly ArgumentIssue[];

  /**
   * Creates an error. Programs catch these errors; connectors make them.
   *
   * @param code What happened.
   * @param message A sentence for people: no arguments, headers or bodies.
   * @param facts What else is known.
   */
  constructor(code: ErrorCode, message: string, facts: ErrorFacts = {}) {
    super(message, facts.cause === undefined ? undefined : { cause: facts.cause });
    const [, delivery, temporary] = CODE_FACTS[code];
    this.code = code;
    this.delivery = facts.delivery ?? delivery;
    this.temporary = facts.temporary ?? temporary;
    this.retryable = this.temporary && isSafeToRepeat(facts.effect ?? "unsafe", this.delivery);
    this.attempts = facts.attempts ?? 0;
    this.retryAfterMs = facts.retryAfterMs;
    this.executionId = facts.executionId;
    this.issues = facts.issues ?? [];
    Object.defineProperty(this, BRAND, { value: true });
  }

  /**
   * Returns the error as plain JSON, fit for logs and answers.
   *
   * @returns Name, code, message and facts; of the cause only its name and code, because a
   * foreign error may hold headers or bodies.
   */
  toJSON(): ErrorDocument {
    return {
      name: this.name,
      code: this.code,
      message: this.message,
      delivery: this.delivery,
      retryable: this.retryable,
      attempts: this.attempts,
      ...(this.retryAfterMs !== undefined && { retryAfterMs: this.retryAfterMs }),
      ...(this.executionId !== undefined && { executionId: this.executionId }),
      ...(this.issues.length > 0 && { issues: this.issues }),
      ...(this.cause instanceof Error && { cause: describeCause(this.cause) }),
    };
  }
}

/** A {@linkcode ClientError} as plain JSON. */
export interface ErrorDocument {
  /** The name of the error's class. */
  readonly name: string;
  /** What happened. */
  readonly code: ErrorCode;
  /** A sentence for people. */
  readonly message: string;
  /** What is proved about the request. */
  readonly delivery: Delivery;
  /** Whether the call may be repeated and is worth repeating. */
  readonly retryable: boolean;
  /** How often the request was sent. */
  readonly attempts: number;
  /** How long the server asked to wait, in milliseconds. */
  readonly retryAfterMs?: number;
  /** The execution that failed. */
  readonly executionId?: string;
  /** The faults of the arguments. */
  readonly issues?: readonly ArgumentIssue[];
  /** The name and, if it has one, the code of the original error. */
  readonly cause?: { readonly name: string; readonly code?: string | number };
}

function describeCause(cause: Error): { name: string; code?: string | number } {
  const { code } = cause as { code?: unknown };
  return typeof code === "string" || typeof code === "number"
    ? { name: cause.name, code }
    : { name: cause.name };
}

/** No connection, or one that broke: `connection_refused`, `connection_lost`, `session_lost`. */
export class ConnectionError extends ClientError {
  /** The name of the class. */
  override readonly name: string = "ConnectionError";
}

/**
 * The operation itself could not be done: `operation_not_found`, `invalid_arguments`,
 * `operation_failed`, `invalid_result`.
 */
export class OperationError extends ClientError {
  /** The name of the class. */
  override readonly name: string = "OperationError";
}

/**
 * An unsafe operation may or may not have run, and nobody can know: `outcome_unknown`. Never
 * repeated by AutoMCP. The failure that hid the outcome is its `cause`.
 */
export class OutcomeUnknownError extends OperationError {
  /** The name of the class. */
  override readonly name: string = "OutcomeUnknownError";
}

/** The server said "not now": `rate_limited`, `unavailable`, `shutting_down`. */
export class RetryableError extends ClientError {
  /** The name of the class. */
  override readonly name: string = "RetryableError";
}

/** Refused here before a send: `pool_timeout`, `pool_full`, `pool_closed`, `shed`. */
export class ResourceExhaustedError extends ClientError {
  /** The name of the class. */
  override readonly name: string = "ResourceExhaustedError";
}

/** The deadline of the execution passed: `deadline_exceeded`. */
export class DeadlineExceededError extends ClientError {
  /** The name of the class. */
  override readonly name: string = "DeadlineExceededError";
}

/** The server is known to be down, nothing was sent: `circuit_open`. */
export class CircuitOpenError extends ClientError {
  /** The name of the class. */
  override readonly name: string = "CircuitOpenError";
}

/** The other side broke the protocol: `protocol_error`, `invalid_request`, `method_not_allowed`. */
export class ProtocolError extends ClientError {
  /** The name of the class. */
  override readonly name: string = "ProtocolError";
}

/** Credentials were refused: `unauthorized`, `forbidden`, `server_unauthorized`. */
export class AuthenticationError extends ClientError {
  /** The name of the class. */
  override readonly name: string = "AuthenticationError";
}

/** The execution was cancelled through its handle or its id: `cancelled`. */
export class CancelledError extends ClientError {
  /** The name of the class. */
  override readonly name: string = "CancelledError";
}

/** Whether a cause is likely to pass by itself. */
const [TEMPORARY, LASTING] = [true, false];

/** What follows from a code alone: the class, what is proved, and whether the cause may pass. */
const CODE_FACTS: Record<ErrorCode, readonly [typeof ClientError, Delivery, boolean]> = {
  authentication_not_configured: [AuthenticationError, "not_executed", LASTING],
  cancelled: [CancelledError, "unknown", LASTING],
  circuit_open: [CircuitOpenError, "not_sent", TEMPORARY],
  configuration_invalid: [ClientError, "not_executed", LASTING],
  connection_lost: [ConnectionError, "unknown", TEMPORARY],
  connection_refused: [ConnectionError, "not_sent", TEMPORARY],
  deadline_exceeded: [DeadlineExceededError, "unknown", TEMPORARY],
  execution_not_found: [OperationError, "not_executed", LASTING],
  forbidden: [AuthenticationError, "not_executed", LASTING],
  group_not_found: [OperationError, "not_executed", LASTING],
  idempotency_key_reused: [OperationError, "not_executed", LASTING],
  internal: [ClientError, "unknown", LASTING],
  invalid_arguments: [OperationError, "unknown", LASTING],
  invalid_request: [ProtocolError, "not_executed", LASTING],
  invalid_result: [OperationError, "executed", LASTING],
  method_not_allowed: [ProtocolError, "not_executed", LASTING],
  operation_failed: [OperationError, "unknown", LASTING],
  operation_not_found: [OperationError, "not_executed", LASTING],
  outcome_unknown: [OutcomeUnknownError, "unknown", LASTING],
  pool_closed: [ResourceExhaustedError, "not_sent", LASTING],
  pool_full: [ResourceExhaustedError, "not_sent", TEMPORARY],
  pool_timeout: [ResourceExhaustedError, "not_sent", TEMPORARY],
  protocol_error: [ProtocolError, "unknown", LASTING],
  rate_limited: [RetryableError, "not_executed", TEMPORARY],
  server_unauthorized: [AuthenticationError, "not_executed", LASTING],
  session_lost: [ConnectionError, "not_executed", TEMPORARY],
  shed: [ResourceExhaustedError, "not_sent", TEMPORARY],
  shutting_down: [RetryableError, "not_executed", TEMPORARY],
  unauthorized: [AuthenticationError, "not_executed", LASTING],
  unavailable: [RetryableError, "unknown", TEMPORARY],
};

/**
 * Creates the error of the class that belongs to a code.
 *
 * For connectors, which know the code and not the class.
 *
 * @param code What happened.
 * @param message A sentence for people: no arguments, headers or bodies.
 * @param facts What else is known.
 * @returns An instance of the class that carries this code.
 *
 * @example The class follows from the code
 * ```ts
 * import { createClientError, RetryableError } from "@automcp/client";
 * import { assert } from "@std/assert";
 *
 * const error = createClientError("rate_limited", "Too many requests", { retryAfterMs: 2_000 });
 * assert(error instanceof RetryableError);
 * assert(error.retryable); // a refusal proves that nothing ran
 * ```
 */
export function createClientError(
  code: ErrorCode,
  message: string,
  facts?: ErrorFacts,
): ClientError {
  return new CODE_FACTS[code][0](code, message, facts);
}

/**
 * Tells whether a value is an error of AutoMCP, also one of another copy of this package.
 *
 * @param value Anything that was thrown.
 * @returns `true` for a {@linkcode ClientError}.
 *
 * @example A foreign error is none of ours
 * ```ts
 * import { isClientError } from "@automcp/client";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(isClientError(new TypeError("fetch failed")), false);
 * ```
 */
export function isClientError(value: unknown): value is ClientError {
  return typeof value === "object" && value !== null && BRAND in value;
}

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
