import type { Effect } from "../errors/delivery.ts";
import type { ArgumentIssue } from "../errors/errors.ts";
import type { ProgressReport } from "../progress/events.ts";
import type { Deadline } from "../resilience/deadline.ts";

/** A JSON value. */
export type JsonValue =
  | string
  | number
  | boolean
  | null
  | readonly JsonValue[]
  | { readonly [key: string]: JsonValue };

/** A JSON object, as the arguments of an operation are. */
export type JsonObject = { readonly [key: string]: JsonValue };

/**
 * How a connection talks to its server: `"modern"` is protocol 2026-07-28 and later, stateless;
 * `"legacy"` is 2025-11-25 and earlier, with sessions; `"edge"` is AutoMCP's own HTTP API.
 */
export type Era = "modern" | "legacy" | "edge";

/** What a server says of itself. It is no identity: nothing proves it. */
export interface ServerInfo {
  /** The server's own name. */
  readonly name: string;
  /** The server's version. */
  readonly version: string;
  /** A name for people. */
  readonly title?: string;
}

/** A server's hints about a tool (MCP `annotations`). They count only for a trusted server. */
export interface OperationHints {
  /** The operation changes nothing. */
  readonly readOnly?: boolean;
  /** Running it again with the same arguments changes nothing more. */
  readonly idempotent?: boolean;
  /** It may remove or overwrite something. */
  readonly destructive?: boolean;
  /** It reaches beyond the server. */
  readonly openWorld?: boolean;
}

/**
 * What an operation is to its server: `"tool"` runs a tool, whatever that does. The others are methods
 * of the protocol itself, which change nothing: `"resource"` lists and reads resources, `"prompt"`
 * lists and gets prompts, `"completion"` proposes values for the arguments of those.
 */
export type OperationKind = "tool" | "resource" | "prompt" | "completion";

/** An operation as its server describes it. */
export interface OperationDescriptor {
  /** The name that calls it; unique per server. */
  readonly name: string;
  /** What it is to its server. */
  readonly kind: OperationKind;
  /** A name for people. */
  readonly title?: string;
  /** What it does, for people and models. */
  readonly description?: string;
  /** JSON Schema (2020-12 unless it says otherwise) of its arguments. */
  readonly inputSchema: JsonObject;
  /** JSON Schema of its structured result. */
  readonly outputSchema?: JsonObject;
  /** The server's hints. */
  readonly hints: OperationHints;
  /** What repeating it does, where the other side has resolved it already (AutoMCP's HTTP API). */
  readonly effect?: Effect;
}

/** The operations of a server, and for how long the list may be trusted. */
export interface OperationList {
  /** The operations, in the server's order. */
  readonly operations: readonly OperationDescriptor[];
  /** How long the list stays fresh, in milliseconds, >= 0. */
  readonly ttlMs: number;
}

/** One block of a result, as MCP defines it: `type` and what belongs to the type. */
export type ContentBlock = { readonly type: string; readonly [key: string]: JsonValue };

/** What one attempt is asked to do. */
export interface ExecutionRequest {
  /** The operation. */
  readonly operation: OperationDescriptor;
  /** Its arguments; they match its input schema. */
  readonly arguments: JsonObject;
  /** What repeating it does. */
  readonly effect: Effect;
  /** Which attempt of its execution this is, counted from 1. */
  readonly attempt: number;
  /** W3C Trace Context to pass on to the server. */
  readonly trace?: TraceContext;
  /**
   * Metadata of the request for the server (MCP `_meta`). What the protocol or the trace context puts
   * there itself wins. A connection whose protocol has no place for it ignores it.
   */
  readonly meta?: JsonObject;
  /**
   * What earlier attempts of the same execution have answered to the server: the last value of
   * `onAsk`. It makes an attempt that goes on, or at least need not ask again.
   */
  readonly answered?: unknown;
}

/** W3C Trace Context (Recommendation of 2021-11-23), passed on as it came. */
export interface TraceContext {
  /** The `traceparent` header. */
  readonly traceparent: string;
  /** The `tracestate` header. */
  readonly tracestate?: string;
}

