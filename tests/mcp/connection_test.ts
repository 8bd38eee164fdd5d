/** What a connection does besides failing, against scripted servers of both eras. */
import { assert, assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { EFFECTS } from "../../src/errors/delivery.ts";
import type { ProgressReport } from "../../src/progress/events.ts";
import { Deadline } from "../../src/resilience/deadline.ts";
import { createMcpConnector } from "../../src/mcp/mod.ts";
import {
  type FaultHandler,
  type FaultServerOptions,
  RESULT,
  startFaultServer,
} from "../support/fault_server.ts";
import { attempt, failureOf, limits, request } from "./support.ts";

const ERAS = ["modern", "legacy"] as const;

async function open(options: FaultServerOptions) {
  const server = startFaultServer(options);
  const connection = await createMcpConnector({ url: server.url }).connect(limits());
  return {
    server,
    connection,
    async [Symbol.asyncDispose]() {
      await connection.close();
      await server[Symbol.asyncDispose]();
    },
  };
}

/** A call that is never answered, and what happened to it. */
function createSilence() {
  const started = Promise.withResolvers<void>();
  const gone = Promise.withResolvers<void>();
  const call: FaultHandler = async (exchange) => {
    started.resolve();
    await exchange.gone().catch(() => {});
    gone.resolve();
  };
  return { call, started: started.promise, gone: gone.promise };
}

for (const era of ERAS) {
  Deno.test(`Connection.execute() rejects with the caller's reason and ends the request, ${era}`, async () => {
    const silence = createSilence();
    await using peer = await open({ era, handlers: { "tools/call": silence.call } });
    const abort = new AbortController();
    const reason = { why: "the user left" };
    const running = peer.connection.execute(request("act"), attempt([], abort.signal));
    await silence.started;
    abort.abort(reason);
    assertStrictEquals(await running.catch((error) => error), reason);
    await silence.gone;
    await peer.connection.check(limits()); // the connection itself is unharmed
    assertEquals(peer.server.count("notifications/cancelled"), era === "legacy" ? 1 : 0);
  });

  Deno.test(`Connection.execute() ends the request at its deadline, ${era}`, async () => {
    const silence = createSilence();
    await using peer = await open({ era, handlers: { "tools/call": silence.call } });
    const error = await failureOf(
      peer.connection.execute(request("act"), { ...attempt(), deadline: Deadline.after(50) }),
    );
    assertEquals([error.code, error.delivery], ["deadline_exceeded", "unknown"]);
    await silence.gone;
  });

  Deno.test(`Connection.execute() sends nothing after an abort, ${era}`, async () => {
    await using peer = await open({ era });
    const reason = new Error("too late");
    const work = peer.connection.execute(request("act"), attempt([], AbortSignal.abort(reason)));
    assertStrictEquals(await work.catch((error) => error), reason);
    assertEquals(peer.server.count("tools/call"), 0);
  });

  Deno.test(`Connection.close() fails what runs at once and ends the session, ${era}`, async () => {
    const silence = createSilence();
    await using peer = await open({ era, handlers: { "tools/call": silence.call } });
    const running = failureOf(peer.connection.execute(request("act"), attempt()));
    await silence.started;
    await Promise.all([peer.connection.close(), peer.connection.close()]);
    assertEquals((await running).code, "connection_lost");
    await silence.gone;
    assert(peer.connection.closed.aborted);
    assertEquals(peer.server.count("DELETE"), era === "legacy" ? 1 : 0);
    const late = await failureOf(peer.connection.execute(request("act"), attempt()));
    assertEquals([late.code, late.delivery], ["connection_lost", "not_sent"]);
  });

  Deno.test(`Connection.execute() reports all progress of one chunk, in order, ${era}`, async () => {
    const call: FaultHandler = ({ stream, request, id }) => {
      const { _meta } = request.message?.params as { _meta: { progressToken: number } };
      const events = [1, 2, 3].map((step) =>
        `data: {"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":` +
        `${_meta.progressToken},"progress":${step},"total":3,"message":"step ${step}"}}`
      );
      return stream(...events, `data: {"jsonrpc":"2.0","id":${id},"result":${RESULT}}`);
    };
    await using peer = await open({ era, handlers: { "tools/call": call } });
    const reports: ProgressReport[] = [];
    const result = await peer.connection.execute(request("act"), attempt(reports));
    assertEquals(result, { status: "success", content: [{ type: "text", text: "done" }] });
    assertEquals(
      reports,
      [1, 2, 3].map((step) => ({ progress: step, total: 3, message: `step ${step}` })),
    );
  });

  Deno.test(`Connection.execute() caps each message of a stream, not the stream, ${era}`, async () => {
    const report = `data: {"jsonrpc":"2.0","method":"notifications/message",` +
      `"params":{"level":"info","data":"${"x".repeat(500)}"}}`;
    const call: FaultHandler = ({ stream, id }) =>
      stream(
        ...Array<string>(100).fill(report),
        `data: {"jsonrpc":"2.0","id":${id},"result":${RESULT}}`,
      );
    await using server = startFaultServer({ era, handlers: { "tools/call": call } });
    const connector = createMcpConnector({ url: server.url, maxAnswerBytes: 1_000 });
    const connection = await connector.connect(limits());
    assertEquals((await connection.execute(request("act"), attempt())).status, "success");
    await connection.close();
  });

  Deno.test(`Connection.execute() follows a redirect within the origin, ${era}`, async () => {
    let moved = false;
    const call: FaultHandler = ({ request, answer, id }) => {
      moved ||= request.path === "/new";
      return moved
        ? answer(200, "application/json", `{"jsonrpc":"2.0","id":${id},"result":${RESULT}}`)
        : answer(307, "", "", "location: /new\r\n");
    };
    await using peer = await open({ era, handlers: { "tools/call": call } });
    const result = await peer.connection.execute(request("act"), attempt());
    assertEquals([result.status, moved], ["success", true]);
  });

  Deno.test(`Connection.execute() passes the trace context on, ${era}`, async () => {
    await using peer = await open({ era });
    const trace = {
      traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
      tracestate: "vendor=1",
    };
    await peer.connection.execute(request("act", { a: 1 }, { trace }), attempt());
    const params = peer.server.requests.find(({ message }) => message?.method === "tools/call")
      ?.message?.params;
    assertEquals(params?.["arguments"], { a: 1 });
    const meta = params?.["_meta"] as Record<string, unknown>;
    assertEquals([meta["traceparent"], meta["tracestate"]], [trace.traceparent, trace.tracestate]);
  });

  Deno.test(`Connection.execute() tells before the send how long the request is, ${era}`, async () => {
    await using peer = await open({ era });
    const lengths: number[] = [];
    const onSend = (bytes: number): void => {
      assertEquals(peer.server.count("tools/call"), lengths.length);
      lengths.push(bytes);
    };
    for (const args of [{}, { text: "x".repeat(1_000) }]) {
      await peer.connection.execute(request("act", args), { ...attempt(), onSend });
    }
    const [short = 0, long = 0] = lengths;
    assert(short > 0 && short < 1_000, String(short));
    assertEquals(long, short + '"text":""'.length + 1_000);
  });

  Deno.test(`Connection.execute() tells that a tool said no, ${era}`, async () => {
    const call: FaultHandler = ({ answer, id }) =>
      answer(
        200,
        "application/json",
        `{"jsonrpc":"2.0","id":${id},"result":{"resultType":"complete","isError":true,"content":[]}}`,
      );
    await using peer = await open({ era, handlers: { "tools/call": call } });
    const result = await peer.connection.execute(request("act"), attempt());
    assertEquals(result, { status: "error", content: [] });
  });

  Deno.test(`Connection.execute() holds a result against the output schema, ${era}`, async () => {
    const operation = {
      name: "act",
      kind: "tool" as const,
      inputSchema: { type: "object" },
      outputSchema: { type: "object", properties: { sum: { type: "number" } } },
      hints: {},
    };
    for (
      const [structured, code] of [
        [`,"structuredContent":{"sum":3}`, undefined],
        [`,"structuredContent":{"sum":"3"}`, "invalid_result"],
        ["", "invalid_result"],
      ] as const
    ) {
      const call: FaultHandler = ({ answer, id }) =>
        answer(
          200,
          "application/json",
          `{"jsonrpc":"2.0","id":${id},"result":{"resultType":"complete","content":[]${structured}}}`,
        );
      await using peer = await open({ era, handlers: { "tools/call": call } });
      const work = peer.connection.execute(request(operation), attempt());
      if (code === undefined) {
        assertEquals((await work).structuredContent, { sum: 3 });
      } else {
        const error = await failureOf(work);
        assertEquals([error.code, error.delivery], [code, "executed"]);
      }
    }
  });

  for (const effect of EFFECTS) {
    Deno.test(`Connection.execute() sends once when a warm connection breaks, ${era}, ${effect}`, async () => {
      let calls = 0;
      const call: FaultHandler = ({ answer, id }) =>
        ++calls === 1
          ? answer(200, "application/json", `{"jsonrpc":"2.0","id":${id},"result":${RESULT}}`)
          : Promise.resolve();
      await using peer = await open({ era, handlers: { "tools/call": call } });
      const { connection } = peer;
      await connection.execute(request("act", {}, { effect }), attempt());
      const error = await failureOf(connection.execute(request("act", {}, { effect }), attempt()));
      assertEquals([error.code, error.delivery, calls], ["connection_lost", "unknown", 2]);
    });
  }

  Deno.test(`Connection.describe() and check() ask the server, ${era}`, async () => {
    await using peer = await open({ era });
    const { connection, server } = peer;
    const { operations, ttlMs } = await connection.describe(limits());
    assertEquals(operations, [
      { name: "act", kind: "tool", inputSchema: { type: "object" }, hints: {} },
    ]);
    assertEquals(ttlMs, era === "modern" ? 5_000 : 60_000);
    assertEquals(connection.server, { name: "fault", version: "1.0.0" });
    assertEquals(connection.maxConcurrency, era === "modern" ? Infinity : 32);
    assertEquals(connection.stateful, era === "legacy");
    const asked = era === "modern" ? "server/discover" : "ping";
    const before = server.count(asked);
    await connection.check(limits());
    assertEquals(server.count(asked), before + 1);
  });

  Deno.test(`Connector.connect() rejects with the caller's reason, ${era}`, async () => {
    const silence = createSilence();
    const method = era === "modern" ? "server/discover" : "initialize";
    await using server = startFaultServer({ era, handlers: { [method]: silence.call } });
    const abort = new AbortController();
    const reason = { why: "the user left" };
    const connecting = createMcpConnector({ url: server.url }).connect(limits(abort.signal));
    await silence.started;
    abort.abort(reason);
    assertStrictEquals(await connecting.catch((error) => error), reason);
    await silence.gone;
  });
}

Deno.test("Connection.stateful is false for a legacy server without sessions", async () => {
  await using peer = await open({ era: "legacy", session: false });
  assertEquals([peer.connection.era, peer.connection.stateful], ["legacy", false]);
});

Deno.test("Connection.execute() resumes a legacy stream, and sends nothing twice", async () => {
  const answered = Promise.withResolvers<string>();
  await using peer = await open({
    era: "legacy",
    handlers: {
      "tools/call": ({ stream, id }) => {
        answered.resolve(id);
        return stream("retry: 100\nid: e7\ndata: ");
      },
      GET: async ({ request, stream, answer }) => {
        if (request.headers.get("last-event-id") !== "e7") return answer(405, "", "");
        const id = await answered.promise;
        assertEquals(request.headers.get("mcp-session-id"), "s1");
        return stream(`data: {"jsonrpc":"2.0","id":${id},"result":${RESULT}}`);
      },
    },
  });
  const result = await peer.connection.execute(request("act"), attempt());
  assertEquals(result.status, "success");
  assertEquals(peer.server.count("tools/call"), 1);
});

Deno.test("Connection.execute() repeats annotated arguments as headers", async () => {
  await using peer = await open({ era: "modern" });
  const operation = {
    name: "act",
    kind: "tool" as const,
    inputSchema: {
      type: "object",
      properties: {
        region: { type: "string", "x-mcp-header": "Region" },
        deep: { type: "object", properties: { n: { type: "integer", "x-mcp-header": "N" } } },
        city: { type: "string", "x-mcp-header": "City" },
        absent: { type: "string", "x-mcp-header": "Absent" },
      },
    },
    hints: {},
  };
  const args = { region: "eu west", deep: { n: 7 }, city: " Köln" };
  await peer.connection.execute(request(operation, args), attempt());
  const headers = peer.server.requests.at(-1)?.headers;
  assertEquals(
    ["region", "n", "city", "absent"].map((name) => headers?.get(`mcp-param-${name}`)),
    ["eu west", "7", "=?base64?IEvDtmxu?=", null],
  );
  assertEquals([headers?.get("mcp-name"), headers?.get("automcp-exchange")], ["act", null]);
});

for (
  const [path, options] of [
    ["of its own", {}],
    ["by the SDK", { authProvider: { token: () => Promise.resolve("t") } }],
  ] as const
) {
  Deno.test(`Connection.execute() sends metadata, but the protocol's own wins, ${path}`, async () => {
    await using server = startFaultServer({ era: "modern" });
    const connection = await createMcpConnector({ url: server.url, ...options }).connect(limits());
    const trace = { traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01" };
    const meta = {
      "dev.automcp/attempt": 2,
      traceparent: "mine",
      progressToken: "mine",
      "io.modelcontextprotocol/protocolVersion": "mine",
      "io.modelcontextprotocol/clientInfo": "mine",
      "io.modelcontextprotocol/clientCapabilities": "mine",
    };
    await connection.execute(request("act", {}, { meta, trace }), attempt());
    await connection.close();
    const sent = server.requests.at(-1)?.message?.params?.["_meta"] as Record<string, unknown>;
    assertEquals([sent["dev.automcp/attempt"], sent["traceparent"]], [2, trace.traceparent]);
    assertEquals(sent["io.modelcontextprotocol/protocolVersion"], "2026-07-28");
    assertEquals(Object.values(sent).filter((value) => value === "mine"), []);
    assertEquals(Object.keys(sent).length, Object.keys(meta).length);
  });

  Deno.test(`Connection.execute() sends again once what lacked headers, by a fresh definition, ${path}`, async () => {
    const refuse: FaultHandler = ({ answer, id }) =>
      answer(
        400,
        "application/json",
        `{"jsonrpc":"2.0","id":${id},"error":{"code":-32020,"message":"no"}}`,
      );
    await using server = startFaultServer({
      era: "modern",
      handlers: {
        "tools/call": refuse,
        "tools/list": ({ answer, id }) =>
          answer(
            200,
            "application/json",
            `{"jsonrpc":"2.0","id":${id},"result":{"resultType":"complete","ttlMs":0,` +
              `"cacheScope":"private","tools":[{"name":"act","inputSchema":{"type":"object",` +
              `"properties":{"a":{"type":"string","x-mcp-header":"A"}}}}]}}`,
          ),
      },
    });
    const connection = await createMcpConnector({ url: server.url, ...options }).connect(limits());
    const error = await failureOf(
      connection.execute(request("act", { a: "x" }, { effect: "unsafe" }), attempt()),
    );
    assertEquals([error.code, error.delivery], ["protocol_error", "not_executed"]);
    const calls = server.requests.filter(({ message }) => message?.method === "tools/call");
    assertEquals(calls.map(({ headers }) => headers.get("mcp-param-a")), [null, "x"]);
    await connection.close();
  });
}

Deno.test("createMcpConnector() reads what a fetch of the user's made, cut anywhere", async () => {
  await using server = startFaultServer({
    era: "modern",
    handlers: {
      "tools/call": ({ stream, request, id }) => {
        const { progressToken } = request.message?.params?.["_meta"] as Record<string, unknown>;
        return stream(
          `data: {"jsonrpc":"2.0","method":"notifications/progress","params":` +
            `{"progressToken":${progressToken},"progress":1,"message":"Köln ✓"}}`,
          `data: {"jsonrpc":"2.0","id":${id},"result":${RESULT}}`,
        );
      },
    },
  });
  const bytewise: typeof fetch = async (input, init) => {
    const response = await fetch(input, init);
    const bytes = new Uint8Array(await response.arrayBuffer());
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        for (const byte of bytes) controller.enqueue(Uint8Array.of(byte));
        controller.close();
      },
    });
    return new Response(body, response);
  };
  const connection = await createMcpConnector({ url: server.url, fetch: bytewise }).connect(
    limits(),
  );
  const reports: ProgressReport[] = [];
  const result = await connection.execute(request("act"), attempt(reports));
  assertEquals([result.status, reports], ["success", [{ progress: 1, message: "Köln ✓" }]]);
  await connection.close();
});

