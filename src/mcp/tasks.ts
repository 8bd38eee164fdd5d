import { ProtocolError, type Result } from "@modelcontextprotocol/client";
import type {
  AttemptOptions,
  ConnectionOptions,
  ExecutionRequest,
  JsonObject,
} from "../client/ports.ts";
import { concludeError } from "../errors/conclude.ts";
import { type ClientError, createClientError, isClientError } from "../errors/errors.ts";
import { drawBackoffMs } from "../resilience/backoff.ts";
import type { Clock } from "../resilience/clock.ts";
import { Deadline } from "../resilience/deadline.ts";
import { answerInputs } from "./answer_inputs.ts";
import { WireFault } from "./failure.ts";
import type { InputHandlers } from "./input.ts";
import { toMessage } from "./message.ts";

/** What servers are told so that they may answer a call with a task. */
export const TASK_CAPABILITIES = { extensions: { "io.modelcontextprotocol/tasks": {} } } as const;

/** A task as its server tells it (extension `io.modelcontextprotocol/tasks`, revision 2026-07-28). */
export interface Task {
  readonly taskId: string;
  readonly status: string;
  readonly statusMessage?: unknown;
  readonly lastUpdatedAt?: unknown;
  readonly pollIntervalMs?: unknown;
  /** What it asks for; a question may still be in it after it was answered. */
  readonly inputRequests?: unknown;
  /** What the call would have been answered with. */
  readonly result?: unknown;
  /** The JSON-RPC error that the call would have been answered with. */
  readonly error?: unknown;
}

/** What the follower of a task needs. */
export interface TaskContext {
  /** The call that was answered with the task, or what is left of it. */
  readonly request: ExecutionRequest;
  readonly options: AttemptOptions;
  readonly handlers: InputHandlers;
  readonly clock: Clock;
  readonly random: () => number;
  /** Aborted once the connection can carry nothing any more. */
  readonly closed: AbortSignal;
  /** Makes one request about the task; rejects with a `ClientError` or the signal's reason. */
  readonly ask: (
    method: string,
    params: JsonObject & { readonly taskId: string },
    options: ConnectionOptions,
  ) => Promise<Result>;
  /** Takes work that goes on after the caller has left; it never rejects. */
  readonly background: (work: Promise<void>) => void;
}

/** How often a server is asked that does not say how often it wants to be, in milliseconds. */
const POLL_MS = 1_000;
/** The bounds of what a server may say. */
const MIN_POLL_MS = 100;
const MAX_POLL_MS = 60_000;
/** How long before the deadline a server is asked that wants to be asked after it. */
const LAST_LOOK_MS = 1_000;
/** How long the caller's leaving may take to reach the server. */
const CANCEL_MS = 2_000;
const THROTTLED_BASE_MS = 1_000;

/** Answers by their keys, for which nobody is asked twice although their arrival may be open. */
class TaskAnswers {
  readonly responses: Readonly<Record<string, JsonObject>>;

  constructor(responses: Readonly<Record<string, JsonObject>>) {
    this.responses = responses;
  }
}

/** Whether a request was answered with a task, as only a call of a tool may be. */
export function isTaskOf(method: string, result: Result): boolean {
  return method === "tools/call" && result["resultType"] === "task";
}

/** Reads a task; `undefined` if it is none. */
export function readTask(value: unknown): Task | undefined {
  const { taskId, status } = Object(value);
  const isTask = typeof taskId === "string" && taskId !== "" && typeof status === "string";
  return isTask ? value as Task : undefined;
}

/**
 * Follows one task to its end: asks how it is, answers what it asks for, and tells it if nobody wants
 * its result any more. It never makes the call that the task came from.
 */
export class TaskFollower {
  readonly #context: TaskContext;
  readonly #taskId: string;
  readonly #answered: Set<string>;
  /** Ends what is waited for: the caller has left, or the connection is closed. */
  readonly #end = new AbortController();
  #progress: number;
  #seen: string | undefined;
  #cancelled = false;

