/** The trace of a call as servers see it, over real sockets. */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { AutoMCPClient } from "../../src/client/client.ts";
import type { Connector } from "../../src/client/ports.ts";
import { createEdgeConnector } from "../../src/edge/mod.ts";
import { createMcpConnector } from "../../src/mcp/mod.ts";
import type { SeenMessage } from "../support/demo_server.ts";
import { startDemoEndpoint } from "../support/demo_endpoint.ts";
import { startDemoServer } from "../support/demo_server.ts";
import { keepTelemetry, type Kept, toText, traceparentOf } from "./support.ts";

const TRACE_ID = "0af7651916cd43dd8448eb211c80319c";
const TRACE = { traceparent: `00-${TRACE_ID}-b7ad6b7169203331-01` };

function createClient({ telemetry }: Kept, connector: Connector): AutoMCPClient {
  const flaky = { effect: "idempotent" } as const;
  const groups = { demo: { connector, operations: { flaky }, baseDelayMs: 1, maxDelayMs: 1 } };
  return new AutoMCPClient("test", { ...telemetry, groups });
}

/** What the server got as the trace of each call, in the order of arrival. */
function tracesOf({ messages }: { messages: readonly SeenMessage[] }): (string | undefined)[] {
  return messages.filter(({ method }) => method === "tools/call")
    .map(({ params }) => params?._meta?.traceparent);
}

const attemptsOf = (kept: Kept) => kept.spans().filter(({ name }) => name.startsWith("tools/call"));

for (const era of ["auto", "legacy"] as const) {
  Deno.test(`createTelemetry() sends each attempt's span to an MCP server, ${era}`, async () => {
    await using kept = keepTelemetry();
    await using server = startDemoServer();
    await using client = createClient(kept, createMcpConnector({ url: server.url, era }));
    const response = await client.group("demo").execute("flaky", { failures: 1 }, { trace: TRACE });

    assertEquals(response.attempts, 2);
    assertEquals(tracesOf(server), attemptsOf(kept).map(traceparentOf));
    assertEquals(new Set(tracesOf(server)).size, 2);
    for (const traceparent of tracesOf(server)) assertStringIncludes(traceparent!, TRACE_ID);
  });
}

Deno.test("createTelemetry() sends the attempt's span through an endpoint to its server", async () => {
  await using kept = keepTelemetry();
  await using endpoint = await startDemoEndpoint();
  const connector = createEdgeConnector({ url: endpoint.url, group: "demo" });
  await using client = createClient(kept, connector);
  await client.group("demo").execute("add", { a: 1, b: 2 });
  assertEquals(tracesOf(endpoint), attemptsOf(kept).map(traceparentOf));
  assertEquals(attemptsOf(kept).length, 1);
});

Deno.test("createTelemetry() tells no header that goes to a server", async () => {
  const secret = "marker-7f3a";
  await using kept = keepTelemetry();
  await using server = startDemoServer();
  const sent: string[] = [];
  const connector = createMcpConnector({
    url: server.url,
    headers: { Authorization: `Bearer ${secret}` },
    fetch: (input, init) => {
      sent.push(new Request(input, init).headers.get("authorization") ?? "");
      return fetch(input, init);
    },
  });
  await using client = createClient(kept, connector);
  await client.group("demo").execute("add", { a: 1, b: 2 });

  assertEquals(new Set(sent), new Set([`Bearer ${secret}`]));
  const told = toText(kept.spans()) + JSON.stringify(await kept.series());
  assertStringIncludes(told, "tools/call add");
  assertEquals(told.includes(secret), false);
});
