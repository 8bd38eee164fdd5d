/** Every way an answer can fail, on a real socket: what is proved, and how often it was sent. */
import { assertEquals } from "@std/assert";
import { createMcpConnector } from "../../src/mcp/mod.ts";
import { type FaultHandler, RESULT, startFaultServer } from "../support/fault_server.ts";
import { attempt, failureOf, limits, request } from "./support.ts";

type Expected = [code: string, delivery: string, retryAfterMs?: number];

interface Fault {
  readonly what: string;
  readonly call: FaultHandler;
  readonly expected: Expected | { readonly modern: Expected; readonly legacy: Expected };
}

const json = "application/json";
const rpc = (id: string, member: string) => `data: {"jsonrpc":"2.0","id":${id},${member}}`;
const progress = `data: {"jsonrpc":"2.0","method":"notifications/progress",` +
  `"params":{"progressToken":-1,"progress":1}}`;
const status = (code: number, headers = ""): FaultHandler => ({ answer }) =>
  answer(code, "text/plain", "no", headers);
const rpcError = (http: number, code: number): FaultHandler => ({ answer, id }) =>
  answer(http, json, `{"jsonrpc":"2.0","id":${id},"error":{"code":${code},"message":"no"}}`);
const result = (member: string): FaultHandler => ({ answer, id }) =>
  answer(200, json, `{"jsonrpc":"2.0","id":${id},"result":${member}}`);

const LOST: Expected = ["connection_lost", "unknown"];
const FAILED: Expected = ["operation_failed", "unknown"];
const UNUSABLE: Expected = ["protocol_error", "unknown"];

const FAULTS: readonly Fault[] = [
  { what: "no head", call: () => Promise.resolve(), expected: LOST },
  {
    what: "cut JSON",
    call: ({ write }) =>
      write(`HTTP/1.1 200 OK\r\ncontent-type: ${json}\r\ncontent-length: 500\r\n\r\n{"jsonrpc"`),
    expected: LOST,
  },
  { what: "stream that ends", call: ({ stream }) => stream(progress), expected: LOST },
  {
    what: "stream that breaks",
    call: ({ write }) =>
      write(
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n" +
          "5\r\ndata:\r\n",
      ),
    expected: LOST,
  },
  { what: "202", call: ({ answer }) => answer(202, "", ""), expected: UNUSABLE },
  {
    what: "204",
    call: ({ write }) => write("HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n"),
    expected: UNUSABLE,
  },
  { what: "HTML", call: ({ answer }) => answer(200, "text/html", "<p>"), expected: UNUSABLE },
  { what: "invalid JSON", call: ({ answer }) => answer(200, json, "{no"), expected: UNUSABLE },
  { what: "JSON, not RPC", call: ({ answer }) => answer(200, json, "{}"), expected: UNUSABLE },
  {
    what: "another id",
    call: ({ answer }) => answer(200, json, `{"jsonrpc":"2.0","id":99,"result":${RESULT}}`),
    expected: UNUSABLE,
  },
  {
    what: "another id in a stream that stays open",
    call: ({ stream, gone }) => stream(rpc("99", `"result":${RESULT}`)).then(gone),
    expected: UNUSABLE,
  },
  {
    what: "broken event in a stream that stays open",
    call: ({ stream, gone }) => stream(`data: {"jsonrpc":"2.0","id`).then(gone),
    expected: UNUSABLE,
  },
  {
    what: "JSON over the cap",
    call: ({ answer }) => answer(200, json, " ".repeat(5_000)),
    expected: UNUSABLE,
  },
  {
    what: "event over the cap in a stream that stays open",
    call: ({ stream, gone }) => stream(`data: "${" ".repeat(5_000)}"`).then(gone),
    expected: UNUSABLE,
  },
  {
    what: "line without end over the cap",
    call: ({ write, gone }) =>
      write(
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n" +
          `data: ${"x".repeat(5_000)}`,
      ).then(gone),
    expected: UNUSABLE,
  },
  {
    what: "429",
    call: status(429, "retry-after: 2\r\n"),
    expected: ["rate_limited", "not_executed", 2_000],
  },
  {
    what: "503 with Retry-After",
    call: status(503, "retry-after: 1\r\n"),
    expected: ["unavailable", "not_executed", 1_000],
  },
  { what: "503", call: status(503), expected: ["unavailable", "unknown"] },
  { what: "500", call: status(500), expected: ["unavailable", "unknown"] },
  { what: "408", call: status(408), expected: ["unavailable", "unknown"] },
  { what: "401", call: status(401), expected: ["unauthorized", "not_executed"] },
  { what: "403", call: status(403), expected: ["forbidden", "not_executed"] },
  { what: "415", call: status(415), expected: ["protocol_error", "not_executed"] },
  {
    what: "redirect elsewhere",
    call: status(307, "location: http://elsewhere.invalid/\r\n"),
    expected: ["protocol_error", "not_executed"],
  },
  { what: "418", call: status(418), expected: UNUSABLE },
  {
    what: "404",
    call: status(404),
    expected: { modern: UNUSABLE, legacy: ["session_lost", "not_executed"] },
  },
  {
    what: "404 with -32601",
    call: rpcError(404, -32601),
    expected: {
      modern: ["operation_not_found", "not_executed"],
      legacy: ["session_lost", "not_executed"],
    },
  },
  {
    what: "400 with -32000",
    call: rpcError(400, -32000),
    expected: {
      modern: ["operation_failed", "unknown"],
      legacy: ["session_lost", "not_executed"],
    },
  },
  {
    what: "400 with -32602",
    call: rpcError(400, -32602),
    expected: ["invalid_arguments", "unknown"],
  },
  {
    what: "-32601",
    call: rpcError(200, -32601),
    expected: ["operation_not_found", "not_executed"],
  },
  {
    what: "400 with -32021",
    call: rpcError(400, -32021),
    expected: { modern: ["protocol_error", "not_executed"], legacy: FAILED },
  },
  { what: "500 with -32020", call: rpcError(500, -32020), expected: FAILED },
  { what: "-32020", call: rpcError(200, -32020), expected: FAILED },
  {
    what: "-32020 in a stream",
    call: ({ stream, id }) => stream(rpc(id, `"error":{"code":-32020,"message":"no"}`)),
    expected: FAILED,
  },
  { what: "-32603", call: rpcError(200, -32603), expected: FAILED },
  { what: "an application's code", call: rpcError(200, 7), expected: FAILED },
  {
    what: "result of another shape",
    call: result(`{"resultType":"complete","content":7}`),
    expected: ["invalid_result", "executed"],
  },
  {
    what: "result in a stream, of another shape",
    call: ({ stream, id }) =>
      stream(progress, rpc(id, `"result":{"resultType":"complete","content":7}`)),
    expected: ["invalid_result", "executed"],
  },
];

