import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { assert, assertEquals, assertRejects } from "@std/assert";
import { createDemoServer, type DemoServer } from "../../examples/demo_server.ts";
import { until } from "../support/until.ts";

for (const mode of ["auto", "legacy"] as const) {
  demoTest(`createDemoServer serves the ${mode} era`, mode, async ({ client, demo }) => {
    const { tools } = await client.listTools();
    assertEquals(tools.map((tool) => tool.name), [
      "add",
      "count",
      "flaky",
      "charge",
      "ledger",
      "cut",
    ]);
    const sum = await client.callTool({ name: "add", arguments: { a: 1, b: 2 } });
    assertEquals(sum.structuredContent, { sum: 3 });
    assertEquals(demo.sessions, mode === "legacy" ? 1 : 0);

    const steps: unknown[] = [];
    const counted = await client.callTool({ name: "count", arguments: { steps: 4, delayMs: 5 } }, {
      onprogress: (progress) => void steps.push(progress.message),
    });
    assertEquals(counted.structuredContent, { counted: 4 });
    assertEquals(steps, ["Step 1 of 4", "Step 2 of 4", "Step 3 of 4", "Step 4 of 4"]);

    await client.callTool({ name: "charge", arguments: { amount: 5, reference: "a" } });
    assertEquals(demo.ledger, [{ id: 1, amount: 5, reference: "a" }]);
    const { structuredContent } = await client.callTool({ name: "ledger" });
    assertEquals(structuredContent, { charges: demo.ledger });
    assertEquals([demo.calls, demo.inFlight, demo.maxInFlight], [4, 0, 1]);
  });

  demoTest(`createDemoServer shows its ledger as resources, ${mode}`, mode, async ({ client }) => {
    await client.callTool({ name: "charge", arguments: { amount: 5 } });
    await client.callTool({ name: "charge", arguments: { amount: 7 } });
    const read = async (uri: string) => {
      const [content] = (await client.readResource({ uri })).contents;
      return JSON.parse(content !== undefined && "text" in content ? content.text : "");
    };
    assertEquals(await read("demo://charges/2"), { id: 2, amount: 7 });
    assertEquals((await read("demo://ledger")).charges.length, 2);
    await assertRejects(() => read("demo://charges/3"));
    const complete = async (ref: Parameters<typeof client.complete>[0]["ref"], name: string) =>
      (await client.complete({ ref, argument: { name, value: "" } })).completion.values;
    assertEquals(await complete({ type: "ref/resource", uri: "demo://charges/{id}" }, "id"), [
      "1",
      "2",
    ]);
    assertEquals(await complete({ type: "ref/prompt", name: "reminder" }, "tone"), [
      "firm",
      "formal",
      "friendly",
    ]);
    const { messages } = await client.getPrompt({
      name: "reminder",
      arguments: { id: "2", tone: "friendly" },
    });
    assertEquals(messages[0]?.content, {
      type: "text",
      text: "Write a friendly reminder of charge 2.",
    });
  });

  demoTest(`createDemoServer stops counting on cancel, ${mode}`, mode, async (t) => {
    const controller = new AbortController();
    await assertRejects(() =>
      t.client.callTool({ name: "count", arguments: { steps: 1_000, delayMs: 5 } }, {
        signal: controller.signal,
        onprogress: () => controller.abort(),
      })
    );
    await until(() => t.demo.inFlight === 0);
    assertEquals(t.demo.cancelled, 1);
  });

  demoTest(`createDemoServer refuses flaky before it runs, ${mode}`, mode, async (t) => {
    const call = () => t.client.callTool({ name: "flaky", arguments: { failures: 1 } });
    await assertRejects(call);
    assertEquals(t.demo.maxInFlight, 0);
    assertEquals((await call()).structuredContent, { refused: 1 });
    await assertRejects(call);
  });

  demoTest(`createDemoServer cuts a stream short, ${mode}`, mode, async ({ client, demo, url }) => {
    const body = {
      jsonrpc: "2.0",
      id: 9,
      method: "tools/call",
      params: { name: "cut", arguments: { afterSteps: 2 }, _meta: { progressToken: 1 } },
    };
    const { status, text } = await postRaw(url, client, body);
    assertEquals(status, 200);
    assertEquals(text.match(/notifications\/progress/g)?.length, 2);
    assert(!text.includes('"result"'));
    await until(() => demo.inFlight === 0);
  });
}

interface Setting {
  readonly client: Client;
  readonly demo: DemoServer;
  readonly url: URL;
}

function demoTest(
  name: string,
  mode: "auto" | "legacy",
  body: (setting: Setting) => Promise<void>,
): void {
  Deno.test(name, async () => {
    const demo = createDemoServer();
    const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, demo.fetch);
    const url = new URL(`http://127.0.0.1:${server.addr.port}/mcp`);
    const client = new Client({ name: "test", version: "1" }, { versionNegotiation: { mode } });
    try {
      await client.connect(new StreamableHTTPClientTransport(url));
      await body({ client, demo, url });
    } finally {
      await client.close();
      await demo.close();
      await server.shutdown();
    }
  });
}

/** Posts a message as the connected client would and returns the whole answer as it came. */
async function postRaw(url: URL, client: Client, message: Record<string, unknown>) {
  const { sessionId } = client.transport ?? {};
  const headers: Record<string, string> = {
    "content-type": "application/json",
    accept: "application/json, text/event-stream",
  };
  let sent: unknown = message;
  if (sessionId !== undefined) {
    headers["mcp-session-id"] = sessionId;
    headers["mcp-protocol-version"] = "2025-11-25";
  } else {
    const params = message.params as { name: string; _meta: Record<string, unknown> };
    headers["mcp-protocol-version"] = "2026-07-28";
    headers["mcp-method"] = "tools/call";
    headers["mcp-name"] = params.name;
    const _meta = {
      ...params._meta,
      "io.modelcontextprotocol/protocolVersion": "2026-07-28",
      "io.modelcontextprotocol/clientCapabilities": {},
    };
    sent = { ...message, params: { ...params, _meta } };
  }
  const answer = await fetch(url, { method: "POST", headers, body: JSON.stringify(sent) });
  return { status: answer.status, text: await answer.text() };
}
