import {
  type AuthProvider,
  type JSONRPCMessage,
  type JSONRPCRequest,
  type OAuthClientProvider,
  PROTOCOL_VERSION_META_KEY,
  SdkHttpError,
  StreamableHTTPClientTransport,
} from "@modelcontextprotocol/client";
import type { Evidence } from "../errors/classify.ts";
import type { Clock } from "../resilience/clock.ts";
import { parseAnswer, readAnswer, readText } from "./answer.ts";
import { WireFault } from "./failure.ts";
import {
  createWireFetch,
  type Exchange,
  EXCHANGE_HEADER,
  fetchRecorded,
  isRepeatable,
  resumeStream,
  type WireOptions,
} from "./http.ts";
import { encodeHeader } from "./param_headers.ts";

/** What a transport needs. */
export interface UpstreamTransportOptions extends WireOptions {
  readonly headers?: Readonly<Record<string, string>>;
  readonly authProvider?: AuthProvider | OAuthClientProvider;
}

/** Waits before a legacy stream is resumed, unless the server names one. */
const RESUME_MS = 500;
const MIN_RESUME_MS = 100;
const MAX_RESUME_MS = 30_000;
/** How long closing may take: the end of the session, and of the requests. */
const CLOSE_MS = 2_000;
/** Statuses of the probe that tell nothing about the era, besides those from 500 on. */
const NO_ERA_STATUSES: ReadonlySet<number> = new Set([401, 403, 408, 425, 429]);

/** By method, the parameter that names what a request is about. */
const NAME_KEYS: ReadonlyMap<string, string> = new Map([
  ["tools/call", "name"],
  ["prompts/get", "name"],
  ["resources/read", "uri"],
]);

type Send = StreamableHTTPClientTransport["send"];

/**
 * The SDK's HTTP transport, but `send()` of a request settles with its answer: it resolves once the
 * answer was delivered and rejects with a {@linkcode WireFault} as soon as it can no longer come.
 *
 * A modern request goes out by one `fetch` of ours; sessions, redirects, OAuth and the choice of the
 * era are left to the SDK, through a `fetch` that records the same.
 */
export class UpstreamTransport extends StreamableHTTPClientTransport {
  readonly #url: URL;
  readonly #options: UpstreamTransportOptions;
  readonly #exchanges: Map<string, Exchange>;
  readonly #pending = new Set<Promise<void>>();
  #legacy = false;

  constructor(url: URL, options: UpstreamTransportOptions) {
    const exchanges = new Map<string, Exchange>();
    super(url, {
      fetch: createWireFetch(exchanges, options),
      ...(options.headers !== undefined && { requestInit: { headers: { ...options.headers } } }),
      ...(options.authProvider !== undefined && { authProvider: options.authProvider }),
    });
    this.#url = url;
    this.#options = options;
    this.#exchanges = exchanges;
  }

