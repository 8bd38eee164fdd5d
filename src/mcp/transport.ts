import {
  type JSONRPCMessage,
  type JSONRPCRequest,
  type RequestId,
  SdkHttpError,
  StreamableHTTPClientTransport,
} from "@modelcontextprotocol/client";
import { waitAtMost } from "../resilience/clock.ts";
import { readAnswer } from "./answer.ts";
import type { SharedCredentials } from "./credentials.ts";
import { WireFault } from "./failure.ts";
import {
  createWireFetch,
  type Exchange,
  EXCHANGE_HEADER,
  resumeStream,
  toStatusFault,
  type WireOptions,
} from "./http.ts";
import { type WireClockOptions, WireClocks } from "./wire_clocks.ts";

/** What a transport needs. */
export interface UpstreamTransportOptions extends WireOptions, WireClockOptions {
  readonly credentials?: SharedCredentials;
}

/** Waits before a legacy stream is resumed, unless the server names one. */
const RESUME_MS = 500;
const MIN_RESUME_MS = 100;
const MAX_RESUME_MS = 30_000;
/** How long closing may take: the end of the session, and of the requests. */
export const CLOSE_MS = 2_000;
/** Statuses of the probe that tell nothing about the era, besides those from 500 on. */
const NO_ERA_STATUSES: ReadonlySet<number> = new Set([401, 403, 408, 425, 429]);
/** What a server answers without work, and may be asked twice: all that is not a call. */
const QUICK_METHODS: ReadonlySet<string> = new Set(
  ["initialize", "server/discover", "ping", "tools/list"],
);

type Send = StreamableHTTPClientTransport["send"];

/**
 * The SDK's HTTP transport, with sessions, redirects and OAuth, but `send()` of a request settles
 * with its answer: it resolves once the answer was delivered and rejects with a
 * {@linkcode WireFault} as soon as it can no longer come.
 */
export class UpstreamTransport extends StreamableHTTPClientTransport {
  readonly #url: URL;
  readonly #options: UpstreamTransportOptions;
  readonly #exchanges: Map<string, Exchange>;
  readonly #clocks: WireClocks;
  readonly #pending = new Set<Promise<void>>();
  /** The headers of the request during which the server asked something, by what it asked. */
  readonly #askers = new Map<RequestId, object>();
  #legacy = false;

  constructor(url: URL, options: UpstreamTransportOptions) {
    const exchanges = new Map<string, Exchange>();
    const { credentials } = options;
    super(url, {
      fetch: createWireFetch(url, exchanges, {
        ...options,
        ...(credentials && { onRefused: (...refused) => credentials.noteRefused(...refused) }),
      }),
      ...(credentials && { authProvider: credentials.provider }),
    });
    // The SDK's own use of an OAuth provider knows nothing of other requests and connections.
    if (credentials) Object.assign(this, { _authProvider: credentials.shared });
    this.#url = url;
    this.#options = options;
    this.#exchanges = exchanges;
    this.#clocks = new WireClocks(options);
  }

