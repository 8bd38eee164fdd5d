import type { Client, ListToolsResult } from "@modelcontextprotocol/client";
import { abortable } from "../client/abort.ts";
import type {
  AttemptOptions,
  Connection,
  ConnectionOptions,
  ConnectionResult,
  Era,
  ExecutionRequest,
  JsonObject,
  OperationDescriptor,
  OperationList,
  ServerInfo,
} from "../client/ports.ts";
import { toClientError } from "../errors/classify.ts";
import { concludeError } from "../errors/conclude.ts";
import { type ArgumentIssue, createClientError, isClientError } from "../errors/errors.ts";
import type { ProgressReport } from "../progress/events.ts";
import { type Clock, MAX_TIMER_MS } from "../resilience/clock.ts";
import type { Deadline } from "../resilience/deadline.ts";
import { ChangeFeed, type ChangeFeedOptions } from "./change_feed.ts";
import { type FailureContext, toFailure, WireFault } from "./failure.ts";
import type { InputHandlers } from "./input.ts";
import type { LegacyInputs } from "./legacy_inputs.ts";
import { describeMethods, findMethod, toMethodResult } from "./methods.ts";
import type { ModernCaller } from "./modern_caller.ts";
import { readPages } from "./pages.ts";
import {
  isEraInDoubt,
  isHeaderMismatch,
  isOfOtherEra,
  isRefusal,
  isSessionInDoubt,
  isVersionRefused,
} from "./repairs.ts";
import { type Limits, SdkCaller } from "./sdk_caller.ts";
import { readTask, TaskFollower } from "./tasks.ts";
import { toDescriptor, toResult, toServerInfo, toTtlMs } from "./tools.ts";
import { createSchemaChecker } from "./validate.ts";

/** What a connection needs besides its client. */
export interface McpConnectionOptions {
  readonly treat503AsNotExecuted: boolean;
  /** What answers the server's questions. */
  readonly handlers: InputHandlers;
  readonly clock: Clock;
  readonly random: () => number;
  /** Makes what calls a modern server; without it the client does. */
  readonly createCaller?: (version: string) => ModernCaller;
  /** Whether the server itself ends with the connection, as a child process does. */
  readonly ownsServer?: boolean;
  /** What is to be done before the transport closes, as ending a session; must not reject. */
  readonly endSession?: () => Promise<void>;
  /** Called once the server is of another era; without it, an answer is no reason to doubt. */
  readonly onEraChange?: () => void;
  /** Whether the server should be asked for its era again, as soon as nothing is lost by it. */
  readonly isEraOutdated?: () => boolean;
  /** Listens to the changes of a modern server that tells them. */
  readonly feed?: ChangeFeedOptions;
}

/** How many requests a legacy session is given at once. */
const LEGACY_CONCURRENCY = 32;
/** How long a legacy server's list of tools is fresh; such servers do not say it themselves. */
const LEGACY_LIST_TTL_MS = 60_000;

/** A connected client of the SDK as a connection of the port. */
export class McpConnection implements Connection {
  readonly era: Era;
  readonly server: ServerInfo | undefined;
  readonly maxConcurrency: number;
  readonly stateful: boolean;
  readonly closed: AbortSignal;
  /** What the server answered to the question for its era, if it is a modern one. */
  readonly discover: JsonObject | undefined;
  readonly #sessionHeld: boolean;
  readonly #client: Client;
  readonly #sdkCaller: SdkCaller;
  readonly #caller: ModernCaller | undefined;
  readonly #feed: ChangeFeed | undefined;
  readonly #options: McpConnectionOptions;
  readonly #closing = new AbortController();
  readonly #schemas = createSchemaChecker();
  /** What is still said to the server although nobody waits for it. */
  readonly #background = new Set<Promise<void>>();
  #closed: Promise<void> | undefined;
  #checkingEra: Promise<void> | undefined;

  constructor(client: Client, inputs: LegacyInputs, options: McpConnectionOptions) {
    this.era = client.getProtocolEra() === "modern" ? "modern" : "legacy";
    this.server = toServerInfo(client.getServerVersion());
    this.maxConcurrency = this.era === "legacy" ? LEGACY_CONCURRENCY : Infinity;
    // A modern server may send a session's id too, but nothing depends on it.
    this.#sessionHeld = this.era === "legacy" && client.transport?.sessionId !== undefined;
    this.stateful = options.ownsServer === true || this.#sessionHeld;
    this.closed = this.#closing.signal;
    this.discover = client.getDiscoverResult() as JsonObject | undefined;
    this.#client = client;
    const { handlers, clock } = options;
    this.#sdkCaller = new SdkCaller(client, { era: this.era, inputs, handlers, clock });
    const version = client.getNegotiatedProtocolVersion();
    this.#caller = this.era === "modern" && version !== undefined
      ? options.createCaller?.(version)
      : undefined;
    const tellsChanges = client.getServerCapabilities()?.tools?.listChanged === true;
    if (this.era === "modern" && tellsChanges && options.feed !== undefined) {
      this.#feed = new ChangeFeed(client, options.feed);
    }
    this.#options = options;
    client.onclose = () => this.#closing.abort();
  }

