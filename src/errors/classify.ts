import { type ClientError, createClientError, type ErrorFacts } from "./errors.ts";
import type { Delivery, Effect } from "./delivery.ts";
import type { ErrorCode } from "./codes.ts";
import type { HealthEvidence } from "./health.ts";

/**
 * What a connector saw of a failed attempt. It reports facts; {@linkcode toClientError} judges.
 *
 * - `connect_failed`: the runtime proved that no connection came about.
 * - `http`: an answer with a status that is not a success; `rpcCode` is the code of a JSON-RPC
 *   error in its body, `sessionHeld` says that the request carried a session id, `modern` that it
 *   went to a server of protocol 2026-07-28 or later, `unread` that the JSON-RPC error names no
 *   request, as the answer to what was refused before it was read.
 * - `rpc`: a JSON-RPC error in an answer with a success status.
 * - `no_answer`: sent, then reset, cut or silent; `headReceived` says that the head of an answer had
 *   arrived, `timedOut` that a timer gave it up although it might have come.
 * - `unusable_answer`: an answer that is no JSON-RPC answer to this request.
 * - `too_large`: an answer over the byte cap.
 * - `invalid_result`: a result for this request that is invalid here.
 */
export type Evidence =
  | { readonly kind: "connect_failed"; readonly certificateRefused?: boolean }
  | {
    readonly kind: "http";
    readonly status: number;
    readonly retryAfterMs?: number;
    readonly sessionHeld?: boolean;
    readonly modern?: boolean;
    readonly unread?: boolean;
    readonly rpcCode?: number;
  }
  | { readonly kind: "rpc"; readonly code: number }
  | { readonly kind: "no_answer"; readonly headReceived?: boolean; readonly timedOut?: boolean }
  | { readonly kind: "unusable_answer" }
  | { readonly kind: "too_large" }
  | { readonly kind: "invalid_result" };

/** What belongs to a failed attempt besides the evidence. */
export interface EvidenceContext {
  /** What repeating the operation does. */
  readonly effect: Effect;
  /** The original error. */
  readonly cause?: unknown;
  /**
   * Whether 503 with a valid `Retry-After` proves that nothing ran. Set `false` for a gateway that
   * answers so after running the operation.
   *
   * @default {true}
   */
  readonly treat503AsNotExecuted?: boolean;
}

interface Verdict {
  readonly code: ErrorCode;
  readonly message: string;
  readonly delivery?: Delivery;
  readonly temporary?: boolean;
  readonly health?: HealthEvidence;
}

/**
 * Judges the evidence of a failed attempt: the one table that turns what was seen into a code, what
 * is proved, and what it says of the server. Judges by status and code alone, never by an error's text.
 *
 * @param evidence What was seen.
 * @param context The effect of the operation and the original error.
 * @returns The error that the attempt ends with.
 */
export function toClientError(evidence: Evidence, context: EvidenceContext): ClientError {
  const { code, message, ...proved } = judge(evidence, context);
  const facts: ErrorFacts = {
    ...proved,
    effect: context.effect,
    ...(context.cause !== undefined && { cause: context.cause }),
    ...("retryAfterMs" in evidence && { retryAfterMs: evidence.retryAfterMs }),
  };
  return createClientError(code, message, facts);
}

function judge(evidence: Evidence, context: EvidenceContext): Verdict {
  switch (evidence.kind) {
    case "connect_failed":
      return evidence.certificateRefused
        ? {
          code: "connection_refused",
          message: "The server's certificate was refused",
          temporary: false,
        }
        : { code: "connection_refused", message: "No connection to the server could be made" };
    case "http":
      return judgeStatus(evidence, context);
    case "rpc":
      return judgeRpc(evidence.code);
    case "no_answer":
      return {
        code: "connection_lost",
        message: "The connection ended before the result arrived",
        // A server that had begun to answer lives, and a timer ends slow operations too.
        health: evidence.headReceived || evidence.timedOut ? "none" : "hard",
      };
    case "unusable_answer":
      return {
        code: "protocol_error",
        message: "The server's answer is not an answer to this request",
        temporary: true,
      };
    case "too_large":
      return { code: "protocol_error", message: "The server's answer is larger than allowed" };
    case "invalid_result":
      return {
        code: "invalid_result",
        message: "The operation ran, but its result does not match what the server promised",
      };
  }
}