  /**
   * @param state What the task is resumed by, as {@linkcode AttemptOptions.onDefer} was told.
   * @param progress How far the call had reported before it became a task.
   * @throws {ClientError} If the state is none of a task.
   */
  constructor(state: JsonObject, context: TaskContext, progress = 0) {
    const { taskId, answered = [] } = state;
    if (typeof taskId !== "string" || taskId === "" || !Array.isArray(answered)) {
      const message = `What is to resume '${context.request.operation.name}' is of no MCP task`;
      throw createClientError("protocol_error", message, { health: "none" });
    }
    this.#taskId = taskId;
    this.#answered = new Set(answered.map(String));
    this.#context = context;
    this.#progress = progress;
  }

  /** What the task is resumed by. */
  get state(): JsonObject {
    return { taskId: this.#taskId, answered: [...this.#answered] };
  }

  /**
   * Follows the task.
   *
   * @param task The task as it is known; without it the server is asked at once.
   * @returns The result of the call.
   * @throws {ClientError} What became of the task, or why nobody can know.
   * @throws {WireFault} If the task failed, or what the server says makes no sense.
   * @throws The reason of the signal.
   */
  async follow(task?: Task): Promise<JsonObject> {
    const { options: { signal }, closed } = this.#context;
    const leave = (): void => this.#end.abort(signal.reason);
    const lose = (): void => this.#end.abort(closed.reason);
    signal.addEventListener("abort", leave, { once: true });
    closed.addEventListener("abort", lose, { once: true });
    try {
      if (signal.aborted) leave();
      else if (closed.aborted) lose();
      return await this.#follow(task);
    } catch (error) {
      if (signal.aborted) {
        this.#cancel();
        throw signal.reason;
      }
      throw closed.aborted ? this.#toLoss(error) : error;
    } finally {
      signal.removeEventListener("abort", leave);
      closed.removeEventListener("abort", lose);
    }
  }

  async #follow(known: Task | undefined): Promise<JsonObject> {
    const { clock } = this.#context;
    for (let task = known ?? await this.#get();; task = await this.#get()) {
      switch (task.status) {
        case "completed":
          return this.#toResult(task.result);
        case "failed":
          throw toFault(task.error);
        case "cancelled":
          throw this.#toError("The server cancelled the operation", { delivery: "executed" });
      }
      this.#report(task);
      await this.#answer(task);
      await clock.sleep(this.#pollMs(task), this.#end.signal);
    }
  }

  #toResult(value: unknown): JsonObject {
    const result = Object(value);
    if (toMessage(this.#context.request).isResult(result)) return result;
    throw new WireFault({ kind: "invalid_result" });
  }

  /** Asks how the task is. */
  async #get(): Promise<Task> {
    const { effect } = this.#context.request;
    return await this.#insist(async () => {
      const task = readTask(await this.#ask("tasks/get"));
      if (task !== undefined) return task;
      const message = "The server's answer is not an answer to this request";
      throw createClientError("protocol_error", message, { effect, temporary: true });
    });
  }