  override send(...[message, options]: Parameters<Send>): Promise<void> {
    const work = isRequest(message)
      ? this.#exchange(message, options)
      : this.#notify(message, options);
    const settled = work.catch(() => {}).finally(() => this.#pending.delete(settled));
    this.#pending.add(settled);
    return work;
  }

  /** Ends all requests, and the session with them. Never rejects. */
  async endSession(): Promise<void> {
    this.#abortAll();
    await settleWithin(this.terminateSession(), CLOSE_MS, this.#options.clock);
  }

  override async close(): Promise<void> {
    this.#abortAll();
    await super.close();
    // A `fetch` of the user's may not listen to its signal, so this wait has an end.
    await settleWithin(Promise.all(this.#pending), CLOSE_MS, this.#options.clock);
  }

  async #notify(message: Parameters<Send>[0], options: Parameters<Send>[1]): Promise<void> {
    try {
      await super.send(message, options);
    } finally {
      // A legacy server is told, and its stream closed: the SDK would leave it open.
      if ("method" in message && message.method === "notifications/cancelled") {
        this.#exchanges.get(String(message.params?.["requestId"]))?.abort.abort();
      }
    }
  }

  async #exchange(message: Request, options: Parameters<Send>[1]): Promise<void> {
    if (message.method === "initialize") this.#legacy = true;
    const abort = new AbortController();
    const singleUse = message.method === "tools/call" && !isRepeatable(options?.headers);
    const exchange: Exchange = { id: message.id, singleUse, abort };
    const key = String(message.id);
    const outer = options?.requestSignal;
    const stop = (): void => abort.abort(outer?.reason);
    if (outer?.aborted) stop();
    outer?.addEventListener("abort", stop, { once: true });
    this.#exchanges.set(key, exchange);
    try {
      const version = this.#leanVersion(message);
      const response = version === undefined
        ? await this.#sendStock(exchange, message, options)
        : await this.#sendLean(exchange, message, version, options);
      // Without a response the answer was a JSON-RPC error that has been delivered already.
      if (response !== undefined) await this.#receive(exchange, response);
    } catch (error) {
      throw abort.signal.aborted ? new WireFault({ kind: "no_answer" }, error) : error;
    } finally {
      outer?.removeEventListener("abort", stop);
      this.#exchanges.delete(key);
    }
  }

  /**
   * Returns the protocol version of a message that needs nothing of the SDK's transport: no session,
   * no credentials to be renewed, and no choice of the era, which the SDK makes by its own errors.
   */
  #leanVersion({ method, params }: Request): string | undefined {
    if (this.#options.authProvider !== undefined || method === "server/discover") return undefined;
    const version = params?._meta?.[PROTOCOL_VERSION_META_KEY];
    return typeof version === "string" ? version : undefined;
  }

  async #sendLean(
    exchange: Exchange,
    message: Request,
    version: string,
    options: Parameters<Send>[1],
  ): Promise<Response | undefined> {
    const response = await fetchRecorded(exchange, this.#url, {
      method: "POST",
      headers: {
        ...this.#options.headers,
        ...options?.headers,
        ...toProtocolHeaders(message, version),
      },
      body: JSON.stringify(message),
      redirect: "manual",
      signal: exchange.abort.signal,
    }, this.#options);
    const { ok, status } = response;
    if (ok) return response;
    if (this.#isFollowed(response)) {
      await response.body?.cancel();
      return await this.#sendStock(exchange, message, options);
    }
    const text = await readText(response, this.#options.maxAnswerBytes).catch(() => "");
    const answer = status === 400 || status === 404 ? parseAnswer(text, message.id) : undefined;
    if (answer === undefined) throw toStatusFault(exchange, status, text);
    this.onmessage?.(answer);
  }

  /** Whether the SDK would follow a redirect: to the same origin, with the same method. */
  #isFollowed({ status, headers }: Response): boolean {
    const location = headers.get("location");
    return (status === 307 || status === 308) && location !== null &&
      URL.parse(location, this.#url)?.origin === this.#url.origin;
  }

  /** Lets the SDK send. */
  async #sendStock(
    exchange: Exchange,
    message: Request,
    options: Parameters<Send>[1],
  ): Promise<Response | undefined> {
    try {
      await super.send(message, {
        ...options,
        headers: { ...options?.headers, [EXCHANGE_HEADER]: String(exchange.id) },
        requestSignal: exchange.abort.signal,
      });
      return exchange.response;
    } catch (error) {
      if (!SdkHttpError.isInstance(error) || ofEra(message, error.status)) throw error;
      throw toStatusFault(exchange, error.status, String(error.data["text"]), error);
    }
  }

  async #receive(exchange: Exchange, first: Response): Promise<void> {
    const { clock, fetch, maxAnswerBytes } = this.#options;
    const { id, abort } = exchange;
    const deliver = (message: JSONRPCMessage): void => this.onmessage?.(message);
    let response = first;
    let lastEventId: string | undefined;
    while (true) {
      const end = await readAnswer(response, { id, maxAnswerBytes, clock, deliver });
      if (end === undefined) return;
      lastEventId = end.lastEventId ?? lastEventId;
      // A modern stream must never be resumed: its request is lost.
      if (!this.#legacy || lastEventId === undefined || abort.signal.aborted) {
        throw new WireFault({ kind: "no_answer" }, end.cause);
      }
      const waitMs = Math.min(Math.max(end.retryMs ?? RESUME_MS, MIN_RESUME_MS), MAX_RESUME_MS);
      await clock.sleep(waitMs, abort.signal);
      response = await resumeStream(this.#url, exchange, lastEventId, fetch);
    }
  }

  #abortAll(): void {
    for (const { abort } of this.#exchanges.values()) abort.abort();
  }
}

type Request = JSONRPCRequest;

function isRequest(message: JSONRPCMessage | JSONRPCMessage[]): message is Request {
  return "id" in message && "method" in message;
}

/** Only what a legacy server says to an unknown method may reach the SDK's choice of the era. */
function ofEra({ method }: Request, status: number): boolean {
  return method === "server/discover" && status >= 400 && status < 500 &&
    !NO_ERA_STATUSES.has(status);
}

/** Returns the headers that repeat what a message says (specification 2026-07-28). */
function toProtocolHeaders({ method, params }: Request, version: string): Record<string, string> {
  const headers: Record<string, string> = {
    accept: "application/json, text/event-stream",
    "content-type": "application/json",
    "mcp-protocol-version": version,
    "mcp-method": method,
  };
  const name = params?.[NAME_KEYS.get(method) ?? ""];
  if (typeof name === "string") headers["mcp-name"] = encodeHeader(name);
  return headers;
}

function toStatusFault(
  { headers, retryAfterMs }: Exchange,
  status: number,
  text: string,
  cause?: SdkHttpError,
): WireFault {
  const rpcCode = readRpcCode(text);
  const evidence: Evidence = {
    kind: "http",
    status,
    sessionHeld: headers?.has("mcp-session-id") ?? false,
    ...(retryAfterMs !== undefined && { retryAfterMs }),
    ...(rpcCode !== undefined && { rpcCode }),
  };
  return new WireFault(evidence, cause);
}

function readRpcCode(text: string): number | undefined {
  try {
    const code: unknown = JSON.parse(text)?.error?.code;
    return typeof code === "number" ? code : undefined;
  } catch {
    return undefined;
  }
}

/** Waits until some work has settled, either way, or the time is over. */
async function settleWithin(work: Promise<unknown>, ms: number, clock: Clock): Promise<void> {
  const done = new AbortController();
  const settled = work.then(() => done.abort(), () => done.abort());
  await Promise.race([settled, clock.sleep(ms, done.signal).catch(() => {})]);
}
