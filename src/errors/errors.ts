import { BRAND, HEALTH, isClientError } from "./brand.ts";
import type { ErrorCode, RefusalCode } from "./codes.ts";
import { type Delivery, isSafeToRepeat } from "./delivery.ts";
import {
  type ArgumentIssue,
  describeCause,
  type ErrorDocument,
  type ErrorFacts,
  type InputQuestion,
} from "./facts.ts";
import { type HealthEvidence, narrowHealth } from "./health.ts";

export type { ArgumentIssue, ErrorDocument, ErrorFacts, HealthEvidence, InputQuestion };
export { isClientError };

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
  /** What the server asked for and nobody here answers; empty unless the code is `operation_failed`. */
  readonly asked: readonly InputQuestion[];
  readonly #health: HealthEvidence;

  /**
   * Creates an error. Programs catch these errors; connectors make them.
   *
   * @param code What happened.
   * @param message A sentence for people: no arguments, headers or bodies.
   * @param facts What else is known.
   */
  constructor(code: ErrorCode, message: string, facts: ErrorFacts = {}) {
    super(message, facts);
    const [, delivery, temporary, health = "answered"] = factsOf(code);
    this.code = code;
    this.delivery = facts.delivery ?? delivery;
    this.temporary = facts.temporary ?? temporary;
    this.retryable = this.temporary && isSafeToRepeat(facts.effect ?? "unsafe", this.delivery);
    this.attempts = facts.attempts ?? 0;
    this.retryAfterMs = facts.retryAfterMs;
    this.executionId = facts.executionId;
    this.issues = facts.issues ?? [];
    this.asked = facts.asked ?? [];
    this.#health = facts.health ?? narrowHealth(health, this);
  }

  /** Marks errors of every copy of this package. */
  get [BRAND](): true {
    return true;
  }

  /** What it says of its server. */
  get [HEALTH](): HealthEvidence {
    return this.#health;
  }

  /**
   * Returns the error as plain JSON, fit for logs and answers.
   *
   * @returns Name, code, message and facts; of the cause only its name and code, because a
   * foreign error may hold headers or bodies.
   */
  toJSON(): ErrorDocument {
    const cause = this.cause instanceof Error ? describeCause(this.cause) : undefined;
    return { ...this, message: this.message, cause };
  }
}

/**
 * No connection, or one that broke: `connection_refused`, `connection_lost`, `session_lost`.
 *
 * @example A broken connection leaves open whether the request arrived
 * ```ts
 * import { ConnectionError } from "@automcp/client";
 * import { assertEquals } from "@std/assert";
 *
 * const error = new ConnectionError("connection_lost", "The stream ended early");
 * assertEquals([error.delivery, error.temporary], ["unknown", true]);
 * ```
 */
export class ConnectionError extends ClientError {
  /** The name of the class. */
  override readonly name: string = "ConnectionError";
}

/**
 * The operation itself could not be done: `operation_not_found`, `invalid_arguments`,
 * `operation_failed`, `invalid_result`.
 *
 * @example The faults of refused arguments
 * ```ts
 * import { OperationError } from "@automcp/client";
 * import { assertEquals } from "@std/assert";
 *
 * const issues = [{ pointer: "/a", message: "must be a number" }];
 * const error = new OperationError("invalid_arguments", "They do not match", { issues });
 * assertEquals(error.issues[0]?.pointer, "/a");
 * ```
 */
export class OperationError extends ClientError {
  /** The name of the class. */
  override readonly name: string = "OperationError";
}

/**
 * An unsafe operation may or may not have run, and nobody can know: `outcome_unknown`. Never
 * repeated by AutoMCP. The failure that hid the outcome is its `cause`.
 *
 * @example Nobody may repeat it, and its cause tells why
 * ```ts
 * import { OutcomeUnknownError } from "@automcp/client";
 * import { assertEquals } from "@std/assert";
 *
 * const cause = new Error("reset");
 * const error = new OutcomeUnknownError("outcome_unknown", "It may have run", { cause });
 * assertEquals([error.retryable, error.cause], [false, cause]);
 * ```
 */
export class OutcomeUnknownError extends OperationError {
  /** The name of the class. */
  override readonly name: string = "OutcomeUnknownError";
}

/**
 * The server said "not now": `rate_limited`, `unavailable`, `shutting_down`.
 *
 * @example A refusal may be repeated, but not earlier than the server said
 * ```ts
 * import { RetryableError } from "@automcp/client";
 * import { assertEquals } from "@std/assert";
 *
 * const error = new RetryableError("rate_limited", "Later", { retryAfterMs: 2_000 });
 * assertEquals([error.retryable, error.retryAfterMs], [true, 2_000]);
 * ```
 */
export class RetryableError extends ClientError {
  /** The name of the class. */
  override readonly name: string = "RetryableError";
}

/**
 * Refused here before a send: `pool_timeout`, `pool_full`, `pool_closed`, `shed`.
 *
 * @example Nothing was sent
 * ```ts
 * import { ResourceExhaustedError } from "@automcp/client";
 * import { assertEquals } from "@std/assert";
 *
 * const error = new ResourceExhaustedError("pool_timeout", "No place became free");
 * assertEquals([error.delivery, error.retryable], ["not_sent", true]);
 * ```
 */
export class ResourceExhaustedError extends ClientError {
  /** The name of the class. */
  override readonly name: string = "ResourceExhaustedError";
}

