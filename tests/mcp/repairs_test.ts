/** What a connection mends by itself, and when it ends itself so that another one can. */
import { assertEquals } from "@std/assert";
import { healthOf } from "../../src/errors/health.ts";
import { createMcpConnector } from "../../src/mcp/mod.ts";
import { type FaultHandler, RESULT, startFaultServer } from "../support/fault_server.ts";
import { attempt, failureOf, limits, request } from "./support.ts";

const MODERN_PATHS = [
  ["of its own", {}],
  ["by the SDK", { authProvider: { token: () => Promise.resolve("t") } }],
] as const;

const refuse = (status: number, code: number, data?: unknown): FaultHandler => ({ answer, id }) => {
  const error = JSON.stringify({ code, message: "no", data });
  return answer(status, "application/json", `{"jsonrpc":"2.0","id":${id},"error":${error}}`);
};
const done: FaultHandler = ({ answer, id }) =>
  answer(200, "application/json", `{"jsonrpc":"2.0","id":${id},"result":${RESULT}}`);

const VERSIONS: readonly [what: string, data: unknown, ends: boolean][] = [
  ["the one that was agreed on", { supported: ["2026-07-28"], requested: "2026-07-28" }, true],
  ["an older one", { supported: ["2025-11-25"], requested: "2026-07-28" }, true],
  ["none by name", undefined, true],
  ["only strange ones", { supported: ["2031-01-01"], requested: "2026-07-28" }, false],
];

for (const [path, options] of MODERN_PATHS) {
  for (const [what, data, ends] of VERSIONS) {
    Deno.test(`Connection.execute() C10: a server that takes ${what}, ${path}`, async () => {
      await using server = startFaultServer({
        era: "modern",
        handlers: { "tools/call": refuse(400, -32022, data) },
      });
      const connector = createMcpConnector({ url: server.url, ...options });
      const connection = await connector.connect(limits());
      const error = await failureOf(
        connection.execute(request("act", {}, { effect: "unsafe" }), attempt()),
      );
      assertEquals([error.code, error.delivery, healthOf(error), connection.closed.aborted], [
        "protocol_error",
        "not_executed",
        "answered",
        ends,
      ]);
      assertEquals(server.count("tools/call"), 1);
      const probes = server.count("server/discover");
      await (await connector.connect(limits())).close();
      assertEquals(server.count("server/discover"), probes + 1);
      await connection.close();
    });
  }

  Deno.test(`Connection.execute() C11: a list that fails leaves the refusal proved, ${path}`, async () => {
    await using server = startFaultServer({
      era: "modern",
      handlers: { "tools/call": refuse(400, -32020), "tools/list": () => Promise.resolve() },
    });
    const connection = await createMcpConnector({ url: server.url, ...options }).connect(limits());
    const error = await failureOf(
      connection.execute(request("act", {}, { effect: "unsafe" }), attempt()),
    );
    assertEquals([error.code, error.delivery, error.retryable, server.count("tools/call")], [
      "connection_lost",
      "not_executed",
      true,
      1,
    ]);
    await connection.close();
  });
}

const PINGS: readonly [what: string, ping: FaultHandler, ends: boolean][] = [
  ["is pinged well", done, false],
  ["fails a ping in the same way", refuse(200, -32001), true],
  ["fails a ping as lost", refuse(404, -32001), true],
  ["fails a ping in another way", refuse(200, -32603), false],
];

for (const [what, ping, ends] of PINGS) {
  Deno.test(`Connection.execute() K10: -32001 on a session that ${what}`, async () => {
    await using server = startFaultServer({
      era: "legacy",
      handlers: { "tools/call": refuse(200, -32001), ping },
    });
    const connection = await createMcpConnector({ url: server.url }).connect(limits());
    const error = await failureOf(connection.execute(request("act"), attempt()));
    assertEquals([error.code, error.delivery, connection.closed.aborted], [
      "operation_failed",
      "unknown",
      ends,
    ]);
    assertEquals([server.count("tools/call"), server.count("ping")], [1, 1]);
    await connection.close();
  });
}

for (const era of ["modern", "legacy"] as const) {
  Deno.test(`Connection.execute() K10: -32001 without a session checks nothing, ${era}`, async () => {
    await using server = startFaultServer({
      era,
      session: false,
      handlers: { "tools/call": refuse(200, -32001) },
    });
    const connection = await createMcpConnector({ url: server.url }).connect(limits());
    const error = await failureOf(connection.execute(request("act"), attempt()));
    assertEquals([error.code, connection.closed.aborted], ["operation_failed", false]);
    assertEquals(server.count("ping"), 0);
    await connection.close();
  });
}
