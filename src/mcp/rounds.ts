import type { Result } from "@modelcontextprotocol/client";
import type { AttemptOptions, ExecutionRequest, JsonObject } from "../client/ports.ts";
import { toClientError } from "../errors/classify.ts";
import { createClientError } from "../errors/errors.ts";
import type { Clock } from "../resilience/clock.ts";
import { answerInputs } from "./answer_inputs.ts";
import { WireFault } from "./failure.ts";
import type { InputHandlers } from "./input.ts";
import { isHeaderMismatch } from "./repairs.ts";

/** What answering the questions of a modern server needs. */
export interface RoundContext {
  readonly handlers: InputHandlers;
  readonly clock: Clock;
  readonly request: ExecutionRequest;
  readonly options: AttemptOptions;
}

/** How often one execution is asked for something before it counts as endless. */
const MAX_ROUNDS = 10;
/** The wait before a server that asks for nothing gets its state back. */
const STATE_ONLY_MS = 250;

/** A call's next request once its server has what it asked for. */
class Round {
  /** How often the execution was asked. */
  readonly number: number;
  /** What the request carries besides what it was first sent with. */
  readonly params: JsonObject;

  constructor(number: number, params: JsonObject) {
    this.number = number;
    this.params = params;
  }
}

/** Returns what a request carries to go on where an earlier attempt stopped; nothing if none did. */
export function toRoundParams({ answered }: ExecutionRequest): JsonObject | undefined {
  return answered instanceof Round ? answered.params : undefined;
}

/**
 * Answers what a modern server asks for before it goes on with a call (`input_required`), until it
 * asks no more. Each answer is a new request, which the server asked for; so it is right for whatever
 * the operation does, but a lost one is as unknown as a first one.
 *
 * @param result What the request was answered with.
 * @param send Sends the call again, with more parameters.
 * @returns The first result that asks for nothing.
 * @throws {ClientError} If the questions cannot be answered, or do not end.
 * @throws As `send` does, but never so that the call would be sent from its start.
 */
export async function answerRounds(
  result: Result,
  send: (params: JsonObject) => Promise<Result>,
  context: RoundContext,
): Promise<Result> {
  const { request, options } = context;
  let number = request.answered instanceof Round ? request.answered.number : 0;
  while (result["resultType"] === "input_required") {
    if (number++ === MAX_ROUNDS) {
      const message = `The operation asked for input more than ${MAX_ROUNDS} times`;
      throw createClientError("operation_failed", message, {
        delivery: "executed",
        effect: request.effect,
      });
    }
    const answering = answer(result, number, context);
    options.onAsk?.(answering);
    const { params } = await answering;
    try {
      result = await send(params);
    } catch (error) {
      if (!isHeaderMismatch(error)) throw error;
      // The connection would put that right by sending the call anew, and what has asked has begun.
      const { evidence, cause } = error as WireFault;
      throw new WireFault({ ...evidence, modern: false } as typeof evidence, cause);
    }
  }
  return result;
}

async function answer(result: Result, number: number, context: RoundContext): Promise<Round> {
  const { handlers, clock, request: { operation, effect }, options: { signal } } = context;
  const { inputRequests, requestState } = result;
  const asks = typeof inputRequests === "object" && inputRequests !== null &&
    Object.keys(inputRequests).length > 0;
  if (!asks && typeof requestState !== "string") {
    throw toClientError({ kind: "invalid_result" }, { effect });
  }
  const state = typeof requestState === "string" && { requestState };
  if (!asks) {
    await clock.sleep(STATE_ONLY_MS, signal);
    return new Round(number, { ...state });
  }
  const inputResponses = await answerInputs(
    inputRequests as Record<string, unknown>,
    { handlers, operation: operation.name, effect, signal },
  );
  return new Round(number, { inputResponses, ...state });
}
