import type { FetchLike, RequestId } from "@modelcontextprotocol/client";
import type { Clock } from "../resilience/clock.ts";
import { parseRetryAfter } from "../resilience/retry_after.ts";
import { capBytes } from "./answer.ts";
import { WireFault } from "./failure.ts";
import { readNetworkFailure, toSingleUse } from "./runtime.ts";

/** One request on the wire and what was seen of it. */
export interface Exchange {
  readonly id: RequestId;
  /**
   * Whether the runtime must not send it twice. Without that, a refused connection would prove
   * nothing either: it may be the second try.
   */
  readonly singleUse: boolean;
  /** Ends the exchange, and only it. */
  readonly abort: AbortController;
  /** The request's headers, once it was sent. */
  headers?: Headers;
  /** How long the server asked to wait. */
  retryAfterMs?: number;
  /** The answer, if its status is a success: the transport reads it, not the SDK. */
  response?: Response;
}

/** Ties a `fetch` call of the SDK to its exchange; never leaves this process. */
export const EXCHANGE_HEADER = "automcp-exchange";

/** What the wire needs. */
export interface WireOptions {
  readonly fetch: typeof globalThis.fetch;
  readonly clock: Clock;
  readonly maxAnswerBytes: number;
}

/**
 * Wraps `fetch` so that each request records what happened to it. The SDK sees an empty 202 in place
 * of a successful answer to a request, and nothing else of it: it would wait for ever on an answer
 * that breaks off.
 */
export function createWireFetch(
  exchanges: ReadonlyMap<string, Exchange>,
  { fetch, clock, maxAnswerBytes }: WireOptions,
): FetchLike {
  return async (url, init = {}) => {
    const headers = new Headers(init.headers);
    const exchange = exchanges.get(headers.get(EXCHANGE_HEADER) ?? "");
    if (exchange === undefined) return fetch(url, init);
    headers.delete(EXCHANGE_HEADER);
    exchange.headers = headers;
    let response: Response;
    try {
      response = await fetch(url, { ...(exchange.singleUse ? toSingleUse(init) : init), headers });
    } catch (error) {
      if (exchange.abort.signal.aborted) throw error;
      throw new WireFault(readNetworkFailure(error), error);
    }
    const retryAfterMs = parseRetryAfter(response.headers.get("retry-after"), clock.wall());
    if (retryAfterMs !== undefined) exchange.retryAfterMs = retryAfterMs;
    if (response.ok) {
      exchange.response = response;
      return new Response(null, { status: 202, headers: response.headers });
    }
    // A redirect that a browser hides has status 0, which no response can be made with.
    if (response.body === null || response.status < 400) return response;
    return new Response(capBytes(response.body, maxAnswerBytes), response);
  };
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
    throw new WireFault({ kind: "no_answer" }, error);
  }
  throw new WireFault({ kind: "no_answer" });
}
