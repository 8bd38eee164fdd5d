import { abortable } from "../client/abort.ts";
import type {
  AttemptOptions,
  ConnectionResult,
  ContentBlock,
  ExecutionRequest,
  JsonValue,
} from "../client/ports.ts";
import { type Evidence, toClientError } from "../errors/classify.ts";
import type { Effect } from "../errors/delivery.ts";
import { createClientError, isClientError } from "../errors/errors.ts";
import { notify } from "../errors/notify.ts";
import type { ProgressReport } from "../progress/events.ts";
import { readChunks } from "./body.ts";
import type { Endpoint } from "./endpoint.ts";
import { EventParser, EventTooLongError, type ServerSentEvent } from "./events.ts";
import { isRecord, parseJson, problemToError } from "./problem.ts";

/** An event of an execution as the endpoint told it. */
export interface EdgeEvent {
  /** The operation that the execution runs. */
  readonly operation: string;
  /** `execution`, `attempt`, `progress`, `gap`, `result`, `error`, or one that is newer than this. */
  readonly type: string;
  /** What the event holds, as the endpoint's HTTP API defines it. */
  readonly data: JsonValue;
}

/** The endpoint sends something every 12 s at least; after two beats and a half it is gone. */
const SILENCE_MS = 30_000;
/** How often in a row a broken stream is taken up again without getting further. */
const MAX_RESUMES = 5;
/** How long an abandoned request may take to tell which execution is to be cancelled. */
const ABANDON_MS = 5_000;
/** The longest wait before a stream is taken up again, whatever the endpoint asks for. */
const MAX_RESUME_WAIT_MS = 10_000;
/** The share of the remaining time, and the most of it, that is kept for the endpoint's answer. */
const ANSWER_RATIO = 0.1;
const MAX_ANSWER_MS = 250;

/** What the runs of one connection share. */
export interface RunContext {
  readonly endpoint: Endpoint;
  readonly group: string;
  /** The longest time that the endpoint grants an operation, as far as it has said. */
  readonly maxTimeoutMs: (operation: string) => number;
  readonly onEvent: ((event: EdgeEvent) => void) | undefined;
  /** Takes work that goes on after the caller has left. */
  readonly background: (work: Promise<unknown>) => void;
  /** Ends every run at once. */
  readonly closed: AbortSignal;
}

/** Throws if the caller has left or the connection is closed: then nothing may be sent any more. */
export function checkOpen(closed: AbortSignal, signal: AbortSignal, effect: Effect): void {
  signal.throwIfAborted();
  if (!closed.aborted) return;
  const facts = { delivery: "not_sent", effect, health: "none" } as const;
  throw createClientError("connection_lost", "The connection is closed", facts);
}

/**
 * Runs one execution on the endpoint and follows its events to the last. A stream that breaks is
 * taken up again where it broke; an abort cancels the execution on the endpoint too.
 */
export async function runOnEndpoint(
  context: RunContext,
  request: ExecutionRequest,
  options: AttemptOptions,
): Promise<ConnectionResult> {
  const { signal } = options;
  checkOpen(context.closed, signal, request.effect);
  const run = new EdgeRun(context, request, options);
  const following = run.follow();
  context.background(following);
  const abandon = (): void => run.abandon();
  signal.addEventListener("abort", abandon, { once: true });
  try {
    return await abortable(following, signal);
  } finally {
    signal.removeEventListener("abort", abandon);
  }
}

class EdgeRun {
  readonly #context: RunContext;
  readonly #request: ExecutionRequest;
  readonly #options: AttemptOptions;
  /** Ends the reading. Not the caller's signal: an abandoned request must still tell its id. */
  readonly #link = new AbortController();
  #executionId: string | undefined;
  #lastEventId = "";
  #retryMs = 1_000;
  #undoAbandon: (() => void) | undefined;

  constructor(context: RunContext, request: ExecutionRequest, options: AttemptOptions) {
    this.#context = context;
    this.#request = request;
    this.#options = options;
  }