  override send(...[message, options]: Parameters<Send>): Promise<void> {
    const work = isRequest(message)
      ? this.#exchange(message, options)
      : this.#notify(message, options);
    const settled = work.catch(() => {}).finally(() => this.#pending.delete(settled));
    this.#pending.add(settled);
    return work;
  }

  /**
   * Returns the headers that a request was sent with, the very object, if the server asks something
   * on that request's stream; they tell who sent it.
   */
  askerOf(question: RequestId): object | undefined {
    return this.#askers.get(question);
  }

  /** Lets event streams be silent until something is done. */
  hold(work: Promise<unknown>): void {
    this.#clocks.hold(work);
  }

  /** Ends all requests, and the session with them. Never rejects. */
  async endSession(): Promise<void> {
    this.#abortAll();
    const ended = this.terminateSession().catch(() => {});
    await waitAtMost(CLOSE_MS, ended, this.#options.clock);
  }

  override async close(): Promise<void> {
    this.#clocks.close();
    this.#abortAll();
    await super.close();
    // A `fetch` of the user's may not listen to its signal, so this wait has an end.
    await waitAtMost(CLOSE_MS, Promise.all(this.#pending), this.#options.clock);
  }

  async #notify(message: Parameters<Send>[0], options: Parameters<Send>[1]): Promise<void> {
    const cancelled = "method" in message && message.method === "notifications/cancelled"
      ? String(message.params?.["requestId"])
      : undefined;
    try {
      // To a modern server the end of the stream says it, and nothing else may.
      if (cancelled === undefined || this.#legacy) await super.send(message, options);
    } finally {
      // A legacy server is told, and its stream closed: the SDK would leave it open.
      if (cancelled !== undefined) this.#exchanges.get(cancelled)?.abort.abort();
    }
  }

  async #exchange(message: JSONRPCRequest, options: Parameters<Send>[1]): Promise<void> {
    // The SDK itself reads what refuses the question for the era; what refuses `initialize` may be a
    // modern server.
    const modern = !this.#legacy && message.method !== "server/discover";
    if (message.method === "initialize") this.#legacy = true;
    const abort = new AbortController();
    const quick = QUICK_METHODS.has(message.method);
    const singleUse = !quick;
    // A server that answers in JSON sends the head of a call with its result.
    const watchHead = quick ? () => this.#clocks.watchHead(abort) : undefined;
    const exchange: Exchange = {
      ...{ id: message.id, singleUse, modern, abort },
      ...(watchHead !== undefined && { watchHead }),
    };
    const key = String(message.id);
    const outer = options?.requestSignal;
    const stop = (): void => abort.abort(outer?.reason);
    if (outer?.aborted) stop();
    outer?.addEventListener("abort", stop, { once: true });
    this.#exchanges.set(key, exchange);
    try {
      await super.send(message, {
        ...options,
        headers: { ...options?.headers, [EXCHANGE_HEADER]: key },
        requestSignal: abort.signal,
      });
      // Without a response the SDK has delivered what refuses the question for the era itself.
      if (exchange.response !== undefined) {
        await this.#receive(exchange, exchange.response, options?.headers);
      }
    } catch (error) {
      if (SdkHttpError.isInstance(error) && !isOfEra(message, error.status)) {
        throw toStatusFault(exchange, error.status, String(error.data["text"]), error);
      }
      if (!abort.signal.aborted) throw error;
      const { headReceived = false } = exchange;
      const { reason } = abort.signal;
      throw reason instanceof WireFault
        ? reason
        : new WireFault({ kind: "no_answer", headReceived }, error);
    } finally {
      outer?.removeEventListener("abort", stop);
      this.#exchanges.delete(key);
      for (const [question, asker] of this.#askers) {
        if (asker === options?.headers) this.#askers.delete(question);
      }
    }
  }

  async #receive(exchange: Exchange, first: Response, headers: object = {}): Promise<void> {
    const { clock, fetch, maxAnswerBytes } = this.#options;
    const { id, abort } = exchange;
    const deliver = (message: JSONRPCMessage): void => {
      if ("method" in message && "id" in message) this.#askers.set(message.id, headers);
      this.onmessage?.(message);
    };
    const watchBytes = (onSilence: () => void) => this.#clocks.watchBytes(abort, onSilence);
    let response = first;
    let lastEventId: string | undefined;
    while (true) {
      const end = await readAnswer(response, { id, maxAnswerBytes, clock, watchBytes, deliver });
      if (end === undefined) return;
      lastEventId = end.lastEventId ?? lastEventId;
      // A modern stream must never be resumed: its request is lost.
      if (!this.#legacy || lastEventId === undefined || abort.signal.aborted) {
        throw new WireFault({ kind: "no_answer", headReceived: true }, end.cause);
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

function isRequest(message: JSONRPCMessage | JSONRPCMessage[]): message is JSONRPCRequest {
  return "id" in message && "method" in message;
}

/** Only what a legacy server says to an unknown method may reach the SDK's choice of the era. */
function isOfEra({ method }: JSONRPCRequest, status: number): boolean {
  return method === "server/discover" && status >= 400 && status < 500 &&
    !NO_ERA_STATUSES.has(status);
}