const MODERN_FAULTS: readonly Fault[] = [
  {
    what: "result without a type",
    call: result(`{"content":[]}`),
    expected: ["invalid_result", "executed"],
  },
  {
    what: "result that asks for input",
    call: result(
      `{"resultType":"input_required","requestState":"s","inputRequests":{"a":` +
        `{"method":"roots/list","params":{}}}}`,
    ),
    expected: ["operation_failed", "executed"],
  },
  {
    what: "task",
    call: result(`{"resultType":"task","taskId":"t","status":"working"}`),
    expected: ["operation_failed", "executed"],
  },
  {
    what: "stream with an event id that ends",
    call: ({ stream }) => stream(`id: e1\n${progress}`),
    expected: LOST,
  },
];

const LEGACY_FAULTS: readonly Fault[] = [
  { what: "400 with -32020", call: rpcError(400, -32020), expected: FAILED },
];

/** With credentials that are renewed, the SDK makes a modern server's calls. */
const PATHS = [
  { path: "modern", era: "modern", faults: [...FAULTS, ...MODERN_FAULTS], options: {} },
  {
    path: "modern by the SDK",
    era: "modern",
    faults: [...FAULTS, ...MODERN_FAULTS],
    options: { authProvider: { token: () => Promise.resolve("t") } },
  },
  { path: "legacy", era: "legacy", faults: [...FAULTS, ...LEGACY_FAULTS], options: {} },
] as const;

for (const { path, era, faults, options } of PATHS) {
  for (const { what, call, expected } of faults) {
    Deno.test(`Connection.execute() proves what it can, ${path}: ${what}`, async () => {
      await using server = startFaultServer({ era, handlers: { "tools/call": call } });
      const connector = createMcpConnector({
        url: server.url,
        maxAnswerBytes: 4_000,
        ...options,
      });
      const connection = await connector.connect(limits());
      assertEquals(connection.era, era);
      const error = await failureOf(
        connection.execute(request("act", {}, { effect: "unsafe" }), attempt()),
      );
      const [code, delivery, retryAfterMs] = "modern" in expected ? expected[era] : expected;
      assertEquals(
        [error.code, error.delivery, error.retryAfterMs],
        [code, delivery, retryAfterMs],
      );
      assertEquals(server.count("tools/call"), 1);
      assertEquals(server.count("GET"), era === "modern" ? 0 : 1);
      assertEquals(connection.closed.aborted, code === "session_lost");
      await connection.close();
    });
  }
}

