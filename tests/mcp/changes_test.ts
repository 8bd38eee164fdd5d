/** What servers tell of changes of their operations: real ones of both eras, and scripted faults. */
import { assertEquals } from "@std/assert";
import { AutoMCPClient } from "../../src/client/client.ts";
import { FEED_IDLE_MS } from "../../src/mcp/change_feed.ts";
import { createMcpConnector, type McpConnectorOptions } from "../../src/mcp/mod.ts";
import {
  DISCOVERED,
  type FaultHandler,
  RESULT,
  startFaultServer,
} from "../support/fault_server.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { startSwappableServer } from "../support/swappable_server.ts";
import { until } from "../support/until.ts";
import { attempt, limits, request } from "./support.ts";

const LISTEN = "subscriptions/listen";
const PATHS = [["of its own", {}], ["by the SDK", {
  authProvider: { token: () => Promise.resolve("t") },
}]] as const;

/** A connection that listens, the changes that it heard of, and its clock. */
async function open(url: string, options: Partial<McpConnectorOptions> = {}) {
  const clock = new FakeClock();
  const heard = { changes: 0 };
  const connector = createMcpConnector({ url, clock, listen: true, ...options });
  const connect = () =>
    connector.connect({ ...limits(), onOperationsChanged: () => void heard.changes++ });
  const connection = await connect();
  const charge = (key: string) => connection.execute(request("charge", { key }), attempt());
  return {
    ...{ clock, heard, connection, charge, connect },
    describe: () => connection.describe(limits()),
    [Symbol.asyncDispose]: () => connection.close(),
  };
}

for (const [path, options] of PATHS) {
  Deno.test(`listen: a new operation is known as soon as a modern server tells, ${path}`, async () => {
    await using server = startSwappableServer("modern");
    const connector = createMcpConnector({ url: server.url, listen: true, ...options });
    await using client = new AutoMCPClient("test", { groups: { g: { connector } } });
    const group = client.group("g");
    assertEquals((await group.describe()).operations.length, 2);
    server.addTool("more");
    await until(async () => (await group.describe()).operations.length === 3);
    await group.execute("more");
    assertEquals([server.count(LISTEN), server.count("tools/list")], [1, 2]);
    // The stream is none of the pool's business.
    const { leases, busy } = client.stats().servers[0]!.pool;
    assertEquals([leases, busy, server.open], [0, 0, 1]);
    await client.close();
    await until(() => server.open === 0);
    assertEquals(server.count("notifications/cancelled"), 0);
  });
}

Deno.test("listen: false opens no stream", async () => {
  await using server = startSwappableServer("modern");
  await using peer = await open(server.url, { listen: false });
  await peer.describe();
  await peer.charge("1");
  assertEquals([server.count(LISTEN), server.open, peer.clock.timers], [0, 0, 0]);
});

Deno.test("a new operation is known as soon as a legacy server tells on its session's stream", async () => {
  await using server = startSwappableServer("legacy, 404");
  const connector = createMcpConnector({ url: server.url });
  await using client = new AutoMCPClient("test", { groups: { g: { connector } } });
  const group = client.group("g");
  assertEquals((await group.describe()).operations.length, 2);
  await until(() => server.open === 1);
  server.addTool("more");
  await until(async () => (await group.describe()).operations.length === 3);
  assertEquals([server.count(LISTEN), server.count("tools/list")], [0, 2]);
});

Deno.test("a legacy server that tells on a request's stream is heard", async () => {
  const call: FaultHandler = ({ stream, id }) =>
    stream(
      `data: {"jsonrpc":"2.0","method":"notifications/tools/list_changed"}`,
      `data: {"jsonrpc":"2.0","id":${id},"result":${RESULT}}`,
    );
  await using server = startFaultServer({ era: "legacy", handlers: { "tools/call": call } });
  await using peer = await open(server.url);
  await peer.charge("1");
  assertEquals(peer.heard.changes, 1);
});

Deno.test("a legacy session's stream that is open again may have missed a change", async () => {
  await using server = startSwappableServer("legacy, 404");
  await using peer = await open(server.url);
  await until(() => server.open === 1);
  assertEquals(peer.heard.changes, 0);
  server.cut();
  await until(() => peer.heard.changes === 1);
  assertEquals([server.count("GET"), server.count("initialize")], [2, 1]);
});

Deno.test("listen: the first list waits for the stream, so that it misses nothing", async () => {
  await using server = startSwappableServer("modern");
  await using peer = await open(server.url);
  await Promise.all([peer.describe(), peer.describe()]);
  assertEquals(server.methods, ["server/discover", LISTEN, "tools/list", "tools/list"]);
  assertEquals([server.open, peer.heard.changes], [1, 0]);
});

Deno.test("listen: a stream that ends is opened again by a use, later, and tells of the gap", async () => {
  await using server = startSwappableServer("modern");
  await using peer = await open(server.url);
  await peer.describe();
  for (const [index, waitMs] of [1_000, 2_000, 4_000].entries()) {
    server.cut();
    await until(() => server.open === 0);
    // Whatever ends the stream reaches this side a little later.
    await until(() => peer.clock.timers === 0);
    await peer.clock.advance(waitMs - 1);
    await peer.charge("early");
    assertEquals(server.count(LISTEN), index + 1);
    await peer.clock.advance(1);
    assertEquals(server.count(LISTEN), index + 1);
    await peer.charge("later");
    await until(() => peer.heard.changes === index + 1);
    assertEquals([server.count(LISTEN), server.open], [index + 2, 1]);
  }
});