/**
 * The deadline of the execution passed: `deadline_exceeded`.
 *
 * @example Worth repeating only where that is safe
 * ```ts
 * import { DeadlineExceededError } from "@automcp/client";
 * import { assertEquals } from "@std/assert";
 *
 * const error = new DeadlineExceededError("deadline_exceeded", "Too late", { effect: "safe" });
 * assertEquals([error.delivery, error.retryable], ["unknown", true]);
 * ```
 */
export class DeadlineExceededError extends ClientError {
  /** The name of the class. */
  override readonly name: string = "DeadlineExceededError";
}

/**
 * The server is known to be down, nothing was sent: `circuit_open`.
 *
 * @example Nothing was sent, and it may pass
 * ```ts
 * import { CircuitOpenError } from "@automcp/client";
 * import { assertEquals } from "@std/assert";
 *
 * const error = new CircuitOpenError("circuit_open", "The server is down");
 * assertEquals([error.delivery, error.retryable], ["not_sent", true]);
 * ```
 */
export class CircuitOpenError extends ClientError {
  /** The name of the class. */
  override readonly name: string = "CircuitOpenError";
}

/**
 * The other side broke the protocol: `protocol_error`.
 *
 * @example Repeating would meet the same server
 * ```ts
 * import { ProtocolError } from "@automcp/client";
 * import { assertEquals } from "@std/assert";
 *
 * const error = new ProtocolError("protocol_error", "No version in common");
 * assertEquals(error.retryable, false);
 * ```
 */
export class ProtocolError extends ClientError {
  /** The name of the class. */
  override readonly name: string = "ProtocolError";
}

/**
 * Credentials were refused: `unauthorized`, `forbidden`, `server_unauthorized`.
 *
 * @example Refused before anything ran
 * ```ts
 * import { AuthenticationError } from "@automcp/client";
 * import { assertEquals } from "@std/assert";
 *
 * const error = new AuthenticationError("unauthorized", "The token has expired");
 * assertEquals([error.delivery, error.retryable], ["not_executed", false]);
 * ```
 */
export class AuthenticationError extends ClientError {
  /** The name of the class. */
  override readonly name: string = "AuthenticationError";
}

/**
 * The execution was cancelled through its handle or its id: `cancelled`.
 *
 * @example Cancelling does not prove that nothing ran
 * ```ts
 * import { CancelledError } from "@automcp/client";
 * import { assertEquals } from "@std/assert";
 *
 * const error = new CancelledError("cancelled", "No longer wanted");
 * assertEquals([error.delivery, error.retryable], ["unknown", false]);
 * ```
 */
export class CancelledError extends ClientError {
  /** The name of the class. */
  override readonly name: string = "CancelledError";
}

/** Whether a cause is likely to pass by itself. */
const [TEMPORARY, LASTING] = [true, false];

/** Abbreviations of what an error says of its server. */
const [HARD, PUSHBACK, NONE] = ["hard", "pushback", "none"] as const;

/**
 * What follows from a code alone: the class, what is proved, whether the cause may pass, and what it
 * says of the server, unless that is `"answered"`.
 */
type CodeFacts = readonly [typeof ClientError, Delivery, boolean, HealthEvidence?];

const REFUSAL: CodeFacts = [ClientError, "not_executed", LASTING];

const CODE_FACTS: Record<Exclude<ErrorCode, RefusalCode>, CodeFacts> = {
  cancelled: [CancelledError, "unknown", LASTING, NONE],
  circuit_open: [CircuitOpenError, "not_sent", TEMPORARY, NONE],
  connection_lost: [ConnectionError, "unknown", TEMPORARY, HARD],
  connection_refused: [ConnectionError, "not_sent", TEMPORARY, HARD],
  deadline_exceeded: [DeadlineExceededError, "unknown", TEMPORARY, NONE],
  forbidden: [AuthenticationError, "not_executed", LASTING],
  group_not_found: [OperationError, "not_executed", LASTING],
  internal: [ClientError, "unknown", LASTING, NONE],
  invalid_arguments: [OperationError, "unknown", LASTING],
  invalid_result: [OperationError, "executed", LASTING],
  operation_failed: [OperationError, "unknown", LASTING],
  operation_not_found: [OperationError, "not_executed", LASTING],
  outcome_unknown: [OutcomeUnknownError, "unknown", LASTING],
  pool_closed: [ResourceExhaustedError, "not_sent", LASTING, NONE],
  pool_full: [ResourceExhaustedError, "not_sent", TEMPORARY, NONE],
  pool_timeout: [ResourceExhaustedError, "not_sent", TEMPORARY, NONE],
  protocol_error: [ProtocolError, "unknown", LASTING],
  rate_limited: [RetryableError, "not_executed", TEMPORARY, PUSHBACK],
  server_unauthorized: [AuthenticationError, "not_executed", LASTING],
  session_lost: [ConnectionError, "not_executed", TEMPORARY, NONE],
  shed: [ResourceExhaustedError, "not_sent", TEMPORARY, NONE],
  shutting_down: [RetryableError, "not_executed", TEMPORARY, PUSHBACK],
  unauthorized: [AuthenticationError, "not_executed", LASTING],
  unavailable: [RetryableError, "unknown", TEMPORARY, HARD],
};

function factsOf(code: ErrorCode): CodeFacts {
  return (CODE_FACTS as Partial<Record<ErrorCode, CodeFacts>>)[code] ?? REFUSAL;
}

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
  const [Class] = factsOf(code);
  return new Class(code, message, facts);
}