/** Session loss first, then credentials, then "later", then the JSON-RPC code, then the status. */
function judgeStatus(
  evidence: Extract<Evidence, { kind: "http" }>,
  context: EvidenceContext,
): Verdict {
  const { status, retryAfterMs, rpcCode } = evidence;
  if (isSessionLoss(evidence)) {
    return { code: "session_lost", message: "The server no longer knows the session" };
  }
  if (status === 401) {
    return { code: "unauthorized", message: "The server did not accept the credentials" };
  }
  if (status === 403) return { code: "forbidden", message: "The server forbids this call" };
  if (status === 429) {
    return { code: "rate_limited", message: "The server gets too many requests" };
  }
  const message = `The server answered with HTTP status ${status}`;
  if (status === 503) {
    const refused = retryAfterMs !== undefined && (context.treat503AsNotExecuted ?? true);
    return refused
      ? { code: "unavailable", message, delivery: "not_executed" }
      : { code: "unavailable", message, health: "overload" };
  }
  if (rpcCode !== undefined) {
    const refused = evidence.unread === true ||
      (evidence.modern === true && MODERN_REFUSALS.has(rpcCode));
    if (status === 400 && refused) {
      return { code: "protocol_error", message: toRpcMessage(rpcCode), delivery: "not_executed" };
    }
    return judgeRpc(rpcCode);
  }
  if (EARLY_STATUSES.has(status)) return { code: "unavailable", message, health: "answered" };
  if (BROKEN_STATUSES.has(status)) return { code: "unavailable", message };
  if (REFUSED_STATUSES.has(status) || (status >= 300 && status < 400)) {
    return { code: "protocol_error", message, delivery: "not_executed" };
  }
  return { code: "protocol_error", message };
}

/**
 * A lost session answers 404 (specification 2025-11-25), 410, or 400 with -32000, which the v1 SDK's
 * servers send. Without a session id on the request none of them says anything about a session.
 */
function isSessionLoss(evidence: Extract<Evidence, { kind: "http" }>): boolean {
  const { status, rpcCode, sessionHeld } = evidence;
  if (sessionHeld !== true) return false;
  return status === 404 || status === 410 || (status === 400 && rpcCode === -32000);
}

/** Request timeout and too early: the server is well, this request was not. */
const EARLY_STATUSES: ReadonlySet<number> = new Set([408, 425]);
const BROKEN_STATUSES: ReadonlySet<number> = new Set(
  [500, 502, 504, 520, 521, 522, 523, 524, 525, 526, 527],
);
const REFUSED_STATUSES: ReadonlySet<number> = new Set([405, 406, 413, 415, 421]);
/** Parse error and invalid request. */
const REFUSED_RPC_CODES: ReadonlySet<number> = new Set([-32700, -32600]);
/**
 * What revision 2026-07-28 refuses with 400. Elsewhere such a code is the server's own and proves
 * nothing: JSON-RPC leaves -32000 to -32099 to everybody.
 */
const MODERN_REFUSALS: ReadonlySet<number> = new Set([-32020, -32021, -32022]);

function judgeRpc(code: number): Verdict {
  const message = toRpcMessage(code);
  if (REFUSED_RPC_CODES.has(code)) {
    return { code: "protocol_error", message, delivery: "not_executed" };
  }
  if (code === -32601) return { code: "operation_not_found", message };
  if (code === -32602) return { code: "invalid_arguments", message };
  const ofProtocol = code >= -32768 && code <= -32000;
  return { code: "operation_failed", message, temporary: ofProtocol };
}

function toRpcMessage(code: number): string {
  return `The server answered with JSON-RPC error ${code}`;
}