const PROBES: readonly { what: string; answer: FaultHandler; expected: Expected }[] = [
  { what: "401", answer: status(401), expected: ["unauthorized", "not_sent"] },
  { what: "403", answer: status(403), expected: ["forbidden", "not_sent"] },
  { what: "408", answer: status(408), expected: ["unavailable", "not_sent"] },
  { what: "425", answer: status(425), expected: ["unavailable", "not_sent"] },
  {
    what: "429",
    answer: status(429, "retry-after: 3\r\n"),
    expected: ["rate_limited", "not_sent", 3_000],
  },
  { what: "500", answer: status(500), expected: ["unavailable", "not_sent"] },
  {
    what: "503",
    answer: status(503, "retry-after: 3\r\n"),
    expected: ["unavailable", "not_sent", 3_000],
  },
  {
    what: "a redirect",
    answer: status(302, "location: /x\r\n"),
    expected: ["protocol_error", "not_sent"],
  },
  {
    what: "HTML",
    answer: ({ answer }) => answer(200, "text/html", "<p>"),
    expected: ["protocol_error", "not_sent"],
  },
  {
    what: "202",
    answer: ({ answer }) => answer(202, "", ""),
    expected: ["protocol_error", "not_sent"],
  },
  { what: "no head", answer: () => Promise.resolve(), expected: ["connection_lost", "not_sent"] },
  {
    what: "a stream that ends",
    answer: ({ stream }) => stream(`id: e1\n${progress}`),
    expected: ["connection_lost", "not_sent"],
  },
];

for (const { what, answer, expected } of PROBES) {
  Deno.test(`Connector.connect() takes no era from a probe answered with ${what}`, async () => {
    await using server = startFaultServer({
      era: "legacy",
      handlers: { "server/discover": answer },
    });
    const connector = createMcpConnector({ url: server.url });
    const error = await failureOf(connector.connect(limits()));
    const [code, delivery, retryAfterMs] = expected;
    assertEquals([error.code, error.delivery, error.retryAfterMs], [code, delivery, retryAfterMs]);
    assertEquals(error.temporary, !["unauthorized", "forbidden", "protocol_error"].includes(code));
    assertEquals([server.count("server/discover"), server.count("initialize")], [1, 0]);
  });
}

Deno.test("Connector.connect() fails with what the handshake was answered with", async () => {
  await using server = startFaultServer({
    era: "legacy",
    handlers: { initialize: status(429, "retry-after: 4\r\n") },
  });
  const error = await failureOf(createMcpConnector({ url: server.url }).connect(limits()));
  assertEquals([error.code, error.delivery, error.retryAfterMs], [
    "rate_limited",
    "not_sent",
    4_000,
  ]);
});

Deno.test("Connector.connect() proves that a refused connection sent nothing", async () => {
  const server = startFaultServer({ era: "modern" });
  await server[Symbol.asyncDispose]();
  const error = await failureOf(createMcpConnector({ url: server.url }).connect(limits()));
  assertEquals([error.code, error.delivery, error.temporary], [
    "connection_refused",
    "not_sent",
    true,
  ]);
});

// What Deno is allowed to send again may have been refused the second time.
for (const [effect, delivery] of [["unsafe", "not_sent"], ["safe", "unknown"]] as const) {
  Deno.test(`Connection.execute() tells what a refused connection proves, ${effect}`, async () => {
    const server = startFaultServer({ era: "modern", keepAlive: false });
    const connection = await createMcpConnector({ url: server.url }).connect(limits());
    await server[Symbol.asyncDispose]();
    const error = await failureOf(connection.execute(request("act", {}, { effect }), attempt()));
    assertEquals([error.code, error.delivery, error.retryable], [
      "connection_refused",
      delivery,
      true,
    ]);
    await connection.close();
  });
}

Deno.test("treat503AsNotExecuted: false makes 503 with Retry-After unknown", async () => {
  await using server = startFaultServer({
    era: "modern",
    handlers: { "tools/call": status(503, "retry-after: 1\r\n") },
  });
  const connector = createMcpConnector({ url: server.url, treat503AsNotExecuted: false });
  const connection = await connector.connect(limits());
  const error = await failureOf(connection.execute(request("act"), attempt()));
  assertEquals([error.delivery, error.retryAfterMs], ["unknown", 1_000]);
  await connection.close();
});