/** What a connection may use while it works on something. */
export interface ConnectionOptions {
  /** Ends the work; its reason is what a connection must reject with. */
  readonly signal: AbortSignal;
  /** When the work is worth nothing any more. */
  readonly deadline: Deadline;
}

/** What a connector may use while it makes a connection. */
export interface ConnectOptions extends ConnectionOptions {
  /**
   * Called whenever the server has said, or may have said unheard, that its operations have changed:
   * what `describe()` answered before is not enough any more. Also after the connection was made.
   */
  readonly onOperationsChanged?: () => void;
}

/** What a connection may use during one attempt. */
export interface AttemptOptions extends ConnectionOptions {
  /** Takes each progress report, in the order of arrival. */
  readonly onProgress: (report: ProgressReport) => void;
  /**
   * Called whenever the request is about to be sent, with the length of its JSON in UTF-16 code
   * units, which for nearly all requests is that in bytes.
   */
  readonly onSend?: (bytes: number) => void;
  /**
   * Called when the server has taken the operation on and answers later, and again whenever what is
   * needed to ask for that answer has changed: with JSON that {@linkcode Connection.resume} takes, of
   * this connection or of another one to the same server. From then on the operation is not sent again.
   */
  readonly onDefer?: (state: JsonObject) => void;
  /**
   * Called whenever the server asks this side for something before it goes on, with the answering of
   * it. Until that settles, the clocks of the attempt stand still, those of the execution do not; its
   * value is what a later attempt gets as `answered`. An operation that asks runs already.
   */
  readonly onAsk?: (answering: Promise<unknown>) => void;
}

/** What an operation answered. `"error"` means that it ran and said no (MCP `isError`). */
export interface ConnectionResult {
  /** Whether the operation did what it was asked. */
  readonly status: "success" | "error";
  /** The result's blocks. */
  readonly content: readonly ContentBlock[];
  /** The result as data: of tools with an output schema, and of all that is not a tool. */
  readonly structuredContent?: JsonValue;
}

/**
 * One server, as something that can be connected to. A connector holds no connection, only what is
 * needed to make one; groups that are given the same connector share one pool of connections.
 */
export interface Connector {
  /** Names the server in errors, events and stats. */
  readonly name: string;
  /**
   * Makes a connection.
   *
   * @throws {ClientError} With delivery `not_sent`; only `temporary` ones are tried again.
   */
  connect(options: ConnectOptions): Promise<Connection>;
}

/** A connection to one server. Every method rejects with a `ClientError` or the signal's reason. */
export interface Connection {
  /** How it talks to the server. */
  readonly era: Era;
  /** What the server says of itself, if it did. */
  readonly server: ServerInfo | undefined;
  /** How many attempts it may carry at once; `Infinity` leaves it to the pool's size. */
  readonly maxConcurrency: number;
  /** Whether it holds something on the other side that ends with it: a session, a process. */
  readonly stateful: boolean;
  /** Aborted once the connection can carry nothing any more. */
  readonly closed: AbortSignal;
  /** Lists the server's operations. */
  describe(options: ConnectionOptions): Promise<OperationList>;
  /**
   * Checks arguments against an operation's input schema. An empty answer means that they match.
   * Without this method the other side checks alone.
   */
  validate?(operation: OperationDescriptor, args: JsonObject): readonly ArgumentIssue[];
  /** Makes one attempt. */
  execute(request: ExecutionRequest, options: AttemptOptions): Promise<ConnectionResult>;
  /**
   * Makes one attempt to get the answer of an operation that the server has taken on before. It never
   * sends the operation. Without this method nothing can be resumed.
   *
   * @param state What `onDefer` was called with; it may come from anywhere.
   * @param request The request whose answer it is; its arguments may be missing.
   */
  resume?(
    state: JsonObject,
    request: ExecutionRequest,
    options: AttemptOptions,
  ): Promise<ConnectionResult>;
  /** Checks that the server answers at all. */
  check(options: ConnectionOptions): Promise<void>;
  /** Ends the connection; attempts on it fail. Never rejects; later calls do nothing. */
  close(): Promise<void>;
}