  async describe(options: ConnectionOptions): Promise<OperationList> {
    if (this.#feed !== undefined) await abortable(this.#feed.ready(), options.signal);
    const capabilities = this.#client.getServerCapabilities();
    const list = await this.#run<ListToolsResult>(
      // The SDK would write on the console that there is nothing to ask for.
      async (limits) =>
        capabilities?.tools === undefined
          ? { tools: [] }
          : await this.#client.listTools(undefined, { ...limits, cacheMode: "bypass" }),
      options,
      { act: "ask", effect: "safe" },
    );
    const ttlMs = this.era === "legacy" ? LEGACY_LIST_TTL_MS : toTtlMs(list["ttlMs"]);
    const tools = list.tools.map(toDescriptor);
    return { operations: [...tools, ...describeMethods(capabilities, tools)], ttlMs };
  }

  validate(operation: OperationDescriptor, args: JsonObject): readonly ArgumentIssue[] {
    return this.#schemas.check(operation.inputSchema, args);
  }

  async execute(request: ExecutionRequest, options: AttemptOptions): Promise<ConnectionResult> {
    this.#feed?.touch();
    try {
      return await this.#call(request, options);
    } catch (error) {
      if (!isClientError(error) || !isHeaderMismatch(error.cause)) throw error;
      // The server wants headers that the tool's definition here does not ask for. It has refused
      // the call, so it may be sent again as a fresh definition says.
      const { operations } = await this.describe(options).catch((failure) => {
        if (!isClientError(failure)) throw failure;
        throw concludeError(failure, { effect: request.effect, delivery: "not_executed" });
      });
      const operation = operations.find(({ name }) => name === request.operation.name);
      if (operation === undefined) throw error;
      return await this.#call({ ...request, operation }, options);
    }
  }

  async #call(request: ExecutionRequest, options: AttemptOptions): Promise<ConnectionResult> {
    const { operation, effect } = request;
    const method = findMethod(operation);
    if (method === undefined) {
      const answer = toResult(await this.#send(request, options));
      this.#checkResult(operation, answer, effect);
      return answer;
    }
    // What was answered on the way to the first page is not for those after it.
    const { answered: _, ...plain } = request;
    const ask = (cursor?: string): Promise<JsonObject> =>
      this.#send(cursor === undefined ? request : { ...plain, arguments: { cursor } }, options);
    const { items } = method;
    return toMethodResult(method, await (items ? readPages({ items, effect, ask }) : ask()));
  }