Deno.test("createMcpConnector() sends its headers and asks a known legacy server nothing", async () => {
  await using server = startFaultServer({ era: "legacy" });
  const connector = createMcpConnector({
    url: server.url,
    headers: { Authorization: "Bearer t" },
    era: "legacy",
  });
  const connection = await connector.connect(limits());
  await connection.close();
  assertEquals(server.count("server/discover"), 0);
  assertEquals(new Set(server.requests.map(({ headers }) => headers.get("authorization"))).size, 1);
});

Deno.test("createMcpConnector() remembers a legacy server until it cannot connect", async () => {
  let refusing = false;
  await using server = startFaultServer({
    era: "legacy",
    session: false,
    handlers: {
      "notifications/initialized": ({ answer }) => answer(refusing ? 500 : 202, "", ""),
    },
  });
  const connector = createMcpConnector({ url: server.url });
  const connect = async () => await (await connector.connect(limits())).close();
  await connect();
  await connect();
  assertEquals(server.count("server/discover"), 1);
  refusing = true;
  await failureOf(connector.connect(limits()));
  refusing = false;
  await connect();
  assertEquals(server.count("server/discover"), 2);
});

Deno.test("createMcpConnector() refuses what it cannot use", async () => {
  const cases: [Record<string, unknown>, string][] = [
    [{ url: "files.example" }, "'url' must be an absolute http: or https: URL"],
    [{ url: "ftp://files.example" }, "'url' must be an absolute http: or https: URL"],
    [{ url: "ftp://u:secret@files.example" }, "'url' must be an absolute http: or https: URL"],
    [{ url: "u:secret@files.example" }, "'url' must be an absolute http: or https: URL"],
    [{ url: "http://u:secret@files.example" }, "'url' must be without credentials"],
    [{ url: "http://a.example", era: "old" }, `'era' must be 'auto' or 'legacy'`],
    [{ url: "http://a.example", headers: { "a b": "c" } }, "'headers' must be names and values"],
    [{ url: "http://a.example", maxAnswerBytes: 0 }, "'maxAnswerBytes' must be an integer >= 1"],
    [{ url: "http://a.example", headersTimeoutMs: 0 }, "'headersTimeoutMs' must be a number > 0"],
    [{ url: "http://a.example", headersTimeoutMs: NaN }, "'headersTimeoutMs' must be a number > 0"],
    [{ url: "http://a.example", bytesIdleTimeoutMs: 0 }, "'bytesIdleTimeoutMs' must be a number"],
    [{ url: "http://a.example", bytesIdleTimeoutMs: "1" }, "'bytesIdleTimeoutMs' must be a number"],
    [{ url: "http://a.example", header: {} }, "'header' is no known option"],
  ];
  for (const [options, message] of cases) {
    const error = await assertRejects(
      async () => await createMcpConnector(options as never),
      Error,
      message,
    );
    assert(!error.message.includes("secret"));
  }
});
