import type { ContentBlock, JsonObject } from "../client/ports.ts";
import type { OptionRules } from "../errors/misuse.ts";

/**
 * Answer what servers ask for while they run an operation. Each handler is a capability that servers
 * are told of; what has no handler is not offered to them.
 *
 * A handler may take its time: only the deadline of the execution counts on meanwhile. Its throw ends
 * the execution with `operation_failed` and becomes the cause; to say no is an answer.
 */
export interface InputHandlers {
  /**
   * Fills in a form (MCP elicitation in form mode). What the content of an accepted form leaves out is
   * filled with the defaults of its schema; the whole must match the schema.
   */
  readonly form?: InputHandler<FormRequest, FormAnswer>;
  /**
   * Sends a person to a page (MCP elicitation in URL mode). Show the address and ask before it is
   * opened: it comes from the server.
   */
  readonly url?: InputHandler<UrlRequest, UrlAnswer>;
  /** Has a language model go on with a conversation (MCP sampling), without tools. */
  readonly sampling?: InputHandler<SamplingRequest, SamplingAnswer>;
  /** Names the folders that the server may work in (MCP roots). */
  readonly roots?: InputHandler<JsonObject, RootsAnswer>;
}

/**
 * Answers one kind of question. Questions that a server asks together are answered at the same time.
 *
 * @typeParam Q What is asked.
 * @typeParam A What is answered.
 */
export type InputHandler<Q, A> = (request: Q, context: InputContext) => A | Promise<A>;

/** What a handler may know and use besides the question. */
export interface InputContext {
  /** Aborted once nobody waits for the answer any more. */
  readonly signal: AbortSignal;
  /**
   * The operation that asks. A server of the legacy era may ask without saying for which; then it is
   * `undefined`, unless only one operation runs on its connection.
   */
  readonly operation: string | undefined;
}

/** A form to be filled in, as MCP defines it. */
export interface FormRequest {
  /** What the server wants to know, for people. */
  readonly message: string;
  /** JSON Schema of the content: an object of strings, numbers, booleans and choices. */
  readonly requestedSchema: JsonObject;
}

/** What became of a form. */
export type FormAnswer =
  | {
    /** It was filled in. */
    readonly action: "accept";
    /** What was filled in; empty without it. */
    readonly content?: Readonly<Record<string, string | number | boolean | readonly string[]>>;
  }
  | {
    /** It was refused, or closed without a choice. */
    readonly action: "decline" | "cancel";
  };

/** A page to be visited, as MCP defines it. */
export interface UrlRequest {
  /** Why, for people. */
  readonly message: string;
  /** The address, absolute. */
  readonly url: string;
}

/** Whether a person goes to a page. What is done there stays between the person and the server. */
export interface UrlAnswer {
  /** Goes there, refuses to, or made no choice. */
  readonly action: "accept" | "decline" | "cancel";
}

/** A conversation that a language model is to go on with, as MCP defines it. */
export interface SamplingRequest {
  /** What was said so far. */
  readonly messages: readonly JsonObject[];
  /** The longest answer, in tokens. */
  readonly maxTokens: number;
  /** What the model is to be told first. */
  readonly systemPrompt?: string;
  /** How freely the model may choose. */
  readonly temperature?: number;
  /** What ends the answer. */
  readonly stopSequences?: readonly string[];
  /** Which model the server would like. */
  readonly modelPreferences?: JsonObject;
}

/** What a language model said. */
export interface SamplingAnswer {
  /** Who said it. */
  readonly role: "assistant" | "user";
  /** What was said: text, an image or a sound. */
  readonly content: ContentBlock;
  /** The model's name. */
  readonly model: string;
  /** Why it stopped there. */
  readonly stopReason?: string;
}

/** The folders that a server may work in. */
export interface RootsAnswer {
  /** Each by its `file:` URL. */
  readonly roots: readonly { readonly uri: string; readonly name?: string }[];
}

/** What the handlers of a connector must be. */
export const INPUT_RULES: OptionRules<InputHandlers> = {
  form: { type: "function" },
  url: { type: "function" },
  sampling: { type: "function" },
  roots: { type: "function" },
};

/** Returns what servers are told about handlers (MCP client capabilities). */
export function toCapabilities({ form, url, sampling, roots }: InputHandlers): InputCapabilities {
  return {
    ...((form || url) && {
      elicitation: { ...(form && { form: { applyDefaults: true } }), ...(url && { url: {} }) },
    }),
    ...(sampling && { sampling: {} }),
    ...(roots && { roots: {} }),
  };
}

/** The part of the client's capabilities that handlers decide. */
export interface InputCapabilities {
  readonly elicitation?: {
    readonly form?: { readonly applyDefaults: true };
    readonly url?: Record<string, never>;
  };
  readonly sampling?: Record<string, never>;
  readonly roots?: Record<string, never>;
}
