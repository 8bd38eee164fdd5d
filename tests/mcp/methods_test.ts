/** The methods of the protocol as operations: resources, prompts and completion, on every path. */
import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import { type Charge } from "../../examples/demo_contents.ts";
import type { Connection, JsonObject, OperationDescriptor } from "../../src/client/ports.ts";
import { createMcpConnector, type McpConnectorOptions } from "../../src/mcp/mod.ts";
import { startDemoServer } from "../support/demo_server.ts";
import { FakeClock } from "../support/fake_clock.ts";
import {
  type FaultExchange,
  type FaultHandler,
  type FaultServerOptions,
  startFaultServer,
} from "../support/fault_server.ts";
import { attempt, failureOf, limits, request } from "./support.ts";

/** The ways that a call can take. */
const PATHS: readonly {
  readonly path: string;
  readonly era: "modern" | "legacy";
  readonly options: Partial<McpConnectorOptions>;
}[] = [
  { path: "modern", era: "modern", options: {} },
  {
    path: "modern by the SDK",
    era: "modern",
    options: { authProvider: { token: () => Promise.resolve("t") } },
  },
  { path: "legacy", era: "legacy", options: { era: "legacy" } },
];

const OF_RESOURCES = ["resources/list", "resources/templates/list", "resources/read"];
const OF_PROMPTS = ["prompts/list", "prompts/get"];
const OF_COMPLETIONS = ["completion/complete"];

async function execute(connection: Connection, name: string, args: JsonObject = {}) {
  return await connection.execute(request(await find(connection, name), args), attempt());
}

async function find(connection: Connection, name: string): Promise<OperationDescriptor> {
  const { operations } = await connection.describe(limits());
  const operation = operations.find((one) => one.name === name);
  assert(operation !== undefined, `The server has no ${name}`);
  return operation;
}

/** A result as far as it does not belong to the era. */
function withoutCaching({ ttlMs: _, cacheScope: __, ...data }: JsonObject): JsonObject {
  return data;
}

