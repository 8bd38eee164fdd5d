import { parseAccept } from "hono/utils/accept";
import type { TraceContext } from "../client/ports.ts";
import { refusal } from "./problem.ts";

/**
 * Refuses an idempotency key: an endpoint that ignored it would let a repeat run twice.
 *
 * @throws {HTTPException} 400 `invalid_request` if there is one.
 */
export function refuseIdempotencyKey(headers: Headers): void {
  if (headers.has("idempotency-key")) {
    throw refusal("invalid_request", "Idempotency-Key is not supported by this endpoint");
  }
}

/**
 * Reads how long the execution may take.
 *
 * @throws {HTTPException} 400 `invalid_request` if it is no integer from 1 to the maximum.
 */
export function readTimeoutMs(headers: Headers, maxMs: number): number | undefined {
  const text = headers.get("automcp-timeout-ms");
  if (text === null) return undefined;
  const timeoutMs = /^\d{1,15}$/.test(text) ? Number(text) : NaN;
  if (timeoutMs >= 1 && timeoutMs <= maxMs) return timeoutMs;
  throw refusal(
    "invalid_request",
    `AutoMCP-Timeout-Ms must be an integer from 1 to ${maxMs}`,
  );
}

/** Reads the W3C trace context; one that is malformed counts as none, as its rules demand. */
export function readTrace(headers: Headers): TraceContext | undefined {
  const traceparent = headers.get("traceparent");
  if (traceparent === null || !isTraceparent(traceparent)) return undefined;
  const tracestate = headers.get("tracestate");
  return { traceparent, ...(tracestate !== null && { tracestate }) };
}

function isTraceparent(text: string): boolean {
  const parts = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(-.*)?$/.exec(text);
  if (parts === null) return false;
  const [, version, traceId, parentId, more] = parts;
  return version !== "ff" && !/^0+$/.test(traceId!) && !/^0+$/.test(parentId!) &&
    (version !== "00" || more === undefined);
}

/** Tells whether the caller wants an event stream rather than JSON. */
export function prefersEvents(headers: Headers): boolean {
  const accepted = parseAccept(headers.get("accept") ?? "");
  const quality = (type: string): number =>
    accepted.find((one) => one.type.toLowerCase() === type)?.q ?? 0;
  const events = quality("text/event-stream");
  return events > 0 && events >= quality("application/json");
}

/** Reads what becomes of the execution when its caller disconnects. */
export function readOnDisconnect(headers: Headers): "cancel" | "detach" {
  const text = headers.get("automcp-on-disconnect") ?? "cancel";
  if (text === "cancel" || text === "detach") return text;
  throw refusal("invalid_request", "AutoMCP-On-Disconnect must be 'cancel' or 'detach'");
}

/** Reads the id of the last event that a reader has; 0 if it has none. */
export function readLastEventId(headers: Headers, after: string | undefined): number {
  const text = headers.get("last-event-id") ?? after ?? "0";
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw refusal("invalid_request", "Last-Event-ID and 'after' must be the id of an event");
}

/** Reads the id of the request itself, which a repeat by the network carries too. */
export function readRequestId(headers: Headers): string | undefined {
  const text = headers.get("automcp-request-id");
  if (text === null || /^[\x21-\x7e]{1,255}$/.test(text)) return text ?? undefined;
  throw refusal("invalid_request", "AutoMCP-Request-Id must be 1 to 255 visible ASCII characters");
}
