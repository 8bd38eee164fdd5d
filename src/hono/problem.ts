import { HTTPException } from "hono/http-exception";
import { ERROR_CODES, type ErrorCode } from "../errors/codes.ts";
import type { Delivery } from "../errors/delivery.ts";
import {
  type ArgumentIssue,
  type ClientError,
  createClientError,
  type InputQuestion,
  isClientError,
} from "../errors/errors.ts";

/** A failure as problem details (RFC 9457), the body of every answer that is none. */
export interface ProblemDocument {
  /** A URI that stands for the code and never changes. */
  readonly type: string;
  /** One sentence about the code. */
  readonly title: string;
  /** The HTTP status. */
  readonly status: number;
  /** One sentence about this failure, for people. */
  readonly detail: string;
  /** What happened. */
  readonly code: ErrorCode;
  /** What is proved about the request to the server. */
  readonly delivery: Delivery;
  /** Whether the call may be repeated without doing anything twice, and is worth repeating. */
  readonly retryable: boolean;
  /** How long to wait before that, in milliseconds. */
  readonly retryAfterMs?: number;
  /** The execution that failed. */
  readonly executionId?: string;
  /** How often the request was sent to the server. */
  readonly attempts: number;
  /** The code of the failure behind this one, as for an unknown outcome or a server that is down. */
  readonly cause?: ErrorCode;
  /** The faults of the arguments. */
  readonly errors?: readonly ArgumentIssue[];
  /** What the server asked for and nobody answers. */
  readonly asked?: readonly InputQuestion[];
}

/** The HTTP status of each code; a new code does not compile without one. */
export const PROBLEM_STATUS: Readonly<Record<ErrorCode, number>> = {
  authentication_not_configured: 503,
  cancelled: 409,
  circuit_open: 503,
  configuration_invalid: 503,
  connection_lost: 502,
  connection_refused: 502,
  deadline_exceeded: 504,
  execution_not_found: 404,
  forbidden: 403,
  group_not_found: 404,
  idempotency_key_reused: 422,
  internal: 500,
  invalid_arguments: 400,
  invalid_request: 400,
  invalid_result: 502,
  method_not_allowed: 405,
  operation_failed: 502,
  operation_not_found: 404,
  outcome_unknown: 502,
  pool_closed: 503,
  pool_full: 503,
  pool_timeout: 504,
  protocol_error: 502,
  rate_limited: 429,
  server_unauthorized: 502,
  session_lost: 502,
  shed: 503,
  shutting_down: 503,
  unauthorized: 401,
  unavailable: 503,
};

/** The codes whose answer tells when to come back. */
const COME_BACK: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  "circuit_open",
  "pool_closed",
  "pool_full",
  "rate_limited",
  "shed",
  "shutting_down",
  "unavailable",
]);
/** When to come back if nobody said so. */
const DEFAULT_RETRY_AFTER_MS = 1_000;

/** What an answer needs besides its error. */
export interface ProblemOptions {
  /** The HTTP status, where the code alone does not decide it. */
  readonly status?: number;
  /** Further headers. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** Describes an error as problem details. */
export function toProblem(error: ClientError, status?: number): ProblemDocument {
  const { code, message, delivery, retryable, attempts, executionId, issues, asked } = error;
  const retryAfterMs = error.retryAfterMs ??
    (COME_BACK.has(code) ? DEFAULT_RETRY_AFTER_MS : undefined);
  return {
    type: `urn:automcp:problem:${code}`,
    title: ERROR_CODES[code],
    status: status ?? PROBLEM_STATUS[code],
    detail: message,
    code,
    delivery,
    retryable,
    ...(retryAfterMs !== undefined && { retryAfterMs }),
    ...(executionId !== undefined && { executionId }),
    attempts,
    ...(isClientError(error.cause) && { cause: error.cause.code }),
    ...(issues.length > 0 && { errors: issues }),
    ...(asked.length > 0 && { asked }),
  };
}

/** Answers with an error as problem details. */
export function problemResponse(error: ClientError, options: ProblemOptions = {}): Response {
  const problem = toProblem(error, options.status);
  const retryAfterMs = COME_BACK.has(error.code) ? problem.retryAfterMs : undefined;
  return new Response(JSON.stringify(problem), {
    status: problem.status,
    headers: {
      "content-type": "application/problem+json",
      "cache-control": "no-store",
      ...(retryAfterMs !== undefined && { "retry-after": String(Math.ceil(retryAfterMs / 1_000)) }),
      ...options.headers,
    },
  });
}

/** Makes what a handler throws to refuse a request before anything is sent to a server. */
export function refusal(code: ErrorCode, detail: string, options?: ProblemOptions): HTTPException {
  const error = createClientError(code, detail, { delivery: "not_sent" });
  const res = problemResponse(error, options);
  return new HTTPException(res.status as 400, { res, message: detail });
}

/**
 * Returns the error as the caller of the endpoint must see it: credentials that the server refused
 * are the endpoint's own, and no new credentials of the caller would change that.
 */
export function toCallerError(error: ClientError): ClientError {
  if (error.code !== "unauthorized" && error.code !== "forbidden") return error;
  const { message, delivery, attempts, executionId } = error;
  return createClientError("server_unauthorized", message, {
    delivery,
    attempts,
    ...(executionId !== undefined && { executionId }),
    cause: error,
  });
}