  async follow(): Promise<ConnectionResult> {
    const { closed } = this.#context;
    const close = (): void => this.abandon();
    closed.addEventListener("abort", close, { once: true });
    try {
      let response: Response | undefined = await this.#start();
      for (let resumes = 0;;) {
        const before = this.#lastEventId;
        const result = response && await this.#read(response);
        if (result !== undefined) return result;
        if (this.#lastEventId !== before) resumes = 0;
        if (this.#executionId === undefined || resumes++ === MAX_RESUMES) throw this.#lost();
        await this.#context.endpoint.clock.sleep(this.#retryMs, this.#link.signal);
        response = await this.#resume(this.#executionId);
      }
    } finally {
      closed.removeEventListener("abort", close);
      this.#undoAbandon?.();
    }
  }

  /** The caller has left, or the connection is closed: cancels the execution, as soon as its id is known. */
  abandon(): void {
    if (this.#executionId !== undefined) return this.#cancel(this.#executionId);
    const { clock } = this.#context.endpoint;
    const timedOut = (): Error => this.#error({ kind: "no_answer", timedOut: true });
    this.#undoAbandon = clock.setTimer(ABANDON_MS, () => this.#link.abort(timedOut()));
  }

  #start(): Promise<Response> {
    const { operation, arguments: args, effect, trace } = this.#request;
    const remainingMs = this.#options.deadline.remainingMs();
    const ownMs = remainingMs - Math.min(MAX_ANSWER_MS, remainingMs * ANSWER_RATIO);
    const timeoutMs = Math.floor(Math.min(ownMs, this.#context.maxTimeoutMs(operation.name)));
    const body = JSON.stringify(args);
    this.#options.onSend?.(body.length);
    return this.#context.endpoint.send({
      method: "POST",
      path: ["v1", "groups", this.#context.group, "operations", operation.name],
      headers: {
        "accept": "text/event-stream",
        "content-type": "application/json",
        // A lost network must not cost the execution: it is followed again, or cancelled by its id.
        "automcp-on-disconnect": "detach",
        // Browsers send a POST again on their own when a kept-alive connection breaks.
        "automcp-request-id": crypto.randomUUID(),
        ...(timeoutMs < Infinity && { "automcp-timeout-ms": String(Math.max(1, timeoutMs)) }),
        ...(trace !== undefined && { traceparent: trace.traceparent }),
        ...(trace?.tracestate !== undefined && { tracestate: trace.tracestate }),
      },
      body,
      effect,
      signal: this.#link.signal,
    });
  }

  /** Asks for the events after the last one; `undefined` if that is worth another try. */
  async #resume(executionId: string): Promise<Response | undefined> {
    try {
      return await this.#context.endpoint.send({
        method: "GET",
        path: ["v1", "executions", executionId, "events"],
        headers: { "accept": "text/event-stream", "last-event-id": this.#lastEventId },
        effect: "safe",
        signal: this.#link.signal,
      });
    } catch (error) {
      if (isClientError(error) && error.temporary) return undefined;
      // Why the stream cannot be taken up again says nothing of what became of the execution.
      throw this.#link.signal.aborted ? error : this.#lost(error);
    }
  }

  /** Reads a stream; `undefined` if it ends before the last event. */
  async #read(response: Response): Promise<ConnectionResult | undefined> {
    const type = response.headers.get("content-type") ?? "";
    if (response.body === null || !/^text\/event-stream\s*(;|$)/i.test(type)) {
      await response.body?.cancel().catch(() => {});
      throw this.#error({ kind: "unusable_answer" });
    }
    const { clock } = this.#context.endpoint;
    const silence = new AbortController();
    const hush = (): () => void => clock.setTimer(SILENCE_MS, () => silence.abort());
    let undo = hush();
    const parser = new EventParser();
    try {
      const signal = AbortSignal.any([this.#link.signal, silence.signal]);
      for await (const chunk of readChunks(response.body, signal)) {
        undo();
        undo = hush();
        for (const event of parser.push(chunk)) {
          const result = this.#take(event);
          if (result !== undefined) return result;
        }
        this.#retryMs = Math.min(parser.retryMs ?? this.#retryMs, MAX_RESUME_WAIT_MS);
      }
    } catch (error) {
      if (this.#link.signal.aborted || isClientError(error)) throw error;
      if (error instanceof EventTooLongError) throw this.#error({ kind: "too_large" }, error);
    } finally {
      undo();
    }
    return undefined;
  }

  /** Takes an event; returns the result if it is the last one. */
  #take(event: ServerSentEvent): ConnectionResult | undefined {
    this.#lastEventId = event.lastEventId;
    const data = parseJson(event.data);
    if (data !== undefined) {
      const operation = this.#request.operation.name;
      notify(this.#context.onEvent, { operation, type: event.type, data: data as JsonValue });
    }
    switch (event.type) {
      case "execution":
        if (!isRecord(data) || typeof data.id !== "string") return undefined;
        this.#executionId = data.id;
        if (this.#options.signal.aborted || this.#context.closed.aborted) this.#cancel(data.id);
        return undefined;
      case "progress": {
        const report = toReport(data);
        if (report !== undefined) this.#options.onProgress(report);
        return undefined;
      }
      case "result": {
        const result = toResult(data);
        if (result === undefined) throw this.#error({ kind: "invalid_result" });
        return result;
      }
      case "error":
        throw problemToError(data, this.#request.effect) ??
          this.#error({ kind: "unusable_answer" });
      default:
        return undefined;
    }
  }

  #cancel(executionId: string): void {
    this.#link.abort(this.#lost());
    const { endpoint, background } = this.#context;
    const timeout = new AbortController();
    const undo = endpoint.clock.setTimer(ABANDON_MS, () => timeout.abort());
    const path = ["v1", "executions", executionId];
    background(
      endpoint.send({ method: "DELETE", path, effect: "idempotent", signal: timeout.signal })
        .then((response) => response.body?.cancel())
        .finally(undo),
    );
  }

  /** The stream is lost; that it had begun is a sign of life. */
  #lost(cause?: unknown): Error {
    return this.#error({ kind: "no_answer", headReceived: true }, cause);
  }

  #error(evidence: Evidence, cause?: unknown): Error {
    return toClientError(evidence, {
      effect: this.#request.effect,
      ...(cause !== undefined && { cause }),
    });
  }
}

function toReport(data: unknown): ProgressReport | undefined {
  if (!isRecord(data) || typeof data.progress !== "number") return undefined;
  const { progress, total, message } = data;
  return {
    progress,
    ...(typeof total === "number" && { total }),
    ...(typeof message === "string" && { message }),
  };
}

function toResult(data: unknown): ConnectionResult | undefined {
  if (!isRecord(data) || !Array.isArray(data.content) || !data.content.every(isBlock)) return;
  const { status, content, structuredContent } = data;
  if (status !== "success" && status !== "error") return undefined;
  return {
    status,
    content,
    ...(structuredContent !== undefined && { structuredContent: structuredContent as JsonValue }),
  };
}

function isBlock(block: unknown): block is ContentBlock {
  return isRecord(block) && typeof block.type === "string";
}
