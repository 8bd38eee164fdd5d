import { assert, assertEquals, assertInstanceOf, assertRejects } from "@std/assert";
import { AutoMCPClient } from "../../src/client/client.ts";
import { createEdgeConnector, type EdgeEvent } from "../../src/edge/mod.ts";
import {
  AuthenticationError,
  CancelledError,
  ClientError,
  OutcomeUnknownError,
} from "../../src/errors/errors.ts";
import { startDemoEndpoint } from "../support/demo_endpoint.ts";
import { until } from "../support/until.ts";

/** A client over HTTP, as a browser has it, of a real endpoint before a real server. */
async function connect(options: { key?: string } = {}) {
  const host = await startDemoEndpoint({ key: "k1" });
  const events: EdgeEvent[] = [];
  const connector = createEdgeConnector({
    url: host.url,
    group: "demo",
    key: options.key ?? "k1",
    onEvent: (event) => events.push(event),
  });
  const client = new AutoMCPClient("page", { maxAttempts: 1, groups: { demo: { connector } } });
  return {
    demo: host.demo,
    group: client.group("demo"),
    events,
    async [Symbol.asyncDispose]() {
      await client.close();
      await host[Symbol.asyncDispose]();
    },
  };
}

Deno.test("an edge connector lists the endpoint's operations with their effects", async () => {
  await using edge = await connect();
  const { operations, era } = await edge.group.describe();
  assertEquals(era, "edge");
  assertEquals(Object.fromEntries(operations.map(({ name, effect }) => [name, effect])), {
    add: "safe",
    count: "safe",
    flaky: "idempotent",
    charge: "unsafe",
    ledger: "safe",
    cut: "unsafe",
    "resources/list": "safe",
    "resources/templates/list": "safe",
    "resources/read": "safe",
    "prompts/list": "safe",
    "prompts/get": "safe",
    "completion/complete": "safe",
  });
  const kinds = operations.map(({ kind }) => kind);
  assertEquals(kinds.slice(5, 7).concat(kinds.slice(-2)), [
    "tool",
    "resource",
    "prompt",
    "completion",
  ]);
});

Deno.test("an edge connector executes and hands progress on", async () => {
  await using edge = await connect();
  const sum = await edge.group.execute("add", { a: 1, b: 2 });
  assertEquals([sum.status, sum.structuredContent], ["success", { sum: 3 }]);
  const count = edge.group.start("count", { steps: 5, delayMs: 120 });
  const seen: (string | undefined)[] = [];
  for await (const { message } of count.progress) seen.push(message);
  assertEquals((await count.response).structuredContent, { counted: 5 });
  assert(seen.length >= 4, `${seen}`);
  assertEquals(seen.at(-1), "Step 5 of 5");
});

Deno.test("an edge connector reads resources and gets prompts, whose names hold a slash", async () => {
  await using edge = await connect();
  await edge.group.execute("charge", { amount: 5 });
  const uri = "demo://charges/1";
  const { content, structuredContent } = await edge.group.execute("resources/read", { uri });
  const resource = { uri, mimeType: "application/json", text: `{"id":1,"amount":5}` };
  assertEquals(content, [{ type: "resource", resource }]);
  assertEquals((structuredContent as { contents: unknown }).contents, [resource]);
  const prompt = { name: "reminder", arguments: { id: "1", tone: "firm" } };
  const [block] = (await edge.group.execute("prompts/get", prompt)).content;
  assertEquals(block?.["text"], "Write a firm reminder of charge 1.");
  const missing = edge.group.execute("resources/read", { uri: "demo://charges/2" });
  const error = await assertRejects(() => missing, ClientError);
  assertEquals([error.code, error.delivery, error.message], [
    "operation_not_found",
    "not_executed",
    "The server has no such resource",
  ]);
});

Deno.test("an edge connector leaves the repeats to the endpoint and tells of them", async () => {
  await using edge = await connect();
  const response = await edge.group.execute("flaky", { failures: 1 });
  assertEquals([response.status, response.attempts, edge.demo.calls], ["success", 1, 2]);
  const attempts = edge.events.filter(({ type }) => type === "attempt").map(({ data }) => data);
  const [, second] = attempts as { attempt: number; reason?: string }[];
  assertEquals([attempts.length, second?.attempt, second?.reason], [2, 2, "unavailable"]);
});

Deno.test("an edge connector keeps the faults of arguments", async () => {
  await using edge = await connect();
  const error = await assertRejects(
    () => edge.group.execute("count", { steps: -1 }),
    ClientError,
  );
  assertEquals([error.code, error.issues.map(({ pointer }) => pointer)], [
    "invalid_arguments",
    ["/steps"],
  ]);
  assertEquals(edge.demo.calls, 0);
});

Deno.test("an edge connector says that nobody knows whether an unsafe operation ran", async () => {
  await using edge = await connect();
  const error = await assertRejects(
    () => edge.group.execute("cut", { afterSteps: 1 }),
    OutcomeUnknownError,
  );
  assertEquals([error.delivery, edge.demo.calls], ["unknown", 1]);
});

Deno.test("an edge connector's cancel reaches the server", async () => {
  await using edge = await connect();
  const execution = edge.group.start("count", { steps: 1_000, delayMs: 50 });
  await until(() => edge.demo.inFlight === 1);
  execution.cancel();
  assertInstanceOf(await execution.response.catch((error) => error), CancelledError);
  await until(() => edge.demo.inFlight === 0);
  assertEquals(edge.demo.cancelled, 1);
});

Deno.test("an edge connector rejects with the caller's own reason", async () => {
  await using edge = await connect();
  const controller = new AbortController();
  const { signal } = controller;
  const response = edge.group.execute("count", { steps: 1_000, delayMs: 50 }, { signal });
  const rejection = response.catch((error) => error);
  await until(() => edge.demo.inFlight === 1);
  const reason = new Error("enough");
  controller.abort(reason);
  assertEquals(await rejection, reason);
  await until(() => edge.demo.inFlight === 0);
});

Deno.test("an edge connector says when the key is refused", async () => {
  await using edge = await connect({ key: "wrong" });
  const error = await assertRejects(() => edge.group.execute("add", { a: 1, b: 2 }));
  assertInstanceOf(error, AuthenticationError);
  assertEquals(error.code, "unauthorized");
});
