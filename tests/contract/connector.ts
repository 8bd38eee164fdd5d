import { assert, assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import type {
  Connection,
  ConnectionOptions,
  Connector,
  Era,
  ExecutionRequest,
  JsonObject,
  OperationDescriptor,
} from "../../src/client/ports.ts";
import { ClientError, createClientError, OperationError } from "../../src/errors/errors.ts";
import type { ProgressReport } from "../../src/progress/events.ts";
import { systemClock } from "../../src/resilience/clock.ts";
import { Deadline } from "../../src/resilience/deadline.ts";
import type { Kit } from "../support/kit.ts";
import { data, MemoryConnector, text } from "../support/memory_connector.ts";
import { until } from "../support/until.ts";

/** What reached a server so far. */
export interface Seen {
  /** The calls, in order. */
  readonly calls: readonly { readonly name: string; readonly traceparent?: string | undefined }[];
  /** How many of them were cancelled. */
  readonly cancelled: number;
}

/** A connector to a server that has `add`, `count` and `cut` as the demo server has them. */
export interface ConnectorUnderTest {
  readonly connector: Connector;
  /** Tells what reached the server. */
  seen(): Seen;
  /** Ends the server; may be called again. */
  end(): Promise<void>;
}

const LIMIT_MS = 8_000;
const TRACE = { traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01" };
const options = (signal = new AbortController().signal): ConnectionOptions => ({
  signal,
  deadline: Deadline.after(LIMIT_MS),
});

/**
 * What every connector must do, whatever it connects to.
 *
 * @param t Takes the tests.
 * @param name Names the connector in the tests.
 * @param era How its connections talk.
 * @param start Starts a server for one test.
 */
export function connectorContract(
  t: Kit,
  name: string,
  era: Era,
  start: () => Promise<ConnectorUnderTest>,
): void {
  const test = (behaviour: string, fn: (peer: ConnectorUnderTest) => Promise<void>): void =>
    t.test(`${name} ${behaviour}`, async () => {
      const peer = await start();
      try {
        await fn(peer);
      } finally {
        await peer.end();
      }
    });
  const connected = (
    behaviour: string,
    fn: (connection: Connection, peer: ConnectorUnderTest) => Promise<void>,
  ): void =>
    test(behaviour, async (peer) => {
      const connection = await peer.connector.connect(options());
      try {
        await fn(connection, peer);
      } finally {
        await connection.close();
      }
    });

  connected("describes its operations and says for how long", async (connection) => {
    const { operations, ttlMs } = await connection.describe(options());
    assert(ttlMs >= 0 && ttlMs < Infinity);
    assertEquals(connection.era, era);
    assert(connection.maxConcurrency >= 1);
    for (const { inputSchema, hints } of operations) {
      assertEquals([inputSchema["type"], typeof hints], ["object", "object"]);
    }
    const names = operations.map(({ name }) => name);
    assertEquals(["add", "count", "cut"].filter((name) => !names.includes(name)), []);
  });

  connected("executes an operation and gives its result as data", async (connection) => {
    const result = await run(connection, "add", { a: 1, b: 2 });
    assertEquals([result.status, result.structuredContent], ["success", { sum: 3 }]);
    assert(result.content.length > 0);
  });

  connected("gives the answer of an operation that ran and said no", async (connection) => {
    const { status, content } = await run(connection, "add", { a: 1e308, b: 1e308 });
    assertEquals([status, content[0]?.type], ["error", "text"]);
  });

  connected("points at the argument that does not match", async (connection) => {
    const add = await find(connection, "add");
    const issues = connection.validate?.(add, { a: 1 }) ??
      (await assertRejects(() => send(connection, add, { a: 1 }), OperationError)).issues;
    assertEquals(issues?.map(({ pointer }) => pointer), ["/b"]);
    assertEquals(connection.validate?.(add, { a: 1, b: 2 }) ?? [], []);
  });

  connected("carries many attempts at once, each with its own answer", async (connection) => {
    const sums = await Promise.all(
      Array.from({ length: 20 }, (_, a) => run(connection, "add", { a, b: 1 })),
    );
    assertEquals(
      sums.map(({ structuredContent }) => structuredContent),
      Array.from({ length: 20 }, (_, a) => ({ sum: a + 1 })),
    );
  });

  for (
    const [what, delayMs] of [["step by step", 150], ["that comes with the result", 0]] as const
  ) {
    connected(`reports progress ${what}, all before the result`, async (connection) => {
      const seen: unknown[] = [];
      await run(connection, "count", { steps: 3, delayMs }, {
        onProgress: ({ progress, total }) => void seen.push([progress, total]),
      }).finally(() => seen.push("end"));
      assertEquals(seen, [[1, 3], [2, 3], [3, 3], "end"]);
    });
  }

  connected(
    "rejects with the signal's reason and cancels on the server",
    async (connection, peer) => {
      const controller = new AbortController();
      const reason = { no: "error" };
      const onProgress = (): void => controller.abort(reason);
      const { signal } = controller;
      const call = run(connection, "count", { steps: 100, delayMs: 50 }, { signal, onProgress });
      assertStrictEquals(await call.catch((thrown) => thrown), reason);
      await until(() => peer.seen().cancelled === 1);
      assertEquals((await run(connection, "add", { a: 1, b: 1 })).status, "success");
    },
  );

  connected("starts nothing for a signal that is aborted", async (connection, peer) => {
    const add = await find(connection, "add");
    const reason = { no: "error" };
    const signal = AbortSignal.abort(reason);
    for (
      const work of [
        () => send(connection, add, { a: 1, b: 1 }, { signal }),
        () => connection.describe(options(signal)),
        () => connection.check(options(signal)),
      ]
    ) assertStrictEquals(await work().catch((thrown) => thrown), reason);
    await run(connection, "add", { a: 2, b: 2 });
    assertEquals(peer.seen().calls.length, 1);
  });

  connected("tells at once that the answer was cut off", async (connection) => {
    const error = await assertRejects(() => run(connection, "cut", { afterSteps: 1 }), ClientError);
    assertEquals([error.code, error.delivery], ["connection_lost", "unknown"]);
  });

  connected("fails an operation that the server does not have", async (connection) => {
    const unknown = {
      name: "no-such",
      kind: "tool" as const,
      inputSchema: { type: "object" },
      hints: {},
    };
    const error = await assertRejects(() => send(connection, unknown, {}), OperationError);
    // Servers answer with either code; the client, which holds the list, refuses before the send.
    assert(["operation_not_found", "invalid_arguments"].includes(error.code));
    assert(!error.retryable);
  });

  connected("passes the trace context on", async (connection, peer) => {
    await run(connection, "add", { a: 1, b: 1 }, { trace: TRACE });
    assertEquals(peer.seen().calls, [{ name: "add", ...TRACE }]);
  });

  test("closes once, fails what runs and takes nothing more", async ({ connector, seen }) => {
    const connection = await connector.connect(options());
    await connection.check(options());
    assertEquals(connection.closed.aborted, false);
    const add = await find(connection, "add");
    const started = Promise.withResolvers<void>();
    const running = run(connection, "count", { steps: 100, delayMs: 50 }, {
      onProgress: () => started.resolve(),
    });
    const failed = assertRejects(() => running, ClientError);
    await started.promise;
    await Promise.all([connection.close(), connection.close()]);
    assertEquals((await failed).code, "connection_lost");
    assertEquals(connection.closed.aborted, true);
    for (
      const work of [
        () => send(connection, add, { a: 1, b: 1 }),
        () => connection.check(options()),
        () => connection.describe(options()),
      ]
    ) {
      const late = await assertRejects(work, ClientError);
      assertEquals([late.code, late.delivery], ["connection_lost", "not_sent"]);
    }
    assertEquals(seen().calls.map(({ name }) => name), ["count"]);
    await connection.close();
  });

  test("closes although the server is gone", async ({ connector, end }) => {
    const connection = await connector.connect(options());
    await end();
    await connection.close();
    assertEquals(connection.closed.aborted, true);
  });

  test("makes no connection for a signal that is aborted", async ({ connector }) => {
    const reason = { no: "error" };
    const connecting = connector.connect(options(AbortSignal.abort(reason)));
    assertStrictEquals(await connecting.catch((thrown) => thrown), reason);
  });

  test("stops connecting when the signal is aborted", async ({ connector }) => {
    const controller = new AbortController();
    const reason = { no: "error" };
    const connecting = connector.connect(options(controller.signal));
    controller.abort(reason);
    assertStrictEquals(await connecting.catch((thrown) => thrown), reason);
  });
}

async function find(connection: Connection, name: string): Promise<OperationDescriptor> {
  const { operations } = await connection.describe(options());
  const operation = operations.find((operation) => operation.name === name);
  if (operation === undefined) throw new Error(`The server has no '${name}'`);
  return operation;
}

interface RunOptions extends Pick<ExecutionRequest, "trace"> {
  readonly signal?: AbortSignal;
  readonly onProgress?: (report: ProgressReport) => void;
}

function send(
  connection: Connection,
  operation: OperationDescriptor,
  args: JsonObject,
  { signal, onProgress = () => {}, ...facts }: RunOptions = {},
): ReturnType<Connection["execute"]> {
  const request = { operation, arguments: args, effect: "safe", attempt: 1, ...facts } as const;
  return connection.execute(request, { ...options(signal), onProgress });
}

async function run(
  connection: Connection,
  name: string,
  args: JsonObject,
  runOptions?: RunOptions,
): ReturnType<Connection["execute"]> {
  return await send(connection, await find(connection, name), args, runOptions);
}

/** The connector in memory, which the tests of everything above connections rely on. */
function startMemory(): Promise<ConnectorUnderTest> {
  let cancelled = 0;
  const connector = new MemoryConnector({
    validate: (_operation, args) => "b" in args ? [] : [{ pointer: "/b", message: "is required" }],
    operations: {
      add({ arguments: { a, b } }) {
        const sum = Number(a) + Number(b);
        return isFinite(sum) ? data({ sum }) : text("Too large", "error");
      },
      async count({ arguments: { steps, delayMs } }, { signal, onProgress }) {
        const total = Number(steps);
        signal.addEventListener("abort", () => cancelled++, { once: true });
        for (let progress = 1; progress <= total; progress++) {
          await systemClock.sleep(Number(delayMs), signal);
          onProgress({ progress, total });
        }
        return data({ counted: total });
      },
      cut: () => Promise.reject(createClientError("connection_lost", "Cut")),
    },
  });
  return Promise.resolve({
    connector,
    seen: () => ({
      calls: connector.requests.map(({ operation, trace }) => ({
        name: operation.name,
        traceparent: trace?.traceparent,
      })),
      cancelled,
    }),
    end: () => Promise.resolve(),
  });
}

export default function (t: Kit): void {
  connectorContract(t, "MemoryConnector", "modern", startMemory);
}