  #send(request: ExecutionRequest, options: AttemptOptions): Promise<JsonObject> {
    const { operation, effect } = request;
    const ofResource = findMethod(operation)?.namedBy === "uri";
    let progress = 0;
    const onProgress = (report: ProgressReport): void => {
      progress = report.progress;
      options.onProgress(report);
    };
    const told = { ...options, onProgress };
    const work = async (limits: Limits): Promise<JsonObject> => {
      const result = this.#caller === undefined
        ? await this.#sdkCaller.call(request, told, limits)
        : await this.#caller.call(request, told);
      if (result["resultType"] !== "task") return result;
      const task = readTask(result);
      if (task === undefined) throw new WireFault({ kind: "invalid_result" });
      const follower = this.#createFollower({ taskId: task.taskId }, request, options, progress);
      options.onDefer?.(follower.state);
      return await follower.follow(task);
    };
    return this.#run(work, options, { act: "call", effect, ofResource });
  }

  async resume(
    state: JsonObject,
    request: ExecutionRequest,
    options: AttemptOptions,
  ): Promise<ConnectionResult> {
    const { operation, effect } = request;
    const work = async () => await this.#createFollower(state, request, options).follow();
    const answer = toResult(await this.#run(work, options, { act: "call", effect }));
    this.#checkResult(operation, answer, effect);
    return answer;
  }

  #createFollower(
    state: JsonObject,
    request: ExecutionRequest,
    options: AttemptOptions,
    progress?: number,
  ): TaskFollower {
    const { handlers, clock, random } = this.#options;
    return new TaskFollower(state, {
      ...{ request, options, handlers, clock, random, closed: this.closed },
      ask: (method, params, options) => {
        const meta = { ...request.trace };
        return this.#run(
          (limits) =>
            this.#caller?.askAboutTask(method, params, meta, options) ??
              this.#sdkCaller.ask(method, params, meta, limits),
          options,
          { act: "ask", effect: "safe" },
        );
      },
      background: (work) => {
        this.#background.add(work);
        void work.then(() => this.#background.delete(work));
      },
    }, progress);
  }

  async check(options: ConnectionOptions): Promise<void> {
    await this.#run((limits) => this.#ask(limits), options, { act: "ask", effect: "safe" });
  }

  close(): Promise<void> {
    return this.#closed ??= this.#close();
  }

  async #close(): Promise<void> {
    this.#closing.abort();
    this.#feed?.close();
    await Promise.all(this.#background);
    await Promise.all([this.#caller?.close(), this.#options.endSession?.()]);
    await this.#client.close().catch(() => {});
  }

  async #run<T>(
    work: (limits: Limits) => Promise<T>,
    { signal, deadline }: ConnectionOptions,
    context: Omit<FailureContext, "treat503AsNotExecuted">,
  ): Promise<T> {
    signal.throwIfAborted();
    if (this.closed.aborted) {
      const message = "The connection was closed before the request was sent";
      throw createClientError("connection_lost", message, {
        delivery: "not_sent",
        effect: context.effect,
        health: "none",
      });
    }
    const limits: Limits = {
      signal,
      get timeout() {
        return toTimeoutMs(deadline);
      },
    };
    try {
      const answer = await work(limits);
      if (!this.stateful && this.era === "legacy" && this.#options.isEraOutdated?.()) {
        this.#closing.abort();
      }
      return answer;
    } catch (error) {
      if (this.#sessionHeld && isSessionInDoubt(error)) await this.#checkSession(limits);
      if (signal.aborted) throw signal.reason;
      const { treat503AsNotExecuted, onEraChange } = this.#options;
      const failure = toFailure(error, { ...context, treat503AsNotExecuted });
      const version = this.#client.getNegotiatedProtocolVersion();
      const inDoubt = onEraChange !== undefined && isEraInDoubt(error, this.era);
      if (failure.code === "session_lost" || isVersionRefused(error, version)) {
        this.#closing.abort();
      } else if (inDoubt && !this.closed.aborted) {
        await (this.#checkingEra ??= this.#checkEra(limits.timeout, onEraChange));
        if (signal.aborted) throw signal.reason;
      }
      const ended = this.closed.aborted && this.#closed === undefined;
      const mayPass = inDoubt && isOfOtherEra(error, this.era);
      if (mayPass || (ended && (inDoubt || context.act === "ask"))) {
        // Another replica, or the connection that comes next, takes what this one does not.
        throw concludeError(failure, { effect: context.effect, temporary: true });
      }
      // What ended with this end of the connection says nothing of the other.
      throw this.#closed === undefined
        ? failure
        : concludeError(failure, { effect: context.effect, health: "none" });
    }
  }

  /** The code alone proves nothing; a session that cannot even be pinged is lost. */
  async #checkSession(limits: Limits): Promise<void> {
    try {
      await this.#client.ping(limits);
    } catch (error) {
      const { treat503AsNotExecuted } = this.#options;
      const { code } = toFailure(error, { act: "ask", effect: "safe", treat503AsNotExecuted });
      if (isSessionInDoubt(error) || code === "session_lost") this.#closing.abort();
    }
  }

  /** Ends the connection if the server does not take what every server of its era answers. */
  async #checkEra(timeout: number, onEraChange: () => void): Promise<void> {
    try {
      await this.#ask({ timeout });
    } catch (error) {
      const { treat503AsNotExecuted } = this.#options;
      if (isRefusal(toFailure(error, { act: "ask", effect: "safe", treat503AsNotExecuted }))) {
        onEraChange();
        this.#closing.abort();
      }
    } finally {
      this.#checkingEra = undefined;
    }
  }

  #ask(limits: Partial<Limits>): Promise<unknown> {
    return this.era === "modern" ? this.#client.discover(limits) : this.#client.ping(limits);
  }

  #checkResult(
    operation: OperationDescriptor,
    { status, structuredContent }: ConnectionResult,
    effect: FailureContext["effect"],
  ): void {
    if (operation.outputSchema === undefined || status === "error") return;
    const matches = structuredContent !== undefined &&
      this.#schemas.check(operation.outputSchema, structuredContent).length === 0;
    if (!matches) throw toClientError({ kind: "invalid_result" }, { effect });
  }
}

/** The SDK sets a timer for every request; the deadline is the one that makes sense. */
export function toTimeoutMs(deadline: Deadline): number {
  return Math.min(Math.ceil(deadline.remainingMs()), MAX_TIMER_MS);
}