  /** Answers what the task asks for and has not been answered yet. */
  async #answer({ status, inputRequests }: Task): Promise<void> {
    if (status !== "input_required") return;
    const { options: { onAsk, onDefer } } = this.#context;
    const open = Object.entries(Object(inputRequests)).filter(([key]) => !this.#answered.has(key));
    if (open.length === 0) return;
    const answering = this.#toAnswers(open);
    onAsk?.(answering);
    let inputResponses: TaskAnswers["responses"];
    try {
      inputResponses = (await answering).responses;
    } catch (error) {
      // It would wait for the answer for ever.
      if (!this.#end.signal.aborted) this.#cancel();
      throw error;
    }
    await this.#insist(() => this.#ask("tasks/update", { inputResponses }));
    for (const [key] of open) this.#answered.add(key);
    onDefer?.(this.state);
  }

  /** Takes the answers of an earlier attempt, and has the other questions answered. */
  async #toAnswers(open: readonly [string, unknown][]): Promise<TaskAnswers> {
    const { handlers, request: { operation, effect, answered } } = this.#context;
    const known = answered instanceof TaskAnswers ? answered.responses : {};
    const responses: Record<string, JsonObject> = {};
    const unknown: Record<string, unknown> = {};
    for (const [key, question] of open) {
      const response = Object.hasOwn(known, key) ? known[key] : undefined;
      if (response === undefined) unknown[key] = question;
      else responses[key] = response;
    }
    const context = { handlers, operation: operation.name, effect, signal: this.#end.signal };
    return new TaskAnswers({ ...responses, ...await answerInputs(unknown, context) });
  }

  /** Asks until there is an answer: nothing that is asked here does anything twice. */
  async #insist<T>(ask: () => Promise<T>): Promise<T> {
    const { clock } = this.#context;
    for (let failures = 1;; failures++) {
      try {
        return await ask();
      } catch (error) {
        if (this.#end.signal.aborted || !isClientError(error)) throw error;
        if (!error.temporary || error.code === "deadline_exceeded") throw this.#toFinal(error);
        await clock.sleep(this.#drawWaitMs(error, failures), this.#end.signal);
      }
    }
  }

  #ask(method: string, params: JsonObject = {}): Promise<Result> {
    const { ask, options: { deadline } } = this.#context;
    const { signal } = this.#end;
    return ask(method, { ...params, taskId: this.#taskId }, { signal, deadline });
  }

  /** Tells the server that nobody wants the result any more; nobody waits for what it says to that. */
  #cancel(): void {
    if (this.#cancelled) return;
    this.#cancelled = true;
    const { ask, background, clock } = this.#context;
    const deadline = Deadline.after(CANCEL_MS, clock);
    const { signal } = new AbortController();
    const asked = ask("tasks/cancel", { taskId: this.#taskId }, { signal, deadline });
    background(asked.then(() => {}, () => {}));
  }

  /** Tells changes as progress: a task has no other. */
  #report({ status, statusMessage, lastUpdatedAt }: Task): void {
    const seen = JSON.stringify([status, statusMessage, lastUpdatedAt]);
    if (seen === this.#seen) return;
    this.#seen = seen;
    const told = typeof statusMessage === "string" ? statusMessage : status;
    // Whoever reads the progress of an execution may not be who may ask for its result.
    const message = told.replaceAll(this.#taskId, "…");
    this.#progress = Math.floor(this.#progress) + 1;
    this.#context.options.onProgress({ progress: this.#progress, message });
  }

  #pollMs({ pollIntervalMs }: Task): number {
    const askedMs = typeof pollIntervalMs === "number"
      ? Math.min(Math.max(pollIntervalMs, MIN_POLL_MS), MAX_POLL_MS)
      : POLL_MS;
    const lastLookMs = this.#context.options.deadline.remainingMs() - LAST_LOOK_MS;
    return lastLookMs < MIN_POLL_MS ? askedMs : Math.min(askedMs, lastLookMs);
  }

  #drawWaitMs({ code, retryAfterMs }: ClientError, failures: number): number {
    const { random } = this.#context;
    if (retryAfterMs !== undefined) {
      return retryAfterMs + random() * Math.min(1_000, retryAfterMs / 2);
    }
    const throttled = code === "rate_limited" && { baseDelayMs: THROTTLED_BASE_MS };
    return drawBackoffMs(failures, { ...throttled }, random);
  }

  /** Says what it means for the operation that the server does not tell how its task is. */
  #toFinal(error: ClientError): ClientError {
    switch (error.code) {
      case "deadline_exceeded":
        this.#cancel();
        break;
      case "invalid_arguments":
      case "operation_failed":
      case "operation_not_found":
        return this.#toError("The server does not know any more what became of the operation", {
          cause: error,
        });
    }
    // What refuses the question proves nothing about the operation.
    const { effect } = this.#context.request;
    return concludeError(error, { effect, delivery: "unknown" });
  }

  #toLoss(cause: unknown): ClientError {
    const message = "The connection was closed before the operation had ended";
    const { effect } = this.#context.request;
    return createClientError("connection_lost", message, { effect, health: "none", cause });
  }

  #toError(
    message: string,
    { delivery = "unknown", cause }: { delivery?: "unknown" | "executed"; cause?: unknown },
  ): ClientError {
    const { effect } = this.#context.request;
    const isOpen = delivery === "unknown";
    const code = isOpen && effect === "unsafe" ? "outcome_unknown" : "operation_failed";
    // Who may repeat the operation may do so: there will be no other answer.
    const temporary = code === "operation_failed" && isOpen;
    return createClientError(code, message, { effect, delivery, temporary, cause });
  }
}

/** A failed task is a call that was answered with an error, except that it has run. */
function toFault(error: unknown): WireFault {
  const { code = -32603, message = "", data } = Object(error);
  const cause = ProtocolError.fromError(Number(code), String(message), data);
  return new WireFault({ kind: "rpc", code: cause.code }, cause, "executed");
}
