/** What the client promises, kept against real servers over real sockets. */
import { assertEquals, assertGreaterOrEqual, assertStrictEquals } from "@std/assert";
import { AutoMCPClient } from "../../src/client/client.ts";
import type { GroupConfig } from "../../src/client/config.ts";
import type { ClientEvent } from "../../src/client/events.ts";
import { type ClientError, OutcomeUnknownError } from "../../src/errors/errors.ts";
import { createMcpConnector, type McpConnectorOptions } from "../../src/mcp/mod.ts";
import { type RunningDemoServer, startDemoServer } from "../support/demo_server.ts";
import { startFilesystemProxy } from "../support/peers.ts";
import { until } from "../support/until.ts";
import { rejection } from "./support.ts";

const ERAS = ["auto", "legacy"] as const;

/** A client with one group for one server. */
function createClient(
  connector: McpConnectorOptions,
  group: Partial<GroupConfig> = {},
  onEvent: (event: ClientEvent) => void = () => {},
): AutoMCPClient {
  const groups = { g: { connector: createMcpConnector(connector), ...group } };
  return new AutoMCPClient("test", { groups, onEvent });
}

function poolOf(client: AutoMCPClient) {
  return client.stats().servers[0]!.pool;
}

/** A body that breaks off in the middle, as when the network fails. */
function cutOff(text: string): ReadableStream<Uint8Array> {
  const chunks = [new TextEncoder().encode(text.slice(0, text.length / 2))];
  return new ReadableStream({
    pull(controller) {
      const chunk = chunks.pop();
      if (chunk !== undefined) controller.enqueue(chunk);
      else controller.error(new TypeError("The network failed"));
    },
  });
}

function countOf({ messages }: RunningDemoServer, method: string): number {
  return messages.filter((message) => message.method === method).length;
}

for (const era of ERAS) {
  Deno.test(`AutoMCPClient never has more than poolSize calls on a server, ${era}`, async () => {
    await using server = startDemoServer();
    await using client = createClient({ url: server.url, era }, { poolSize: 10 });
    const group = client.group("g");
    const numbers = Array.from({ length: 100 }, (_, index) => index);
    const sums = await Promise.all(
      numbers.map((a) => group.execute<{ sum: number }>("add", { a, b: 1 })),
    );
    assertEquals(
      sums.map(({ structuredContent }) => structuredContent?.sum),
      numbers.map((a) => a + 1),
    );
    // Calls that take a while fill the pool to its brim, and no further.
    await Promise.all(numbers.map(() => group.execute("count", { steps: 1, delayMs: 20 })));
    assertEquals([server.demo.calls, server.demo.maxInFlight], [200, 10]);
    const { leases, waiting, busy } = poolOf(client);
    assertEquals([leases, waiting, busy], [0, 0, 0]);
  });

  Deno.test(`AutoMCPClient charges once though the answer is cut off, ${era}`, async () => {
    await using server = startDemoServer();
    let cutting = false;
    const fetch: typeof globalThis.fetch = async (input, init) => {
      const response = await globalThis.fetch(input, init);
      return cutting ? new Response(cutOff(await response.text()), response) : response;
    };
    await using client = createClient({ url: server.url, era, fetch });
    await client.group("g").describe();
    cutting = true;
    const error = await rejection(client.group("g").execute("charge", { amount: 5 }));
    cutting = false;
    assertEquals([error instanceof OutcomeUnknownError, error.attempts], [true, 1]);
    assertEquals((error.cause as ClientError).code, "connection_lost");
    assertEquals(server.demo.ledger, [{ id: 1, amount: 5 }]);
  });

  Deno.test(`AutoMCPClient comes back as late as the server asks, ${era}`, async () => {
    await using server = startDemoServer();
    await using client = createClient({ url: server.url, era });
    // Unsafe, and repeated all the same: 503 with Retry-After proves that nothing ran.
    const { attempts, elapsedMs } = await client.group("g").execute("flaky", { failures: 1 });
    assertEquals([attempts, server.demo.calls], [2, 2]);
    assertGreaterOrEqual(elapsedMs, 1_000);
  });
}

