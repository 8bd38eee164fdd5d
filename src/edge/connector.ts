import type {
  Connection,
  ConnectionOptions,
  Connector,
  OperationDescriptor,
  OperationList,
} from "../client/ports.ts";
import { type Evidence, toClientError } from "../errors/classify.ts";
import { checkOptions, type OptionRules } from "../errors/misuse.ts";
import { type Clock, systemClock } from "../resilience/clock.ts";
import { BodyTooLongError, readText } from "./body.ts";
import { createEndpoint, type Endpoint } from "./endpoint.ts";
import { isRecord, parseJson } from "./problem.ts";
import { checkOpen, type EdgeEvent, type RunContext, runOnEndpoint } from "./run.ts";

/** Where a group of an AutoMCP endpoint is, and how to reach it. */
export interface EdgeConnectorOptions {
  /** The endpoint, absolute, `http:` or `https:`; a path in it is kept before `/v1`. */
  readonly url: string | URL;
  /** The name of the group on the endpoint. */
  readonly group: string;
  /** The caller's key, sent as a bearer token; none is sent without it. */
  readonly key?: string;
  /**
   * Names the server in errors, events and stats.
   *
   * @default {options.group}
   */
  readonly name?: string;
  /**
   * Sends the requests.
   *
   * @default {globalThis.fetch}
   */
  readonly fetch?: typeof globalThis.fetch;
  /**
   * Measures time.
   *
   * @default {systemClock}
   */
  readonly clock?: Clock;
  /**
   * Takes each event of each execution as the endpoint told it, in the order of arrival: its own
   * attempts, which the caller's events do not show. A throw is reported and changes nothing.
   */
  readonly onEvent?: (event: EdgeEvent) => void;
}

const RULES: OptionRules<EdgeConnectorOptions> = {
  url: {},
  group: { type: "string", required: true },
  key: { type: "string" },
  name: { type: "string" },
  fetch: { type: "function" },
  clock: { type: "object" },
  onEvent: { type: "function" },
};
/** The longest list of operations that is read, in bytes. */
const MAX_LIST_BYTES = 16 * 2 ** 20;
/** RFC 6750 §2.1, so that nothing but a token can get into the header. */
const KEY_REGEXP = /^[\w.~+/-]+=*$/;

/**
 * Creates a connector to a group of an AutoMCP endpoint, so that a browser or any other program with
 * `fetch` calls its operations through the same client. The endpoint holds the sessions, retries and
 * limits; this side follows an execution's events, takes a broken stream up again where it broke, and
 * cancels the execution when the caller aborts.
 *
 * @param options Where the group is.
 * @returns A connector for the configuration of an `AutoMCPClient`.
 * @throws {TypeError} If an option is unknown, missing or malformed.
 *
 * @example A client over an endpoint
 * ```ts
 * import { createEdgeConnector } from "@automcp/client/edge";
 * import { assertEquals } from "@std/assert";
 *
 * const connector = createEdgeConnector({ url: "https://tools.example", group: "files" });
 * assertEquals(connector.name, "files");
 * ```
 */
export function createEdgeConnector(options: EdgeConnectorOptions): Connector {
  checkOptions("create an edge connector", options, RULES);
  const { group, key, name = group, clock = systemClock, onEvent } = options;
  const url = resolveUrl(options.url);
  if (typeof group !== "string" || group === "") refuse("group", "a name", group);
  if (key !== undefined && !KEY_REGEXP.test(key)) refuse("key", "a bearer token", "not shown");
  // The global function is looked up at each call and called without a receiver of ours.
  const fetch = options.fetch ?? ((input, init) => globalThis.fetch(input, init));
  const endpoint = createEndpoint(url, key, fetch, clock);
  return {
    name,
    connect: ({ signal }) => {
      if (signal.aborted) return Promise.reject(signal.reason);
      return Promise.resolve(createConnection(endpoint, group, onEvent));
    },
  };
}

/** An operation with what the endpoint grants it. */
interface EndpointOperation extends OperationDescriptor {
  readonly timeoutMs?: unknown;
}

