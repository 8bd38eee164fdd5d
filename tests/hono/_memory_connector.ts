import type {
  AttemptOptions,
  Connection,
  ConnectionResult,
  Connector,
  ExecutionRequest,
  OperationDescriptor,
} from "../../src/client/ports.ts";
import { createClientError } from "../../src/errors/errors.ts";

/** What a test lets an operation do. */
export type Behaviour = (
  request: ExecutionRequest,
  options: AttemptOptions,
) => Promise<ConnectionResult> | ConnectionResult;

/** A server in memory, and every attempt that reached it. */
export interface MemoryConnector extends Connector {
  readonly attempts: ExecutionRequest[];
}

/** Creates a server whose operations behave as the test says; each takes any object. */
export function createMemoryConnector(
  behaviours: Readonly<Record<string, Behaviour>>,
): MemoryConnector {
  const attempts: ExecutionRequest[] = [];
  const operations = Object.keys(behaviours).map((name): OperationDescriptor => ({
    name,
    inputSchema: { type: "object" },
    hints: {},
  }));
  const connection: Connection = {
    era: "modern",
    server: { name: "memory", version: "1", title: "Memory" },
    maxConcurrency: Infinity,
    closed: new AbortController().signal,
    describe: () => Promise.resolve({ operations, ttlMs: 60_000 }),
    validate: (_operation, args) =>
      "bad" in args ? [{ pointer: "/bad", message: "must not be there" }] : [],
    async execute(request, options) {
      attempts.push(request);
      return await behaviours[request.operation.name]!(request, options);
    },
    check: () => Promise.resolve(),
    close: () => Promise.resolve(),
  };
  return { name: "memory", attempts, connect: () => Promise.resolve(connection) };
}

/** A server that refuses every connection, for good. */
export const deadConnector: Connector = {
  name: "dead",
  connect: () =>
    Promise.reject(createClientError("connection_refused", "Nobody listens", { temporary: false })),
};

/** A result with one text. */
export function text(value: string, status: "success" | "error" = "success"): ConnectionResult {
  return { status, content: [{ type: "text", text: value }] };
}

/** Never settles by itself; rejects with the signal's reason once it aborts. */
export function hang(_request: ExecutionRequest, { signal }: AttemptOptions): Promise<never> {
  return new Promise((_resolve, reject) => {
    if (signal.aborted) reject(signal.reason);
    else signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
}