Deno.test("listen: a list that waits for the stream to be open again shows what was missed", async () => {
  await using server = startSwappableServer("modern");
  await using peer = await open(server.url);
  await peer.describe();
  server.cut();
  await until(() => peer.clock.timers === 0);
  server.addTool("more", { silently: true });
  await peer.clock.advance(1_000);
  assertEquals((await peer.describe()).operations.length, 3);
  assertEquals([server.count(LISTEN), peer.heard.changes], [2, 0]);
});

Deno.test("listen: a connection that nobody uses holds no stream after a minute", async () => {
  await using server = startSwappableServer("modern");
  // What the server sends to keep the stream alive takes time that this clock leaps over.
  await using peer = await open(server.url, { bytesIdleTimeoutMs: Infinity });
  await peer.describe();
  await peer.clock.advance(FEED_IDLE_MS - 1);
  await peer.charge("1");
  await peer.clock.advance(FEED_IDLE_MS - 1);
  assertEquals(server.open, 1);
  await peer.clock.advance(1);
  await until(() => server.open === 0);
  assertEquals([peer.clock.timers, peer.heard.changes], [0, 0]);
  await peer.charge("2");
  await until(() => peer.heard.changes === 1);
  assertEquals([server.count(LISTEN), server.open], [2, 1]);
});

Deno.test("listen: a connection in place of another may have missed a change", async () => {
  await using server = startSwappableServer("modern");
  await using peer = await open(server.url);
  await peer.describe();
  await peer.connection.close();
  const next = await peer.connect();
  await next.execute(request("charge", { key: "1" }), attempt());
  await until(() => peer.heard.changes === 1);
  await next.close();
});

const TELLING = DISCOVERED.replace(`"tools":{}`, `"tools":{"listChanged":true}`);
const discover: FaultHandler = ({ answer, id }) =>
  answer(200, "application/json", `{"jsonrpc":"2.0","id":${id},"result":${TELLING}}`);
const acknowledge = (id: string, honored: string): string =>
  `data: {"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":` +
  `{"notifications":${honored},"_meta":{"io.modelcontextprotocol/subscriptionId":${id}}}}`;

Deno.test("listen: a server that declares no changes is not listened to", async () => {
  await using server = startFaultServer({ era: "modern" });
  await using peer = await open(server.url);
  await peer.describe();
  assertEquals(server.count(LISTEN), 0);
});

Deno.test("listen: a server that agrees to tell nothing is not listened to again", async () => {
  const listen: FaultHandler = async ({ stream, id, gone }) => {
    await stream(acknowledge(id, "{}"));
    await gone();
  };
  await using server = startFaultServer({
    era: "modern",
    handlers: { "server/discover": discover, [LISTEN]: listen },
  });
  await using peer = await open(server.url);
  await peer.describe();
  await peer.clock.advance(120_000);
  await peer.describe();
  assertEquals([server.count(LISTEN), peer.clock.timers], [1, 0]);
});

const REFUSALS: readonly [what: string, listen: FaultHandler][] = [
  ["does not know it", ({ answer, id }) =>
    answer(
      404,
      "application/json",
      `{"jsonrpc":"2.0","id":${id},"error":{"code":-32601,"message":"no"}}`,
    )],
  ["is busy", ({ answer }) => answer(503, "", "")],
  ["ends the stream before it agrees", ({ stream }) => stream()],
  ["resets the connection", () => Promise.resolve()],
];

for (const [what, listen] of REFUSALS) {
  Deno.test(`listen: a server that ${what} is asked again, ever later, and lists as ever`, async () => {
    await using server = startFaultServer({
      era: "modern",
      keepAlive: false,
      handlers: { "server/discover": discover, [LISTEN]: listen },
    });
    await using peer = await open(server.url);
    for (const [index, waitMs] of [1_000, 2_000, 4_000, 8_000].entries()) {
      await peer.describe();
      assertEquals(server.count(LISTEN), index + 1);
      await peer.clock.advance(waitMs - 1);
      await peer.describe();
      assertEquals(server.count(LISTEN), index + 1);
      await peer.clock.advance(1);
    }
    assertEquals([peer.heard.changes, peer.connection.closed.aborted], [0, false]);
  });
}

Deno.test("listen: each message of the stream may be as long as an answer, not all together", async () => {
  const changed = `data: {"jsonrpc":"2.0","method":"notifications/tools/list_changed",` +
    `"params":{"_meta":{"pad":"${"x".repeat(500)}"}}}`;
  const listen: FaultHandler = async ({ stream, id, gone }) => {
    await stream(acknowledge(id, `{"toolsListChanged":true}`), ...Array(20).fill(changed));
    await gone();
  };
  await using server = startFaultServer({
    era: "modern",
    handlers: { "server/discover": discover, [LISTEN]: listen },
  });
  await using peer = await open(server.url, { maxAnswerBytes: 1_000 });
  await peer.describe();
  await until(() => peer.heard.changes === 20);
});

Deno.test("listen: a stream that falls silent counts as gone, as every stream does", async () => {
  const listen: FaultHandler = async ({ stream, id, gone }) => {
    await stream(acknowledge(id, `{"toolsListChanged":true}`));
    await gone();
  };
  await using server = startFaultServer({
    era: "modern",
    handlers: { "server/discover": discover, [LISTEN]: listen },
  });
  await using peer = await open(server.url, { bytesIdleTimeoutMs: 10_000 });
  await peer.describe();
  await peer.clock.advance(10_000);
  await until(() => peer.clock.timers === 0);
  await peer.clock.advance(1_000);
  await peer.describe();
  assertEquals(server.count(LISTEN), 2);
});
