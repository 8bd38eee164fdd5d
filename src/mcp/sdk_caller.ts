import {
  type CallToolRequest,
  type Client,
  isJSONRPCResultResponse,
  type JSONRPCMessage,
  ProtocolError,
  type RequestOptions,
  type Result,
  SdkError,
  SdkErrorCode,
  type StandardSchemaV1,
  type Transport,
} from "@modelcontextprotocol/client";
import type { AttemptOptions, Era, ExecutionRequest, JsonObject } from "../client/ports.ts";
import { createClientError } from "../errors/errors.ts";
import type { Clock } from "../resilience/clock.ts";
import type { InputHandlers } from "./input.ts";
import type { LegacyInputs } from "./legacy_inputs.ts";
import { toMessage } from "./message.ts";
import { toParamHeaders } from "./param_headers.ts";
import { toRequestMeta } from "./request_meta.ts";
import { answerRounds, toRoundParams } from "./rounds.ts";
import { isTaskOf } from "./tasks.ts";
import { toReport } from "./tools.ts";

/** What limits one request of the SDK's client. */
export interface Limits {
  readonly signal: AbortSignal;
  /** In milliseconds. */
  readonly timeout: number;
}

/** What a caller needs besides the SDK's client. */
export interface SdkCallerOptions {
  readonly era: Era;
  /** Answers what a server of the legacy era asks. */
  readonly inputs: LegacyInputs;
  readonly handlers: InputHandlers;
  readonly clock: Clock;
}

/** Makes the calls of a connection by the SDK's client: with sessions, and with OAuth. */
export class SdkCaller {
  readonly #client: Client;
  readonly #options: SdkCallerOptions;

  constructor(client: Client, options: SdkCallerOptions) {
    this.#client = client;
    this.#options = options;
  }

  /**
   * Calls an operation.
   *
   * @returns Its result, which the SDK has checked, or a task.
   */
  async call(
    request: ExecutionRequest,
    options: AttemptOptions,
    limits: Limits,
  ): Promise<JsonObject> {
    try {
      return await this.#call(request, options, limits) as JsonObject;
    } catch (error) {
      if (!ProtocolError.isInstance(error) || !(error.data instanceof HiddenTask)) throw error;
      const { result } = error.data;
      if (isTaskOf(toMessage(request).method, result)) return result as JsonObject;
      throw new SdkError(SdkErrorCode.UnsupportedResultType, "Only a tool may answer with a task");
    }
  }

  /** Makes a request that is no call and of which the SDK knows no schema. */
  ask(method: string, params: JsonObject, meta: JsonObject, limits: Limits): Promise<Result> {
    return this.#client.request({ method, params: { ...params, _meta: meta } }, ANY_RESULT, limits);
  }

  async #call(request: ExecutionRequest, options: AttemptOptions, limits: Limits): Promise<Result> {
    const { operation, arguments: args } = request;
    const { era, inputs, handlers, clock } = this.#options;
    const { method, params: ownParams } = toMessage(request);
    const params = { ...ownParams, _meta: toRequestMeta(request) };
    const headers = era === "modern" ? toParamHeaders(operation.inputSchema, args) : {};
    const onprogress: RequestOptions["onprogress"] = (params) =>
      options.onProgress(toReport(params));
    const send = (signal: AbortSignal, more: JsonObject = {}) => {
      const sent = { ...params, ...more };
      // The SDK does not tell what it makes of them.
      options.onSend?.(JSON.stringify(sent).length);
      const { timeout } = limits;
      // The SDK checks parameters and result by the method, whatever the types say here.
      const message = { method: method as "tools/call", params: sent as CallToolRequest["params"] };
      return this.#client.request(message, {
        ...{ signal, timeout, headers, onprogress, allowInputRequired: true },
      });
    };
    if (era === "legacy") {
      if (request.effect === "unsafe" && toRoundParams(request) !== undefined) {
        const message = "The server that had asked for input is of another era now";
        throw createClientError("operation_failed", message, { effect: request.effect });
      }
      return await inputs.run(request, options, headers, send);
    }
    const result = await send(limits.signal, toRoundParams(request));
    const go = (more: JsonObject) => send(limits.signal, more);
    return await answerRounds(result, go, { handlers, clock, request, options });
  }
}

const ANY_RESULT: StandardSchemaV1<unknown, Result> = {
  "~standard": { version: 1, vendor: "automcp", validate: (value) => ({ value: value as Result }) },
};

/** A task in the place of an error's data. What came over the wire is never one. */
class HiddenTask {
  readonly result: Result;

  constructor(result: Result) {
    this.result = result;
  }
}

/**
 * Lets tasks through to an {@linkcode SdkCaller}: the SDK's client would refuse such a result unseen,
 * so it gets an error that holds it.
 *
 * @param transport The transport of a client that is connected to a modern server.
 */
export function passTasks(transport: Transport): void {
  const receive = transport.onmessage;
  transport.onmessage = (message, extra) => receive?.(hideTask(message), extra);
}

function hideTask<T extends JSONRPCMessage>(message: T): T | JSONRPCMessage {
  if (!isJSONRPCResultResponse(message) || message.result["resultType"] !== "task") return message;
  const { jsonrpc, id, result } = message;
  return { jsonrpc, id, error: { code: 0, message: "", data: new HiddenTask(result) } };
}
