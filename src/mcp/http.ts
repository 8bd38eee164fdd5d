import { type FetchLike, ProtocolError, type RequestId } from "@modelcontextprotocol/client";
import type { Evidence } from "../errors/classify.ts";
import type { Clock } from "../resilience/clock.ts";
import { readRetryAfter } from "../resilience/retry_after.ts";
import { readText } from "./answer.ts";
import { capBytes, capEvents } from "./cap.ts";
import { WireFault } from "./failure.ts";
import { isOfModernServer } from "./repairs.ts";
import { readNetworkFailure, sendsAgain, toSingleUse } from "./runtime.ts";

/** One request on the wire and what was seen of it. */
export interface Exchange {
  readonly id: RequestId;
  /** Whether the runtime must not send it twice. */
  readonly singleUse: boolean;
  /** Whether the server is, or may turn out to be, a modern one; its 400 says what was refused. */
  readonly modern: boolean;
  /** Ends the exchange, and only it. */
  readonly abort: AbortController;
  /** Watches the wait for the head of the answer, where that takes no work; undone by the result. */
  readonly watchHead?: () => () => void;
  /** Whether the head of an answer has arrived. */
  headReceived?: boolean;
  /** How long the server asked to wait. */
  retryAfterMs?: number;
  /** The headers that the SDK sent, if it was the one who sent. */
  headers?: Headers;
  /** The answer to them, if its status is a success: the transport reads it, not the SDK. */
  response?: Response;
}

/** Ties a `fetch` call of the SDK to its exchange; never leaves this process. */
export const EXCHANGE_HEADER = "automcp-exchange";

/** What the wire needs. */
export interface WireOptions {
  readonly fetch: typeof globalThis.fetch;
  readonly clock: Clock;
  readonly maxAnswerBytes: number;
  /** Goes with every request to the server's origin, and nowhere else. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Called with the answer to a request whose credentials were refused, and what it was sent with. */
  readonly onRefused?: (answer: Response, headers: Headers) => void;
  /** Called when the stream that a legacy session has for itself is open again after a break. */
  readonly onReopen?: () => void;
}

/**
 * Sends the request of an exchange and records what is seen of it.
 *
 * @throws {WireFault} If there is no answer.
 */
export async function fetchRecorded(
  exchange: Exchange,
  url: string | URL,
  init: RequestInit,
  { fetch, clock }: WireOptions,
): Promise<Response> {
  const { abort, singleUse } = exchange;
  const unwatch = exchange.watchHead?.();
  let response: Response;
  try {
    response = await fetch(url, singleUse ? toSingleUse(init) : init);
  } catch (error) {
    if (abort.signal.aborted) throw error;
    // What was refused may be the runtime's second try.
    const delivery = !singleUse && sendsAgain() ? "unknown" : undefined;
    throw new WireFault(readNetworkFailure(error), error, delivery);
  } finally {
    unwatch?.();
  }
  exchange.headReceived = true;
  if (response.ok) return response;
  const retryAfterMs = readRetryAfter(response.headers, clock.wall());
  if (retryAfterMs !== undefined) exchange.retryAfterMs = retryAfterMs;
  return response;
}

/**
 * Wraps `fetch` for the SDK so that its requests are recorded as well. It sees an empty 202 in place
 * of a successful answer to a request, and nothing else of it: it would wait for ever on an answer
 * that breaks off.
 *
 * @param endpoint Where the server is; what goes elsewhere is about credentials.
 */
