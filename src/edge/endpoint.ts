import { toClientError } from "../errors/classify.ts";
import type { Effect } from "../errors/delivery.ts";
import type { Clock } from "../resilience/clock.ts";
import { responseToError } from "./problem.ts";

/** What one request to the endpoint needs. */
export interface EndpointRequest {
  readonly method: "GET" | "POST" | "DELETE";
  /** Parts of the path; each is escaped. */
  readonly path: readonly string[];
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** What repeating the request does; belongs to the error. */
  readonly effect: Effect;
  readonly signal: AbortSignal;
}

/** Where an AutoMCP endpoint is, and how to ask it. */
export interface Endpoint {
  readonly clock: Clock;
  /**
   * Sends a request and returns its answer once the head has arrived.
   *
   * @throws {ClientError} If no answer or none with a success status arrives.
   */
  send(request: EndpointRequest): Promise<Response>;
}

/** Creates the one way to an endpoint; `url` ends with a slash. */
export function createEndpoint(
  url: URL,
  key: string | undefined,
  fetch: typeof globalThis.fetch,
  clock: Clock,
): Endpoint {
  return {
    clock,
    async send({ method, path, headers, body, effect, signal }) {
      const target = new URL(path.map(encodeURIComponent).join("/"), url);
      let response: Response;
      try {
        response = await fetch(target, {
          method,
          headers: { ...headers, ...(key !== undefined && { authorization: `Bearer ${key}` }) },
          ...(body !== undefined && { body }),
          redirect: "manual",
          signal,
        });
      } catch (cause) {
        if (signal.aborted) throw signal.reason;
        // A browser gives one error for "refused" and for "ran, then reset": nothing is proved.
        throw toClientError({ kind: "no_answer" }, { effect, cause });
      }
      if (response.ok) return response;
      throw await responseToError(response, { effect, signal, wallMs: clock.wall() });
    },
  };
}