Deno.test("AutoMCPClient answers the half of 1,000 waiting callers that stays", async () => {
  await using server = startDemoServer();
  await using client = createClient({ url: server.url }, {
    poolSize: 10,
    queue: { maxQueue: 1_000 },
    acquireTimeoutMs: 30_000,
  });
  const group = client.group("g");
  const holding = new AbortController();
  const holders = Array.from(
    { length: 10 },
    () =>
      group.execute("count", { steps: 10_000 }, { signal: holding.signal }).catch((error) => error),
  );
  await until(() => server.demo.inFlight === 10);

  const leaving = new AbortController();
  const { signal } = leaving;
  const staying = Array.from({ length: 500 }, () => group.execute("add", { a: 1, b: 2 }));
  const left = Array.from(
    { length: 500 },
    () => group.execute("add", { a: 1, b: 2 }, { signal }).catch((error) => error),
  );
  const countWaiting = (): number => client.stats().servers[0]!.queue.waiting;
  await until(() => countWaiting() === 1_000);
  const reason = { why: "they left" };
  leaving.abort(reason);
  for (const error of await Promise.all(left)) assertStrictEquals(error, reason);
  assertEquals(countWaiting(), 500);

  holding.abort(reason);
  for (const error of await Promise.all(holders)) assertStrictEquals(error, reason);
  const answers = await Promise.all(staying);
  assertEquals(answers.filter(({ success }) => success).length, 500);
  assertEquals([poolOf(client).leases, countWaiting(), server.demo.calls], [0, 0, 510]);
});

Deno.test("AutoMCPClient sends a charge again that was refused for a forgotten session", async () => {
  await using server = startDemoServer();
  await using client = createClient({ url: server.url, era: "legacy" });
  await client.group("g").execute("charge", { amount: 1 });
  await server.replace();
  const { attempts } = await client.group("g").execute("charge", { amount: 2 });
  assertEquals([attempts, server.demo.ledger], [2, [{ id: 1, amount: 2 }]]);
  assertEquals([countOf(server, "initialize"), server.demo.sessions], [2, 1]);
});

Deno.test("AutoMCPClient opens one new session after the restart of a server", async () => {
  const before = startDemoServer();
  await using client = createClient({ url: before.url, era: "legacy" });
  const add = () => client.group("g").execute("add", { a: 1, b: 2 }, { effect: "safe" });
  await add();
  await before[Symbol.asyncDispose]();
  await using after = startDemoServer(before.port);
  const answers = await Promise.all(Array.from({ length: 10 }, add));
  assertEquals(answers.filter(({ success }) => success).length, 10);
  assertEquals([countOf(after, "initialize"), after.demo.sessions], [1, 1]);
});

for (const legacyOnly of [false, true]) {
  const era = legacyOnly ? "legacy" : "modern";
  Deno.test(`AutoMCPClient knows by hints what files can be written again, ${era}`, async () => {
    const folder = await Deno.makeTempDir();
    try {
      await using peer = await startFilesystemProxy({ legacyOnly, folder });
      const effects: unknown[] = [];
      await using client = createClient({ url: peer.url }, { trustAnnotations: true }, (event) => {
        if (event.type === "execution.end") effects.push(event.effect);
      });
      const group = client.group("g");
      const { operations, era: found } = await group.describe();
      assertEquals([found, operations.length > 10], [era, true]);
      const path = `${folder}/note.txt`;
      await group.execute("write_file", { path, content: "kept" });
      const { structuredContent } = await group.execute("read_text_file", { path });
      assertEquals(structuredContent, { content: "kept" });
      assertEquals(effects, ["idempotent", "safe"]);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  });
}
