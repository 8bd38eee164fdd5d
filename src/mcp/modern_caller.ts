import {
  CLIENT_CAPABILITIES_META_KEY,
  CLIENT_INFO_META_KEY,
  type JSONRPCMessage,
  PROTOCOL_VERSION_META_KEY,
  ProtocolError,
  type Result,
  SdkError,
  SdkErrorCode,
} from "@modelcontextprotocol/client";
import type {
  AttemptOptions,
  ConnectionOptions,
  ExecutionRequest,
  JsonObject,
} from "../client/ports.ts";
import type { ProgressReport } from "../progress/events.ts";
import { waitAtMost } from "../resilience/clock.ts";
import { DeadlineTimer } from "../resilience/deadline_timer.ts";
import { readAnswer } from "./answer.ts";
import { CLIENT_INFO } from "./client_info.ts";
import { WireFault } from "./failure.ts";
import { type Exchange, fetchRecorded, readStatusFault } from "./http.ts";
import { type InputHandlers, toCapabilities } from "./input.ts";
import { type CallMessage, toMessage } from "./message.ts";
import { encodeHeader, toParamHeaders } from "./param_headers.ts";
import { toRequestMeta } from "./request_meta.ts";
import { answerRounds, toRoundParams } from "./rounds.ts";
import { isTaskOf, TASK_CAPABILITIES } from "./tasks.ts";
import { toReport } from "./tools.ts";
import { CLOSE_MS, type UpstreamTransportOptions } from "./transport.ts";
import { WireClocks } from "./wire_clocks.ts";

/** One request of a modern connection, without what every request carries. */
export interface ModernRequest {
  readonly method: string;
  /**
   * What the header `Mcp-Name` repeats of the parameters: a tool's name, the id of a task; not all
   * methods have something.
   */
  readonly name?: string | undefined;
  readonly params: JsonObject;
  /** Metadata besides the protocol's own. */
  readonly meta: JsonObject;
  /** Headers besides the protocol's own. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Whether the runtime must not send it twice. */
  readonly singleUse: boolean;
  /** Whether it asks for something that is known already, so that its answer takes no work. */
  readonly quick?: boolean;
}

/** What a caller needs. */
export interface ModernCallerOptions extends UpstreamTransportOptions {
  /** What answers the server's questions. */
  readonly handlers: InputHandlers;
}

/** What one request may use. */
export type ModernOptions =
  & ConnectionOptions
  & Partial<Pick<AttemptOptions, "onProgress" | "onSend">>;

/** How often one request is sent on to another place of its origin. */
const MAX_REDIRECTS = 5;

/**
 * Makes the calls of a modern connection. Each request is one `fetch` that carries all it needs, and
 * all that belongs to it comes back on its own stream, so the SDK's client and transport, which would
 * double what it costs, are not asked.
 */
export class ModernCaller {
  readonly #url: URL;
  readonly #options: ModernCallerOptions;
  readonly #capabilities: JsonObject;
  readonly #version: string;
  readonly #deadlines: DeadlineTimer;
  readonly #clocks: WireClocks;
  readonly #exchanges = new Set<Exchange>();
  #count = 0;
  #onIdle = (): void => {};

  constructor(url: URL, options: ModernCallerOptions, version: string) {
    this.#url = url;
    this.#options = options;
    this.#capabilities = { ...toCapabilities(options.handlers), ...TASK_CAPABILITIES };
    this.#deadlines = new DeadlineTimer(options.clock);
    this.#clocks = new WireClocks(options, this.#deadlines);
    this.#version = version;
  }

  /**
   * Calls an operation.
   *
   * @returns Its result, or a task.
   * @throws As {@linkcode send} does.
   */
  async call(request: ExecutionRequest, options: AttemptOptions): Promise<JsonObject> {
    const { operation, arguments: args } = request;
    const { method, name, params, isResult } = toMessage(request);
    const message: ModernRequest = {
      ...{ method, name },
      params: { ...params, ...toRoundParams(request) },
      meta: toRequestMeta(request),
      headers: toParamHeaders(operation.inputSchema, args),
      // A safe one too: what a second send is answered proves nothing about the first.
      singleUse: true,
    };
    let result = await this.send(message, options);
    if (result["resultType"] === "input_required") {
      const { handlers, clock } = this.#options;
      const go = (params: JsonObject) =>
        this.send({ ...message, params: { ...message.params, ...params } }, options);
      result = await answerRounds(result, go, { handlers, clock, request, options });
    }
    if (isTaskOf(method, result)) return result as JsonObject;
    return toComplete(result, isResult);
  }

  /**
   * Makes a request about a task, which takes the server no work.
   *
   * @throws As {@linkcode send} does.
   */
  askAboutTask(
    method: string,
    params: JsonObject & { readonly taskId: string },
    meta: JsonObject,
    options: ConnectionOptions,
  ): Promise<Result> {
    const name = params.taskId;
    const singleUse = method !== "tasks/get";
    return this.send({ method, name, params, meta, singleUse, quick: true }, options);
  }