for (const { path, era, options } of PATHS) {
  Deno.test(`resources, prompts and completion are operations of a real server, ${path}`, async (t) => {
    await using server = startDemoServer();
    const connector = createMcpConnector({ url: server.url, ...options });
    const connection = await connector.connect(limits());
    assertEquals(connection.era, era);
    (server.demo.ledger as Charge[]).push({ id: 1, amount: 5 });
    const ledger = { uri: "demo://ledger", mimeType: "application/json" };
    const charge = { uri: "demo://charges/1", mimeType: "application/json" };
    const reminder = { type: "text", text: "Write a firm reminder of charge 1." };
    const read = { ...ledger, text: `{"charges":[{"id":1,"amount":5}]}` };
    const readCharge = { ...charge, text: `{"id":1,"amount":5}` };

    const rows: readonly [name: string, args: JsonObject, data: JsonObject, content: unknown][] = [
      ["resources/list", {}, {
        resources: [{ ...ledger, name: "ledger", title: "Ledger", description: "Every charge." }],
      }, []],
      ["resources/templates/list", {}, {
        resourceTemplates: [{
          name: "charge",
          uriTemplate: "demo://charges/{id}",
          title: "Charge",
          description: "One charge, by its number.",
          mimeType: "application/json",
        }],
      }, []],
      ["resources/read", { uri: "demo://ledger" }, { contents: [read] }, [
        { type: "resource", resource: read },
      ]],
      ["resources/read", { uri: "demo://charges/1" }, { contents: [readCharge] }, [
        { type: "resource", resource: readCharge },
      ]],
      ["prompts/list", {}, {
        prompts: [{
          name: "reminder",
          title: "Reminder",
          description: "Asks for a reminder of a charge, in a tone.",
          arguments: [{ name: "id", required: true }, { name: "tone", required: true }],
        }],
      }, []],
      ["prompts/get", { name: "reminder", arguments: { id: "1", tone: "firm" } }, {
        messages: [{ role: "user", content: reminder }],
      }, [reminder]],
      ["completion/complete", {
        ref: { type: "ref/prompt", name: "reminder" },
        argument: { name: "tone", value: "f" },
      }, {
        completion: { values: ["firm", "formal", "friendly"], total: 3, hasMore: false },
      }, []],
      [
        "completion/complete",
        {
          ref: { type: "ref/resource", uri: "demo://charges/{id}" },
          argument: { name: "id", value: "" },
          context: { arguments: {} },
        },
        { completion: { values: ["1"], total: 1, hasMore: false } },
        [],
      ],
    ];
    for (const [name, args, data, content] of rows) {
      await t.step(`${name} ${JSON.stringify(args)}`, async () => {
        const operation = await find(connection, name);
        assertEquals(connection.validate?.(operation, args), []);
        const result = await connection.execute(request(operation, args), attempt());
        assertEquals([result.status, result.content], ["success", content]);
        const structured = result.structuredContent as JsonObject;
        assertEquals(withoutCaching(structured), data);
        const cached = era === "modern" && /list|read/.test(name);
        assertEquals(structured["cacheScope"], cached ? "private" : undefined);
      });
    }

    await t.step("what the server does not have", async () => {
      for (const uri of ["demo://charges/9", "demo://Köln/ 1", "nothing"]) {
        const error = await failureOf(execute(connection, "resources/read", { uri }));
        assertEquals([error.code, error.delivery, error.message], [
          "operation_not_found",
          "not_executed",
          "The server has no such resource",
        ]);
      }
      const error = await failureOf(execute(connection, "prompts/get", { name: "no-such" }));
      assertEquals(error.code, "invalid_arguments");
    });
    await connection.close();
  });

  Deno.test(`describe() lists the methods that the server declares, ${path}`, async () => {
    for (
      const [declared, names] of [
        [{ tools: {} }, []],
        [{ tools: {}, resources: {} }, OF_RESOURCES],
        [{ tools: {}, prompts: { listChanged: true } }, OF_PROMPTS],
        [{ completions: {}, resources: {} }, [...OF_RESOURCES, ...OF_COMPLETIONS]],
        [{ tools: {}, completions: {}, prompts: {}, resources: {} }, [
          ...OF_RESOURCES,
          ...OF_PROMPTS,
          ...OF_COMPLETIONS,
        ]],
      ] as const
    ) {
      await using peer = await open(era, options, declared);
      const { operations } = await peer.connection.describe(limits());
      const tools = "tools" in declared ? ["act"] : [];
      assertEquals(operations.map(({ name }) => name), [...tools, ...names]);
      for (const { name, kind, inputSchema, hints } of operations.slice(tools.length)) {
        const [first] = name.split("/");
        assertEquals(`${kind}s`.startsWith(first!) || kind === first, true, `${name} ${kind}`);
        assertEquals([inputSchema["type"], hints], ["object", {}]);
      }
    }
  });

  Deno.test(`a tool with the name of a method is what that name calls, ${path}`, async () => {
    const tools = [{ name: "resources/read", inputSchema: { type: "object" } }];
    const list = { ...COMPLETE, ...CACHED, tools };
    await using peer = await open(era, options, { tools: {}, resources: {} }, {
      "tools/list": (exchange) => answer(exchange, list),
    });
    const { connection, server } = peer;
    const { operations } = await connection.describe(limits());
    assertEquals(operations.map(({ name, kind }) => [name, kind]), [
      ["resources/read", "tool"],
      ["resources/list", "resource"],
      ["resources/templates/list", "resource"],
    ]);
    await execute(connection, "resources/read", { uri: "x" });
    assertEquals([server.count("tools/call"), server.count("resources/read")], [1, 0]);
  });

  Deno.test(`a method's parameters and metadata go out as they are, ${path}`, async () => {
    await using peer = await open(era, options, { resources: {}, prompts: {}, completions: {} }, {
      "resources/read": (exchange) => answer(exchange, { ...COMPLETE, ...CACHED, contents: [] }),
      "prompts/get": (exchange) => answer(exchange, { ...COMPLETE, messages: [] }),
      "completion/complete": (exchange) =>
        answer(exchange, { ...COMPLETE, completion: { values: [] } }),
    });
    const { connection, server } = peer;
    const meta = { "dev.automcp/attempt": 2 };
    const trace = { traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01" };
    const rows: readonly [string, JsonObject, string | null][] = [
      ["resources/read", { uri: "file:///x " }, "=?base64?ZmlsZTovLy94IA==?="],
      ["prompts/get", { name: "greet", arguments: { who: "x" } }, "greet"],
      ["completion/complete", {
        ref: { type: "ref/prompt", name: "greet" },
        argument: { name: "who", value: "" },
      }, null],
    ];
    for (const [name, args, header] of rows) {
      const operation = await find(connection, name);
      await connection.execute(request(operation, args, { meta, trace }), attempt());
      const { message, headers } = server.requests.at(-1)!;
      const { _meta, ...params } = message?.params as { _meta: JsonObject };
      assertEquals([message?.method, params], [name, args]);
      assertEquals(_meta["dev.automcp/attempt"], 2);
      assertEquals(_meta["traceparent"], trace.traceparent);
      if (era === "modern") {
        assertEquals(
          [headers.get("mcp-method"), headers.get("mcp-name")],
          [name, header],
        );
      }
    }
  });

  Deno.test(`a method's result of another shape is invalid, ${path}`, async () => {
    const bad: Record<string, unknown> = {
      contents: [{}],
      messages: "none",
      resources: [{ a: 1 }],
    };
    const wrong: FaultHandler = (exchange) =>
      answer(exchange, { ...COMPLETE, ...CACHED, ...bad, completion: { values: [1] } });
    const names = ["resources/list", "resources/read", "prompts/get", "completion/complete"];
    await using peer = await open(
      era,
      options,
      { resources: {}, prompts: {}, completions: {} },
      Object.fromEntries(names.map((name) => [name, wrong])),
    );
    for (const name of names) {
      const error = await failureOf(execute(peer.connection, name, { uri: "x", name: "x" }));
      assertEquals([name, error.code, error.delivery], [name, "invalid_result", "executed"]);
    }
  });

  Deno.test(`resources/read tells a resource that is not there from a refusal, ${path}`, async () => {
    type Row = readonly [status: number, rpcCode: number, code: string, delivery: string];
    const rows: readonly [Row, ...Row[]] = [
      [200, -32002, "operation_not_found", "not_executed"],
      [200, -32602, "operation_not_found", "not_executed"],
      [400, -32602, "operation_not_found", "not_executed"],
      [404, -32002, "operation_not_found", "not_executed"],
      [404, -32601, "operation_not_found", "not_executed"],
      [200, -32603, "operation_failed", "unknown"],
      [401, -32602, "unauthorized", "not_executed"],
      [429, -32002, "rate_limited", "not_executed"],
      [503, -32002, "unavailable", "unknown"],
    ];
    let [row] = rows;
    const handler: FaultHandler = ({ answer, id }) =>
      answer(
        row[0],
        "application/json",
        `{"jsonrpc":"2.0","id":${id},"error":{"code":${row[1]},"message":"no"}}`,
      );
    await using peer = await open(era, options, { resources: {}, prompts: {} }, {
      "resources/read": handler,
      "prompts/get": handler,
    });
    for (row of rows) {
      const error = await failureOf(execute(peer.connection, "resources/read", { uri: "x" }));
      assertEquals([error.code, error.delivery], row.slice(2), `${row}`);
    }
    row = [200, -32602, "", ""];
    const error = await failureOf(execute(peer.connection, "prompts/get", { name: "x" }));
    assertEquals([error.code, error.delivery], ["invalid_arguments", "unknown"]);
  });

  Deno.test(`a method ends with the caller's reason, ${path}`, async () => {
    const started = Promise.withResolvers<void>();
    await using peer = await open(era, options, { resources: {} }, {
      "resources/read": async (exchange) => {
        started.resolve();
        await exchange.gone().catch(() => {});
      },
    });
    const abort = new AbortController();
    const reason = { why: "the user left" };
    const operation = await find(peer.connection, "resources/read");
    const running = peer.connection.execute(
      request(operation, { uri: "x" }),
      attempt([], abort.signal),
    );
    await started.promise;
    abort.abort(reason);
    assertStrictEquals(await running.catch((error) => error), reason);
  });

  Deno.test(`a method may take its time for the head of its answer, ${path}`, async () => {
    const clock = new FakeClock();
    const started = Promise.withResolvers<void>();
    const finish = Promise.withResolvers<void>();
    await using peer = await open(era, { ...options, clock }, { resources: {} }, {
      "resources/read": async (exchange) => {
        started.resolve();
        await finish.promise;
        return await answer(exchange, { ...COMPLETE, ...CACHED, contents: [] });
      },
    });
    const running = execute(peer.connection, "resources/read", { uri: "x" });
    await started.promise;
    await clock.advance(15_000);
    finish.resolve();
    assertEquals((await running).status, "success");
  });
}

const COMPLETE = { resultType: "complete" };
const CACHED = { ttlMs: 0, cacheScope: "private" };

function answer({ answer, id }: FaultExchange, result: object): Promise<void> {
  const body = `{"jsonrpc":"2.0","id":${id},"result":${JSON.stringify(result)}}`;
  return answer(200, "application/json", body);
}

/** Connects to a scripted server that declares what it is told to. */
async function open(
  era: "modern" | "legacy",
  options: Partial<McpConnectorOptions>,
  capabilities: object,
  handlers: FaultServerOptions["handlers"] = {},
) {
  const serverInfo = { name: "fault", version: "1.0.0" };
  const server = startFaultServer({
    era,
    handlers: {
      ...(era === "modern" && {
        "server/discover": (exchange: FaultExchange) =>
          answer(exchange, {
            ...COMPLETE,
            ...CACHED,
            supportedVersions: ["2026-07-28"],
            capabilities,
            _meta: { "io.modelcontextprotocol/serverInfo": serverInfo },
          }),
      }),
      initialize: (exchange) =>
        answer(exchange, { protocolVersion: "2025-11-25", capabilities, serverInfo }),
      ...handlers,
    },
  });
  const connection = await createMcpConnector({ url: server.url, ...options }).connect(limits());
  return {
    server,
    connection,
    async [Symbol.asyncDispose]() {
      await connection.close();
      await server[Symbol.asyncDispose]();
    },
  };
}
