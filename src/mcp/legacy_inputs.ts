import {
  type BaseContext,
  type Client,
  ProtocolError,
  ProtocolErrorCode,
  type RequestId,
} from "@modelcontextprotocol/client";
import { abortable } from "../client/abort.ts";
import type { AttemptOptions, ExecutionRequest, JsonObject } from "../client/ports.ts";
import { isClientError } from "../errors/errors.ts";
import { answerInputs } from "./answer_inputs.ts";
import type { InputHandlers } from "./input.ts";

/** What a transport knows of questions and silence; one that knows nothing is as good. */
export interface QuestionSource {
  /** Returns the headers, the very object, of the request on whose stream a question came. */
  askerOf?(question: RequestId): object | undefined;
  /** Lets the server be silent until something is done. */
  hold?(work: Promise<unknown>): void;
}

/** One call that runs. */
interface RunningCall {
  readonly request: ExecutionRequest;
  readonly options: AttemptOptions;
  /** Ends the call because one of its questions cannot be answered. */
  readonly fail: (error: unknown) => void;
  /** Aborted once the call has ended. */
  readonly ended: AbortSignal;
  readonly answers: Answers;
}

/**
 * Answers what the server of a legacy connection asks for while it runs something: by requests of its
 * own, which need not tell what they are about.
 */
export class LegacyInputs {
  readonly #handlers: InputHandlers;
  /** Whether a server may ask at all. */
  readonly #serves: boolean;
  readonly #source: QuestionSource;
  /** By the headers object that each was sent with. */
  readonly #calls = new Map<object, RunningCall>();

  /** @param client Not connected yet; a server may ask as soon as it is. */
  constructor(handlers: InputHandlers, source: QuestionSource, client: Client) {
    this.#handlers = handlers;
    this.#source = source;
    const { form, url, sampling, roots } = handlers;
    this.#serves = Boolean(form || url || sampling || roots);
    const serve = (method: "elicitation/create" | "sampling/createMessage" | "roots/list") =>
      client.setRequestHandler(method, (request, context) => this.#answer(request, context));
    if (form || url) serve("elicitation/create");
    if (sampling) serve("sampling/createMessage");
    if (roots) serve("roots/list");
  }

  /**
   * Makes a call during which the server may ask.
   *
   * @param headers What the call is sent with: the very object tells its questions from others.
   * @throws {ClientError} If a question of the call cannot be answered.
   */
  async run<T>(
    request: ExecutionRequest,
    options: AttemptOptions,
    headers: object,
    call: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const { signal } = options;
    if (!this.#serves) return await call(signal);
    const abort = new AbortController();
    const ended = new AbortController();
    const stop = (): void => abort.abort(signal.reason);
    signal.addEventListener("abort", stop, { once: true });
    this.#calls.set(headers, {
      ...{ request, options, ended: ended.signal, answers: new Answers(request.answered) },
      fail: (error) => abort.abort(error),
    });
    try {
      return await abortable(call(abort.signal), abort.signal);
    } finally {
      signal.removeEventListener("abort", stop);
      this.#calls.delete(headers);
      ended.abort(abort.signal.reason);
    }
  }

  // What the SDK wants back depends on the method, and has been checked.
  // deno-lint-ignore no-explicit-any
  async #answer({ method, params }: Question, { mcpReq }: BaseContext): Promise<any> {
    const asker = this.#source.askerOf?.(mcpReq.id);
    const running = [...this.#calls.values()];
    // A question without a sender belongs to the only call, or to any of them.
    const call = asker ? this.#calls.get(asker) : running.length === 1 ? running[0] : undefined;
    const answering = this.#ask({ method, params }, call, mcpReq.signal);
    this.#source.hold?.(answering);
    for (const { options, answers } of call === undefined ? running : [call]) {
      options.onAsk?.(answering.then(() => answers));
    }
    try {
      return await answering;
    } catch (error) {
      if (isClientError(error)) call?.fail(error);
      // What is wrong here is none of the server's business.
      throw new ProtocolError(ProtocolErrorCode.InternalError, "The client could not answer");
    }
  }

  async #ask(
    question: Question,
    call: RunningCall | undefined,
    asked: AbortSignal,
  ): Promise<JsonObject> {
    const known = call?.answers.recall(question);
    if (known !== undefined) return known;
    const round = new AbortController();
    const stop = (): void => round.abort(call?.ended.reason ?? asked.reason);
    const signals = [asked, ...(call ? [call.ended] : [])];
    for (const signal of signals) signal.addEventListener("abort", stop, { once: true });
    try {
      const { answer = {} } = await answerInputs({ answer: question }, {
        handlers: this.#handlers,
        operation: call?.request.operation.name,
        effect: call?.request.effect ?? "unsafe",
        signal: round.signal,
      });
      call?.answers.note(question, answer);
      return answer;
    } finally {
      for (const signal of signals) signal.removeEventListener("abort", stop);
    }
  }
}

/** A server's question. */
interface Question {
  readonly method: string;
  readonly params?: object | undefined;
}

/** What an execution has answered so far, so that another attempt of it need not ask again. */
class Answers {
  readonly #all: { readonly question: string; readonly answer: JsonObject }[];
  /** What the attempt has not been asked yet. */
  readonly #left: { readonly question: string; readonly answer: JsonObject }[];

  constructor(earlier: unknown) {
    this.#all = earlier instanceof Answers ? [...earlier.#all] : [];
    this.#left = [...this.#all];
  }

  /** Returns the answer to a question of an earlier attempt, once for each time it was given. */
  recall(question: Question): JsonObject | undefined {
    const text = toText(question);
    const index = this.#left.findIndex((one) => one.question === text);
    return index < 0 ? undefined : this.#left.splice(index, 1)[0]?.answer;
  }

  note(question: Question, answer: JsonObject): void {
    this.#all.push({ question: toText(question), answer });
  }
}

/** Returns a question as text, without what differs from one time to the next. */
function toText({ method, params }: Question): string {
  return JSON.stringify([method, { ...params, _meta: undefined }]);
}