  /**
   * Sends one request.
   *
   * @returns Its result, of whatever type.
   * @throws The reason of whatever aborted it, else as the SDK's client, else a {@linkcode WireFault}.
   */
  async send(request: ModernRequest, options: ModernOptions): Promise<Result> {
    const { signal, deadline, onProgress } = options;
    const token = this.#count++;
    const abort = new AbortController();
    // The client's own requests have numbers.
    const id = `call-${token}`;
    const exchange: Exchange = {
      ...{ id, singleUse: request.singleUse, modern: true, abort },
      ...(request.quick && { watchHead: () => this.#clocks.watchHead(abort) }),
    };
    const stop = (): void => abort.abort(signal.reason);
    signal.addEventListener("abort", stop, { once: true });
    const unwatch = this.#deadlines.watch(deadline, () => {
      abort.abort(new SdkError(SdkErrorCode.RequestTimeout, "Request timed out"));
    });
    this.#exchanges.add(exchange);
    let answer: JSONRPCMessage | undefined;
    try {
      await this.#exchange(exchange, request, token, options.onSend, (message) => {
        const report = readProgress(message, token);
        if (report !== undefined) onProgress?.(report);
        else if (!("method" in message)) answer = message;
      });
    } catch (error) {
      throw abort.signal.aborted ? abort.signal.reason : error;
    } finally {
      unwatch();
      signal.removeEventListener("abort", stop);
      this.#exchanges.delete(exchange);
      if (this.#exchanges.size === 0) this.#onIdle();
    }
    return readResult(answer);
  }

  /** Fails all calls and waits for their end. */
  async close(): Promise<void> {
    this.#clocks.close();
    for (const { abort } of this.#exchanges) abort.abort(new WireFault({ kind: "no_answer" }));
    if (this.#exchanges.size === 0) return;
    const idle = new Promise<void>((resolve) => this.#onIdle = resolve);
    await waitAtMost(CLOSE_MS, idle, this.#options.clock);
  }

  async #exchange(
    exchange: Exchange,
    request: ModernRequest,
    token: number,
    onSend: AttemptOptions["onSend"],
    deliver: (message: JSONRPCMessage) => void,
  ): Promise<void> {
    const { clock, maxAnswerBytes } = this.#options;
    const { id, abort } = exchange;
    const watchBytes = (onSilence: () => void) => this.#clocks.watchBytes(abort, onSilence);
    const response = await this.#post(exchange, request, token, onSend);
    if (!response.ok) throw await readStatusFault(exchange, response, this.#options);
    const end = await readAnswer(response, { id, maxAnswerBytes, clock, watchBytes, deliver });
    // A modern stream must never be resumed: its request is lost.
    if (end !== undefined) {
      throw new WireFault({ kind: "no_answer", headReceived: true }, end.cause);
    }
  }

  /** Sends a request and follows it as far as its origin goes. */
  async #post(
    exchange: Exchange,
    request: ModernRequest,
    token: number,
    onSend: AttemptOptions["onSend"],
  ): Promise<Response> {
    const { method, name } = request;
    const params = {
      ...request.params,
      _meta: {
        ...request.meta,
        [PROTOCOL_VERSION_META_KEY]: this.#version,
        [CLIENT_INFO_META_KEY]: CLIENT_INFO,
        [CLIENT_CAPABILITIES_META_KEY]: this.#capabilities,
        progressToken: token,
      },
    };
    const body = JSON.stringify({ jsonrpc: "2.0", id: exchange.id, method, params });
    onSend?.(body.length);
    const init: RequestInit = {
      method: "POST",
      headers: {
        ...this.#options.headers,
        ...request.headers,
        accept: "application/json, text/event-stream",
        "content-type": "application/json",
        "mcp-protocol-version": this.#version,
        "mcp-method": method,
        ...(name !== undefined && { "mcp-name": encodeHeader(name) }),
      },
      body,
      redirect: "manual",
      signal: exchange.abort.signal,
    };
    let url = this.#url;
    for (let followed = 0; true; followed++) {
      const response = await fetchRecorded(exchange, url, init, this.#options);
      const target = toRedirectTarget(response, url);
      if (target === undefined || followed === MAX_REDIRECTS) return response;
      await response.body?.cancel();
      url = target;
    }
  }
}

/** Returns where a redirect leads that keeps the method and the origin. */
function toRedirectTarget({ status, headers }: Response, url: URL): URL | undefined {
  if (status !== 307 && status !== 308) return undefined;
  const location = headers.get("location");
  const target = location === null ? null : URL.parse(location, url);
  return target?.origin === url.origin ? target : undefined;
}

function readProgress(message: JSONRPCMessage, token: number): ProgressReport | undefined {
  if (!("method" in message) || message.method !== "notifications/progress") return undefined;
  const { progressToken, progress, ...rest } = message.params ?? {};
  if (progressToken !== token || typeof progress !== "number") return undefined;
  return toReport({ progress, ...rest });
}

function readResult(answer: JSONRPCMessage | undefined): Result {
  if (answer !== undefined && "error" in answer) {
    const { code, message, data } = answer.error;
    throw ProtocolError.fromError(code, message, data);
  }
  return answer !== undefined && "result" in answer ? answer.result : {};
}

function toComplete(result: Result, isResult: CallMessage["isResult"]): JsonObject {
  const type = result["resultType"];
  if (typeof type === "string" && type !== "complete") {
    throw new SdkError(SdkErrorCode.UnsupportedResultType, `Unsupported result type '${type}'`);
  }
  if (type !== "complete" || !isResult(result)) throw new WireFault({ kind: "invalid_result" });
  return result as JsonObject;
}