export function createWireFetch(
  endpoint: URL,
  exchanges: ReadonlyMap<string, Exchange>,
  options: WireOptions,
): FetchLike {
  let listens = true;
  let wasOpen = false;
  async function send(url: string | URL, init: RequestInit, headers: Headers): Promise<Response> {
    const exchange = exchanges.get(headers.get(EXCHANGE_HEADER) ?? "");
    if (exchange === undefined) {
      const isOfServer = String(url) === endpoint.href;
      if (isOfServer && init.method === "GET") {
        if (!listens) return new Response(null, { status: 405 });
        const response = await options.fetch(url, { ...init, headers });
        if (response.ok && wasOpen) options.onReopen?.();
        wasOpen ||= response.ok;
        // A stream that broke its measure would be opened again, and break it again.
        return capped(
          response,
          (body) => capEvents(body, options.maxAnswerBytes, () => listens = false),
        );
      }
      try {
        const response = await options.fetch(url, { ...init, headers });
        return capped(response, (body) => capBytes(body, options.maxAnswerBytes));
      } catch (error) {
        // A notification. As it is, the SDK's caller could not tell this failure from a defect.
        if (!isOfServer || init.method !== "POST" || init.signal?.aborted) throw error;
        throw new WireFault(readNetworkFailure(error), error);
      }
    }
    headers.delete(EXCHANGE_HEADER);
    exchange.headers = headers;
    const response = await fetchRecorded(exchange, url, { ...init, headers }, options);
    if (response.ok) {
      exchange.response = response;
      return new Response(null, { status: 202, headers: response.headers });
    }
    // The SDK would pass on the JSON-RPC error in it, but not that it came with a 400.
    if (exchange.modern && response.status === 400) {
      throw await readStatusFault(exchange, response, options);
    }
    return capped(response, (body) => capBytes(body, options.maxAnswerBytes));
  }
  return async (url, init = {}) => {
    const headers = new Headers(init.headers);
    if (new URL(url).origin === endpoint.origin) {
      for (const [name, value] of Object.entries(options.headers ?? {})) {
        if (!headers.has(name)) headers.set(name, value);
      }
    }
    const response = await send(url, init, headers);
    if (response.status === 401) options.onRefused?.(response, headers);
    return response;
  };
}

type Body = ReadableStream<Uint8Array>;

/** Returns a response whose body keeps measure. */
function capped(response: Response, cap: (body: Body) => Body): Response {
  // What has no body may have a status, 0 or 204, that no response with one can be made with.
  return response.body === null ? response : new Response(cap(response.body), response);
}

/** Reads an answer whose status is no success; a body that breaks leaves the status. */
export async function readStatusFault(
  exchange: Exchange,
  response: Response,
  { maxAnswerBytes }: WireOptions,
): Promise<WireFault> {
  const text = await readText(response, maxAnswerBytes).catch(() => "");
  return toStatusFault(exchange, response.status, text);
}

/** Returns the fault of an answer whose status is no success. */
export function toStatusFault(
  { headers, modern, retryAfterMs }: Exchange,
  status: number,
  text: string,
  cause?: unknown,
): WireFault {
  const rpc = readRpcError(text);
  const evidence: Evidence = {
    kind: "http",
    status,
    sessionHeld: headers?.has("mcp-session-id") ?? false,
    ...(retryAfterMs !== undefined && { retryAfterMs }),
    ...((modern || (rpc !== undefined && isOfModernServer(rpc.error))) && { modern: true }),
    ...(rpc?.unread && { unread: true }),
    ...(rpc !== undefined && { rpcCode: rpc.error.code }),
  };
  return new WireFault(evidence, rpc?.error ?? cause);
}

function readRpcError(text: string): { error: ProtocolError; unread: boolean } | undefined {
  try {
    const { id, error: { code, message, data } } = JSON.parse(text);
    if (typeof code !== "number") return undefined;
    return { error: new ProtocolError(code, String(message), data), unread: id == null };
  } catch {
    return undefined;
  }
}

/** Takes up a legacy stream after the last event that arrived. */
export async function resumeStream(
  url: URL,
  exchange: Exchange,
  lastEventId: string,
  fetch: typeof globalThis.fetch,
): Promise<Response> {
  const headers = new Headers(exchange.headers);
  headers.delete("content-type");
  headers.set("accept", "text/event-stream");
  headers.set("last-event-id", lastEventId);
  try {
    const response = await fetch(url, {
      headers,
      redirect: "manual",
      signal: exchange.abort.signal,
    });
    if (response.ok) return response;
    await response.body?.cancel();
  } catch (error) {
    // The request went out long ago: that this one was refused proves nothing about it.
    throw new WireFault({ kind: "no_answer", headReceived: true }, error);
  }
  throw new WireFault({ kind: "no_answer", headReceived: true });
}
