import { abortable } from "../../src/client/abort.ts";
import { createClientError } from "../../src/errors/errors.ts";
import type {
  AttemptOptions,
  Connection,
  ConnectionOptions,
  ConnectionResult,
  ConnectOptions,
  Connector,
  Era,
  ExecutionRequest,
  JsonObject,
  OperationDescriptor,
  OperationHints,
  OperationList,
} from "../../src/client/ports.ts";

/** What an in-memory operation does. */
export type MemoryOperation = (
  request: ExecutionRequest,
  options: AttemptOptions,
) => Promise<ConnectionResult> | ConnectionResult;

export interface MemoryConnectorOptions {
  readonly name?: string;
  readonly era?: Era;
  readonly maxConcurrency?: number;
  readonly stateful?: boolean;
  readonly ttlMs?: number;
  readonly operations?: Readonly<Record<string, MemoryOperation>>;
  readonly hints?: Readonly<Record<string, OperationHints>>;
  /** Called before each connection is made; what it throws fails the connection. */
  readonly onConnect?: (options: ConnectOptions) => Promise<void> | void;
  /** Called before each list; what it throws fails the list. */
  readonly onDescribe?: (options: ConnectionOptions) => Promise<void> | void;
  /** Called for each check; what it throws fails the check. */
  readonly onCheck?: (options: ConnectionOptions) => Promise<void> | void;
  readonly validate?: Connection["validate"];
  /** What asks for the answer of an operation that was taken on. */
  readonly resume?: Connection["resume"];
}

/** A connector to nothing, that counts what is asked of it. */
export class MemoryConnector implements Connector {
  readonly name: string;
  readonly requests: ExecutionRequest[] = [];
  readonly connections: MemoryConnection[] = [];
  connects = 0;
  describes = 0;
  checks = 0;
  inFlight = 0;
  maxInFlight = 0;
  readonly options: MemoryConnectorOptions;

  constructor(options: MemoryConnectorOptions = {}) {
    this.name = options.name ?? "memory";
    this.options = options;
  }

  async connect(options: ConnectOptions): Promise<MemoryConnection> {
    options.signal.throwIfAborted();
    this.connects++;
    await this.options.onConnect?.(options);
    options.signal.throwIfAborted();
    const connection = new MemoryConnection(this);
    this.connections.push(connection);
    return connection;
  }
}

export class MemoryConnection implements Connection {
  readonly era: Era;
  readonly server = { name: "memory", version: "1.0.0", title: "Memory" };
  readonly maxConcurrency: number;
  readonly stateful: boolean;
  readonly #connector: MemoryConnector;
  readonly #closed = new AbortController();
  readonly closed: AbortSignal = this.#closed.signal;
  readonly validate?: NonNullable<Connection["validate"]>;
  readonly resume?: NonNullable<Connection["resume"]>;
  closes = 0;

  constructor(connector: MemoryConnector) {
    const { era = "modern", maxConcurrency = Infinity, validate, resume } = connector.options;
    this.stateful = connector.options.stateful ?? era === "legacy";
    this.#connector = connector;
    this.era = era;
    this.maxConcurrency = maxConcurrency;
    if (validate !== undefined) this.validate = validate;
    if (resume !== undefined) {
      this.resume = (state, request, options) => {
        this.#checkOpen(options.signal);
        return abortable(Promise.resolve(resume(state, request, options)), this.closed);
      };
    }
  }

  async describe(options: ConnectionOptions): Promise<OperationList> {
    this.#checkOpen(options.signal);
    this.#connector.describes++;
    const { operations = DEFAULT_OPERATIONS, hints = {}, ttlMs = 60_000 } = this.#connector.options;
    await this.#connector.options.onDescribe?.(options);
    const describe = (name: string): OperationDescriptor => ({
      name,
      kind: "tool",
      inputSchema: { type: "object" },
      hints: hints[name] ?? {},
    });
    return { operations: Object.keys(operations).map(describe), ttlMs };
  }

  async execute(request: ExecutionRequest, options: AttemptOptions): Promise<ConnectionResult> {
    this.#checkOpen(options.signal);
    const connector = this.#connector;
    connector.requests.push(request);
    options.onSend?.(JSON.stringify(request.arguments).length);
    connector.maxInFlight = Math.max(connector.maxInFlight, ++connector.inFlight);
    try {
      const run = (connector.options.operations ?? DEFAULT_OPERATIONS)[request.operation.name];
      if (run === undefined) throw createClientError("operation_not_found", "No such operation");
      return await abortable(Promise.resolve(run(request, options)), this.closed);
    } finally {
      connector.inFlight--;
    }
  }

  async check(options: ConnectionOptions): Promise<void> {
    this.#checkOpen(options.signal);
    this.#connector.checks++;
    await this.#connector.options.onCheck?.(options);
  }

  close(): Promise<void> {
    this.closes++;
    this.break(createClientError("connection_lost", "The connection was closed"));
    return Promise.resolve();
  }

  /** Ends the connection as a server does. */
  break(error: unknown): void {
    this.#closed.abort(error);
  }

  #checkOpen(signal: AbortSignal): void {
    signal.throwIfAborted();
    if (!this.closed.aborted) return;
    throw createClientError("connection_lost", "The connection was closed", {
      delivery: "not_sent",
    });
  }
}

/** A server that refuses every connection, for good. */
export const deadConnector: Connector = {
  name: "dead",
  connect: () =>
    Promise.reject(createClientError("connection_refused", "Nobody listens", { temporary: false })),
};

/** Takes every argument but `bad`. */
export const refuseBad: NonNullable<Connection["validate"]> = (_operation, args) =>
  "bad" in args ? [{ pointer: "/bad", message: "must not be there" }] : [];

/** A result with data. */
export function data(structuredContent: JsonObject): ConnectionResult {
  const text = JSON.stringify(structuredContent);
  return { status: "success", content: [{ type: "text", text }], structuredContent };
}

/** A result with one text. */
export function text(
  value: string,
  status: ConnectionResult["status"] = "success",
): ConnectionResult {
  return { status, content: [{ type: "text", text: value }] };
}

/** An operation that never ends by itself. */
export const hang: MemoryOperation = (_, { signal }) => untilAborted(signal);

/** A promise that never settles but rejects with the signal's reason. */
export function untilAborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
}

const DEFAULT_OPERATIONS: Readonly<Record<string, MemoryOperation>> = {
  add: ({ arguments: { a, b } }) => data({ sum: Number(a) + Number(b) }),
};
