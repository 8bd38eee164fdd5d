import { assertEquals, assertGreater, assertLess } from "@std/assert";
import { createDemoServer, type DemoServer } from "../../examples/demo_server.ts";
import { AutoMCPClient } from "../../src/client/client.ts";
import { createApp } from "../../src/hono/app.ts";
import { createMcpConnector } from "../../src/mcp/mod.ts";
import { readEvents } from "./_read_events.ts";
import { until } from "../support/until.ts";

serveTest("createApp streams each step when it happens", async ({ post }) => {
  const response = await post("count", { steps: 5, delayMs: 120 }, "text/event-stream");
  const events = await Array.fromAsync(readEvents(response));
  const steps = events.filter(({ event }) => event === "progress");
  assertEquals(steps.map(({ data }) => data.message), [
    "Step 1 of 5",
    "Step 2 of 5",
    "Step 3 of 5",
    "Step 4 of 5",
    "Step 5 of 5",
  ]);
  assertEquals(events.at(-1)?.data.structuredContent, { counted: 5 });
  assertEquals(events.map(({ id }) => id), events.map((_event, index) => String(index + 1)));
  // A buffered stream would bring all of them at once.
  assertGreater(steps.at(-1)!.arrivedMs - steps[0]!.arrivedMs, 240);
});

serveTest(
  "createApp lets an answered execution be, though Deno.serve aborts its signal",
  async (t) => {
    for (let i = 0; i < 3; i++) {
      const response = await t.post("count", { steps: 1, delayMs: 5 });
      assertEquals((await response.json()).structuredContent, { counted: 1 });
      const events = await Array.fromAsync(
        readEvents(await t.post("count", { steps: 1, delayMs: 5 }, "text/event-stream")),
      );
      assertEquals(events.at(-1)?.event, "result");
    }
    assertEquals(t.client.group("demo").retryStats.failed, 0);
  },
);

for (const accept of ["application/json", "text/event-stream"]) {
  serveTest(`createApp stops the server's work when the caller leaves, ${accept}`, async (t) => {
    const caller = new AbortController();
    const answer = t.post("count", { steps: 1_000, delayMs: 10 }, accept, caller.signal)
      .then((response) => response.text());
    await until(() => t.demo.inFlight === 1);
    caller.abort();
    await answer.catch(() => {});
    await until(() => t.demo.cancelled === 1 && t.demo.inFlight === 0);
  });
}

serveTest("createApp repeats what was refused before it ran", async ({ post, demo }) => {
  const response = await post("flaky", { failures: 1 });
  assertEquals([response.status, response.headers.get("automcp-attempts")], [200, "2"]);
  assertEquals((await response.json()).attempts, 2);
  assertEquals(demo.calls, 2);
});

serveTest("createApp charges once, and says so", async ({ post, demo }) => {
  const response = await post("charge", { amount: 5, reference: "r" });
  assertEquals((await response.json()).structuredContent, { id: 1, amount: 5, reference: "r" });
  assertEquals(demo.ledger.length, 1);
});

serveTest("createApp executes operations whose names hold a slash", async ({ post }) => {
  const name = encodeURIComponent("resources/read");
  const response = await post(name, { uri: "demo://ledger" });
  const { operation, content } = await response.json();
  assertEquals([response.status, operation], [200, "resources/read"]);
  const resource = { uri: "demo://ledger", mimeType: "application/json", text: `{"charges":[]}` };
  assertEquals(content, [{ type: "resource", resource }]);
  const events = await Array.fromAsync(
    readEvents(await post(name, { uri: "demo://no-such" }, "text/event-stream")),
  );
  assertEquals([events.at(-1)?.event, events.at(-1)?.data.code], ["error", "operation_not_found"]);
  const invalid = await post(name, {});
  const { code, errors } = await invalid.json();
  assertEquals([invalid.status, code, errors[0].pointer], [400, "invalid_arguments", "/uri"]);
});

serveTest("createApp does not repeat a call whose stream was cut", async ({ post, demo }) => {
  const response = await post("cut", { afterSteps: 1 });
  const problem = await response.json();
  assertEquals([response.status, problem.code, problem.delivery, problem.cause], [
    502,
    "outcome_unknown",
    "unknown",
    "connection_lost",
  ]);
  assertEquals([problem.attempts, demo.calls], [1, 1]);
});

serveTest("createApp repeats a cut call that is safe", async ({ post, demo }) => {
  const response = await post("cut", { afterSteps: 1 }, "application/json", undefined, "safe");
  const problem = await response.json();
  assertEquals([response.status, problem.code, problem.attempts], [502, "connection_lost", 2]);
  assertEquals(demo.calls, 2);
});

serveTest("createApp keeps the caller's time", async ({ post, demo }) => {
  const startMs = performance.now();
  const response = await post(
    "count",
    { steps: 100, delayMs: 100 },
    "application/json",
    undefined,
    {
      "automcp-timeout-ms": "300",
    },
  );
  assertEquals([response.status, (await response.json()).code], [504, "deadline_exceeded"]);
  assertLess(performance.now() - startMs, 3_000);
  await until(() => demo.inFlight === 0);
});

serveTest("createApp refuses wrong arguments before the server sees them", async (t) => {
  const response = await t.post("add", { a: 1, b: "2" });
  const { code, errors: [issue] } = await response.json();
  assertEquals([response.status, code, issue.pointer], [400, "invalid_arguments", "/b"]);
  assertEquals(t.demo.calls, 0);
});

interface Setting {
  readonly demo: DemoServer;
  readonly client: AutoMCPClient;
  /** Posts arguments; the last parameter is a group or further headers. */
  post(
    operation: string,
    args: unknown,
    accept?: string,
    signal?: AbortSignal,
    more?: string | Record<string, string>,
  ): Promise<Response>;
}

function serveTest(name: string, body: (setting: Setting) => Promise<void>): void {
  Deno.test(name, async () => {
    const loopback = { hostname: "127.0.0.1", port: 0, onListen() {} };
    const demo = createDemoServer();
    const upstream = Deno.serve(loopback, demo.fetch);
    const url = `http://127.0.0.1:${upstream.addr.port}/mcp`;
    const connector = createMcpConnector({ url });
    const client = new AutoMCPClient("test", {
      maxAttempts: 2,
      groups: {
        demo: { connector, trustAnnotations: true },
        safe: { connector, operations: { cut: { effect: "safe" } } },
      },
    });
    const server = Deno.serve(loopback, createApp({ client, auth: "none" }).fetch);
    try {
      await body({
        demo,
        client,
        post: (operation, args, accept = "application/json", signal, more = "demo") =>
          fetch(
            `http://127.0.0.1:${server.addr.port}/v1/groups/${
              typeof more === "string" ? more : "demo"
            }/operations/${operation}`,
            {
              method: "POST",
              headers: {
                accept,
                "content-type": "application/json",
                ...(typeof more === "string" ? {} : more),
              },
              body: JSON.stringify(args),
              ...(signal !== undefined && { signal }),
            },
          ),
      });
    } finally {
      await server.shutdown();
      await client.close({ graceMs: 0 });
      await demo.close();
      await upstream.shutdown();
    }
  });
}