function createConnection(
  endpoint: Endpoint,
  group: string,
  onEvent: RunContext["onEvent"],
): Connection {
  const closing = new AbortController();
  const pending = new Set<Promise<unknown>>();
  const background = (work: Promise<unknown>): void => {
    const settled = work.catch(() => {}).finally(() => pending.delete(settled));
    pending.add(settled);
  };
  const limitsMs = new Map<string, number>();
  const maxTimeoutMs = (operation: string): number => limitsMs.get(operation) ?? Infinity;
  const closed = closing.signal;
  const context: RunContext = { endpoint, group, onEvent, background, maxTimeoutMs, closed };
  return {
    era: "edge",
    server: undefined,
    maxConcurrency: Infinity,
    stateful: false,
    closed: closing.signal,
    async describe(options) {
      checkOpen(closing.signal, options.signal, "safe");
      const list = await describe(endpoint, group, options);
      for (const { name, timeoutMs } of list.operations) {
        if (typeof timeoutMs === "number" && timeoutMs >= 1) limitsMs.set(name, timeoutMs);
      }
      return list;
    },
    execute: (request, options) => runOnEndpoint(context, request, options),
    async check({ signal }) {
      checkOpen(closing.signal, signal, "safe");
      const request = { method: "GET", path: ["healthz"], effect: "safe", signal } as const;
      const response = await endpoint.send(request);
      await response.body?.cancel();
    },
    async close() {
      closing.abort();
      await Promise.all(pending);
    },
  };
}

async function describe(
  endpoint: Endpoint,
  group: string,
  { signal }: ConnectionOptions,
): Promise<OperationList & { operations: readonly EndpointOperation[] }> {
  const response = await endpoint.send({
    method: "GET",
    path: ["v1", "groups", group, "operations"],
    headers: { accept: "application/json" },
    effect: "safe",
    signal,
  });
  const { operations } = await readList(response, signal);
  return { operations, ttlMs: parseMaxAgeMs(response.headers.get("cache-control")) };
}

async function readList(
  response: Response,
  signal: AbortSignal,
): Promise<{ operations: EndpointOperation[] }> {
  let text: string;
  try {
    text = await readText(response.body, MAX_LIST_BYTES, signal);
  } catch (cause) {
    if (signal.aborted) throw signal.reason;
    const evidence: Evidence = cause instanceof BodyTooLongError
      ? { kind: "too_large" }
      : { kind: "no_answer", headReceived: true };
    throw toClientError(evidence, { effect: "safe", cause });
  }
  const list = parseJson(text);
  if (isList(list)) return list;
  throw toClientError({ kind: "unusable_answer" }, { effect: "safe" });
}

function isList(list: unknown): list is { operations: EndpointOperation[] } {
  return isRecord(list) && Array.isArray(list.operations) && list.operations.every(isDescriptor);
}

function isDescriptor(value: unknown): boolean {
  return isRecord(value) && typeof value.name === "string" && typeof value.kind === "string" &&
    isRecord(value.inputSchema) && isRecord(value.hints);
}

/** How long an answer stays fresh (RFC 9111 §5.2.2); 0 if it does not say. */
function parseMaxAgeMs(cacheControl: string | null): number {
  const text = cacheControl ?? "";
  if (/\bno-(store|cache)\b/i.test(text)) return 0;
  return Number(/\bmax-age=(\d+)/i.exec(text)?.[1] ?? 0) * 1_000;
}

function resolveUrl(value: string | URL): URL {
  const url = URL.parse(String(value));
  if (url === null || !/^https?:$/.test(url.protocol) || url.username + url.password !== "") {
    refuse("url", "an absolute http: or https: URL without credentials", "not shown");
  }
  if (!url.pathname.endsWith("/")) url.pathname += "/";
  url.search = url.hash = "";
  return url;
}

function refuse(name: string, requirement: string, value: unknown): never {
  throw new TypeError(
    `Cannot create an edge connector as '${name}' must be ${requirement}: current value is ${value}`,
  );
}
