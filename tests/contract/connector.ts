import { assert, assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import type {
  Connection,
  ConnectionOptions,
  Connector,
  JsonObject,
  OperationDescriptor,
} from "../../src/client/ports.ts";
import { ClientError, OperationError } from "../../src/errors/errors.ts";
import type { ProgressReport } from "../../src/progress/events.ts";
import { systemClock } from "../../src/resilience/clock.ts";
import { Deadline } from "../../src/resilience/deadline.ts";
import type { Kit } from "../support/kit.ts";
import { data, MemoryConnector } from "../support/memory_connector.ts";

/** A connector to a server with the operations `add` and `count` of the demo server. */
export interface ConnectorUnderTest {
  readonly connector: Connector;
  /** Ends the server. */
  end(): Promise<void>;
}

const LIMIT_MS = 8_000;
const options = (signal = new AbortController().signal): ConnectionOptions => ({
  signal,
  deadline: Deadline.after(LIMIT_MS),
});

/**
 * What every connector must do, whatever it connects to.
 *
 * @param t Takes the tests.
 * @param name Names the connector in the tests.
 * @param start Starts a server for one test.
 */
export function connectorContract(
  t: Kit,
  name: string,
  start: () => Promise<ConnectorUnderTest>,
): void {
  const test = (behaviour: string, fn: (connector: Connector) => Promise<void>): void =>
    t.test(`${name} ${behaviour}`, async () => {
      const { connector, end } = await start();
      try {
        await fn(connector);
      } finally {
        await end();
      }
    });
  const connected = (behaviour: string, fn: (connection: Connection) => Promise<void>): void =>
    test(behaviour, async (connector) => {
      const connection = await connector.connect(options());
      try {
        await fn(connection);
      } finally {
        await connection.close();
      }
    });

  connected("describes its operations and says for how long", async (connection) => {
    const { operations, ttlMs } = await connection.describe(options());
    assert(ttlMs >= 0);
    assert(["modern", "legacy", "edge"].includes(connection.era));
    const add = operations.find(({ name }) => name === "add");
    assertEquals([add?.inputSchema["type"], typeof add?.hints], ["object", "object"]);
  });

  connected("executes an operation and gives its result as data", async (connection) => {
    const result = await run(connection, "add", { a: 1, b: 2 });
    assertEquals([result.status, result.structuredContent], ["success", { sum: 3 }]);
    assert(result.content.length > 0);
  });

  connected("carries many attempts at once, each with its own answer", async (connection) => {
    const sums = await Promise.all(
      Array.from({ length: 10 }, (_, a) => run(connection, "add", { a, b: 1 })),
    );
    assertEquals(
      sums.map(({ structuredContent }) => structuredContent),
      Array.from({ length: 10 }, (_, a) => ({ sum: a + 1 })),
    );
  });

  connected("reports progress in order, and all of it before the result", async (connection) => {
    const reports: ProgressReport[] = [];
    const onProgress = (report: ProgressReport): void => void reports.push(report);
    await run(connection, "count", { steps: 3, delayMs: 150 }, { onProgress });
    assertEquals(reports.map(({ progress, total }) => [progress, total]), [[1, 3], [2, 3], [3, 3]]);
    const seen = reports.length;
    await systemClock.sleep(50);
    assertEquals(reports.length, seen);
  });

  connected("rejects with the signal's reason, in mid-call and before it", async (connection) => {
    const controller = new AbortController();
    const reason = { no: "error" };
    const onProgress = (): void => controller.abort(reason);
    const { signal } = controller;
    const call = () =>
      run(connection, "count", { steps: 100, delayMs: 50 }, { signal, onProgress });
    assertStrictEquals(await call().catch((thrown) => thrown), reason);
    assertStrictEquals(await call().catch((thrown) => thrown), reason);
    assertEquals((await run(connection, "add", { a: 1, b: 1 })).status, "success");
  });

  connected("fails an operation that the server does not have", async (connection) => {
    const unknown = { name: "no-such", inputSchema: { type: "object" }, hints: {} };
    const error = await assertRejects(() => send(connection, unknown, {}), OperationError);
    // Servers answer with either code; the client, which holds the list, refuses before the send.
    assert(["operation_not_found", "invalid_arguments"].includes(error.code));
    assert(!error.retryable);
  });

  connected("checks that the server answers", (connection) => connection.check(options()));

  test("closes once, fails what runs and takes nothing more", async (connector) => {
    const connection = await connector.connect(options());
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
    const late = await assertRejects(() => send(connection, add, { a: 1, b: 1 }), ClientError);
    assertEquals([late.code, late.delivery], ["connection_lost", "not_sent"]);
  });

  test("makes no connection for a signal that is aborted", async (connector) => {
    const reason = { no: "error" };
    const connecting = connector.connect(options(AbortSignal.abort(reason)));
    assertStrictEquals(await connecting.catch((thrown) => thrown), reason);
  });
}

async function find(connection: Connection, name: string): Promise<OperationDescriptor> {
  const { operations } = await connection.describe(options());
  const operation = operations.find((operation) => operation.name === name);
  if (operation === undefined) throw new Error(`The server has no '${name}'`);
  return operation;
}

interface RunOptions {
  readonly signal?: AbortSignal;
  readonly onProgress?: (report: ProgressReport) => void;
}

function send(
  connection: Connection,
  operation: OperationDescriptor,
  args: JsonObject,
  { signal, onProgress = () => {} }: RunOptions = {},
): ReturnType<Connection["execute"]> {
  const request = { operation, arguments: args, effect: "safe", attempt: 1 } as const;
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

export default function (t: Kit): void {
  connectorContract(t, "MemoryConnector", () => {
    const connector = new MemoryConnector({
      operations: {
        add: ({ arguments: { a, b } }) => data({ sum: Number(a) + Number(b) }),
        async count({ arguments: { steps, delayMs } }, { signal, onProgress }) {
          const total = Number(steps);
          for (let progress = 1; progress <= total; progress++) {
            await systemClock.sleep(Number(delayMs), signal);
            onProgress({ progress, total });
          }
          return data({ counted: total });
        },
      },
    });
    return Promise.resolve({ connector, end: () => Promise.resolve() });
  });
}
