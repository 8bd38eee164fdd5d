import type { Evidence } from "../errors/classify.ts";
import { toClientError } from "../errors/classify.ts";
import { concludeError } from "../errors/conclude.ts";
import { ERROR_CODES, type ErrorCode } from "../errors/codes.ts";
import { DELIVERIES, type Delivery, type Effect, isSafeToRepeat } from "../errors/delivery.ts";
import {
  type ArgumentIssue,
  type ClientError,
  createClientError,
  type ErrorFacts,
  type HealthEvidence,
  type InputQuestion,
} from "../errors/errors.ts";
import { readRetryAfter } from "../resilience/retry_after.ts";
import { readText } from "./body.ts";

/** The longest problem document that is read, in bytes. */
const MAX_PROBLEM_BYTES = 2 ** 20;

/** Parses JSON; `undefined` for text that is none. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Tells whether a value is a JSON object. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/**
 * Returns the error that a problem document (RFC 9457) of an AutoMCP endpoint tells of, or `undefined`
 * if the document is none of AutoMCP's. What it proves is kept: the endpoint was nearer to the server.
 */
export function problemToError(problem: unknown, effect: Effect): ClientError | undefined {
  if (!isRecord(problem) || !isErrorCode(problem.code)) return undefined;
  const { code, detail, title, delivery, retryable, retryAfterMs, executionId, errors } = problem;
  const { asked } = problem;
  const message = [detail, title].find((text) => typeof text === "string" && text !== "");
  const facts: ErrorFacts = {
    effect,
    ...(isDelivery(delivery) && { delivery }),
    ...(isWait(retryAfterMs) && { retryAfterMs }),
    ...(typeof executionId === "string" && { executionId }),
    ...(Array.isArray(errors) && { issues: errors.filter(isIssue).map(toIssue) }),
    ...(Array.isArray(asked) && { asked: asked.filter(isQuestion) }),
  };
  const error = createClientError(code, String(message ?? ERROR_CODES[code]), facts);
  // `retryable` says "temporary" only where a repeat would do no harm: elsewhere it is false anyway.
  const told = typeof retryable === "boolean" && isSafeToRepeat(effect, error.delivery);
  const temporary = told ? retryable : error.temporary;
  const health = toHealth(code, error.delivery, temporary);
  return concludeError(error, { effect, temporary, health });
}

/** The endpoint has answered; that its server could not says nothing against the endpoint. */
function toHealth(code: ErrorCode, delivery: Delivery, temporary: boolean): HealthEvidence {
  if (code === "cancelled" || code === "deadline_exceeded") return "none";
  const refused = delivery === "not_sent" || delivery === "not_executed";
  return refused && temporary ? "pushback" : "answered";
}

/** Returns the error that an answer without success stands for; reads its body or gives it up. */
export async function responseToError(
  response: Response,
  context: { effect: Effect; signal: AbortSignal; wallMs: number },
): Promise<ClientError> {
  const { effect, signal, wallMs } = context;
  if (isProblem(response)) {
    // A body that breaks or is too long leaves the status, which is evidence enough.
    const text = await readText(response.body, MAX_PROBLEM_BYTES, signal).catch(() => "");
    if (signal.aborted) throw signal.reason;
    const error = problemToError(parseJson(text), effect);
    if (error !== undefined) return error;
  } else {
    await response.body?.cancel().catch(() => {});
  }
  // A redirect is not followed: it would carry the key and the arguments to another place.
  const status = response.type === "opaqueredirect" ? 302 : response.status;
  const retryAfterMs = readRetryAfter(response.headers, wallMs);
  const evidence: Evidence = response.ok
    ? { kind: "unusable_answer" }
    : { kind: "http", status, ...(retryAfterMs !== undefined && { retryAfterMs }) };
  return toClientError(evidence, { effect });
}

function isProblem(response: Response): boolean {
  const type = response.headers.get("content-type") ?? "";
  return !response.ok && /^application\/problem\+json\s*(;|$)/i.test(type);
}

function isErrorCode(code: unknown): code is ErrorCode {
  return typeof code === "string" && Object.hasOwn(ERROR_CODES, code);
}

function isDelivery(delivery: unknown): delivery is Delivery {
  return (DELIVERIES as readonly unknown[]).includes(delivery);
}

function isWait(ms: unknown): ms is number {
  return typeof ms === "number" && ms >= 0;
}

function isIssue(issue: unknown): issue is ArgumentIssue {
  return isRecord(issue) && typeof issue.pointer === "string" &&
    typeof issue.message === "string";
}

function isQuestion(question: unknown): question is InputQuestion {
  return isRecord(question) && typeof question.method === "string";
}

function toIssue({ pointer, message }: ArgumentIssue): ArgumentIssue {
  return { pointer, message };
}
