import { isSpecType } from "@modelcontextprotocol/client";
import { abortable } from "../client/abort.ts";
import type { JsonObject, JsonValue } from "../client/ports.ts";
import { toClientError } from "../errors/classify.ts";
import type { Effect } from "../errors/delivery.ts";
import { type ClientError, createClientError, type InputQuestion } from "../errors/errors.ts";
import { cutMessage } from "../progress/message.ts";
import type { InputContext, InputHandler, InputHandlers } from "./input.ts";
import { createSchemaChecker } from "./validate.ts";

/** What answering needs. */
export interface AnswerContext extends InputContext {
  readonly handlers: InputHandlers;
  /** What repeating the operation does. */
  readonly effect: Effect;
}

/** One question, and who answers it. */
interface Question {
  readonly key: string;
  readonly method: string;
  readonly params: JsonObject;
  readonly kind: keyof InputHandlers | undefined;
}

/**
 * Has everything answered that a server asked for at once, all of it at the same time; nothing of it
 * if one question has no handler.
 *
 * @param requests What was asked, by the server's keys: method and parameters, as they came.
 * @returns MCP's results, by the same keys.
 * @throws {ClientError} `operation_failed` if there is no handler or a handler throws,
 * `invalid_result` if something that was asked is malformed.
 * @throws The signal's reason, as soon as it is aborted; the handlers are told.
 */
export async function answerInputs(
  requests: Readonly<Record<string, unknown>>,
  context: AnswerContext,
): Promise<Record<string, JsonObject>> {
  const { handlers, effect, signal } = context;
  signal.throwIfAborted();
  const questions: Question[] = [];
  for (const [key, request] of Object.entries(requests)) {
    const question = readQuestion(key, request);
    if (question === undefined) throw toClientError({ kind: "invalid_result" }, { effect });
    questions.push(question);
  }
  if (questions.some(({ kind }) => kind === undefined || handlers[kind] === undefined)) {
    throw toUnanswered(questions, effect);
  }
  // The first failure ends the other handlers, too.
  const round = new AbortController();
  const stop = (): void => round.abort(signal.reason);
  signal.addEventListener("abort", stop, { once: true });
  try {
    const answering = questions.map(async (question) =>
      [question.key, await ask(question, { ...context, signal: round.signal })] as const
    );
    return Object.fromEntries(await abortable(Promise.all(answering), signal));
  } catch (error) {
    round.abort(error);
    throw error;
  } finally {
    signal.removeEventListener("abort", stop);
  }
}

/** Returns a question as it came; `undefined` if it is malformed. */
function readQuestion(key: string, request: unknown): Question | undefined {
  const { method, params = {} } = Object(request);
  if (typeof method !== "string" || !isObject(params)) return undefined;
  const kind = kindOf(method, params);
  const wellFormed = kind === undefined || isWellFormed(kind, params);
  return wellFormed ? { key, method, params, kind } : undefined;
}

function kindOf(method: string, params: JsonObject): keyof InputHandlers | undefined {
  const { mode, tools, toolChoice } = params;
  switch (method) {
    case "elicitation/create":
      // Revisions before 2025-11-25 know no mode.
      return mode === undefined || mode === "form" ? "form" : mode === "url" ? "url" : undefined;
    case "sampling/createMessage":
      // Tools are a capability of their own, which is not offered.
      return tools === undefined && toolChoice === undefined ? "sampling" : undefined;
    case "roots/list":
      return "roots";
  }
  return undefined;
}

function isWellFormed(kind: keyof InputHandlers, params: JsonObject): boolean {
  switch (kind) {
    case "form":
      return typeof params["message"] === "string" && isObject(params["requestedSchema"]);
    case "url":
      return typeof params["message"] === "string" && URL.canParse(String(params["url"]));
    case "sampling":
      return Array.isArray(params["messages"]) && typeof params["maxTokens"] === "number";
    case "roots":
      return true;
  }
}

async function ask(
  { kind, params }: Question,
  { handlers, operation, effect, signal }: AnswerContext,
): Promise<JsonObject> {
  try {
    const handler = handlers[kind!] as InputHandler<unknown, unknown>;
    return toResult(kind!, params, await handler(params, { operation, signal }));
  } catch (cause) {
    throw createClientError(
      "operation_failed",
      "The operation asked for input, and the handler that was to answer failed",
      { delivery: "executed", effect, cause },
    );
  }
}

/** Returns what a handler answered as MCP's result. */
function toResult(kind: keyof InputHandlers, params: JsonObject, answer: unknown): JsonObject {
  if (kind === "sampling" && isSpecType.CreateMessageResult(answer)) return answer as JsonObject;
  if (kind === "roots" && isSpecType.ListRootsResult(answer)) return answer as JsonObject;
  const { action, content = {} } = Object(answer);
  if ((kind === "form" || kind === "url") && ACTIONS.has(action) && isObject(content)) {
    return kind === "url" || action !== "accept"
      ? { action }
      : { action, content: complete(params["requestedSchema"] as JsonObject, content) };
  }
  throw new TypeError(`Cannot answer as what the handler '${kind}' returns must be its answer`);
}

const ACTIONS: ReadonlySet<unknown> = new Set(["accept", "decline", "cancel"]);

/** Fills in the defaults of a form. */
function complete(schema: JsonObject, content: JsonObject): JsonObject {
  const defaults = Object.entries(Object(schema["properties"]))
    .filter(([, property]) => Object(property).default !== undefined)
    .map(([name, property]) => [name, Object(property).default as JsonValue]);
  const given = Object.entries(content).filter(([, value]) => value !== undefined);
  const completed: JsonObject = Object.fromEntries([...defaults, ...given]);
  const [issue] = createSchemaChecker().check(schema, completed);
  if (issue === undefined) return completed;
  throw new TypeError(
    `Cannot answer as the content of the form must match its schema: '${issue.pointer}' ${issue.message}`,
  );
}

/** Makes the error of an operation that asks for what nobody here answers. */
function toUnanswered(questions: readonly Question[], effect: Effect): ClientError {
  const methods = [...new Set(questions.map(({ method }) => method))].join(", ");
  return createClientError(
    "operation_failed",
    `The operation asks for input that no handler gives: ${methods}`,
    { delivery: "executed", effect, asked: questions.map(toInputQuestion) },
  );
}

/** Returns what the caller gets to see: of a conversation nothing, as it may be anybody's. */
function toInputQuestion({ method, params }: Question): InputQuestion {
  if (method !== "elicitation/create") return { method };
  const { message, url, requestedSchema } = params;
  return {
    method,
    ...(typeof message === "string" && { message: cutMessage(message) }),
    ...(typeof url === "string" && { url }),
    ...(isObject(requestedSchema) && { requestedSchema }),
  };
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
