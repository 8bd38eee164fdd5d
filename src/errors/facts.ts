import type { ErrorCode } from "./codes.ts";
import type { Delivery, Effect } from "./delivery.ts";
import type { HealthEvidence } from "./health.ts";

/** One fault of the arguments, found before anything was sent. */
export interface ArgumentIssue {
  /** Where the fault is, as a JSON pointer (RFC 6901) into the arguments; `""` is the whole. */
  readonly pointer: string;
  /** What is wrong there; never holds the value itself. */
  readonly message: string;
}

/** One thing that a server asked for before it would go on with an operation. */
export interface InputQuestion {
  /** The method of MCP by which it asked, as `"elicitation/create"`. */
  readonly method: string;
  /** What it told people, cut to 1 KiB; sampling has no such text. */
  readonly message?: string;
  /** Where it sends people to, in their own browser. */
  readonly url?: string;
  /** JSON Schema of what it wanted to know. */
  readonly requestedSchema?: Readonly<Record<string, unknown>>;
}

/** What is known about a failure besides its code and message. */
export interface ErrorFacts {
  /** What is proved about the request. The default belongs to the code. */
  readonly delivery?: Delivery;
  /**
   * Whether the cause is likely to pass by itself. The default belongs to the code.
   */
  readonly temporary?: boolean;
  /**
   * What repeating the operation does; with `temporary` and `delivery` it decides `retryable`.
   *
   * @default {"unsafe"}
   */
  readonly effect?: Effect;
  /**
   * How often the request was sent, hedges and free re-sends included, >= 0.
   *
   * @default {0}
   */
  readonly attempts?: number;
  /** How long the server asked to wait, in milliseconds, >= 0. */
  readonly retryAfterMs?: number;
  /** The execution that failed. */
  readonly executionId?: string;
  /** The faults of the arguments, for the code `invalid_arguments`. */
  readonly issues?: readonly ArgumentIssue[];
  /** What the server asked for and nobody here answers, for the code `operation_failed`. */
  readonly asked?: readonly InputQuestion[];
  /**
   * What it says of the server's health. It is no part of the error's JSON. The default belongs to
   * the code and the delivery.
   */
  readonly health?: HealthEvidence;
  /** The original error, kept as it was. */
  readonly cause?: unknown;
}

/** An error of AutoMCP as plain data; what is `undefined` has no place in its JSON. */
export interface ErrorDocument {
  /** The name of the error's class. */
  readonly name: string;
  /** What happened. */
  readonly code: ErrorCode;
  /** A sentence for people. */
  readonly message: string;
  /** What is proved about the request. */
  readonly delivery: Delivery;
  /** Whether the cause is likely to pass by itself. */
  readonly temporary: boolean;
  /** Whether the call may be repeated and is worth repeating. */
  readonly retryable: boolean;
  /** How often the request was sent. */
  readonly attempts: number;
  /** How long the server asked to wait, in milliseconds. */
  readonly retryAfterMs: number | undefined;
  /** The execution that failed. */
  readonly executionId: string | undefined;
  /** The faults of the arguments. */
  readonly issues: readonly ArgumentIssue[];
  /** What the server asked for and nobody here answers. */
  readonly asked: readonly InputQuestion[];
  /** The name and, if it has one, the code of the original error. */
  readonly cause: { readonly name: string; readonly code?: string | number } | undefined;
}

/** Returns what may be told of a cause: a foreign error may hold headers or bodies. */
export function describeCause(cause: Error): { name: string; code?: string | number } {
  const { code } = cause as { code?: unknown };
  return typeof code === "string" || typeof code === "number"
    ? { name: cause.name, code }
    : { name: cause.name };
}
