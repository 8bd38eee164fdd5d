import { assert, assertEquals, assertThrows } from "@std/assert";
import { AutoMCPClient } from "../../src/client/client.ts";
import { createEdgeConnector } from "../../src/edge/mod.ts";
import { createApp } from "../../src/hono/app.ts";
import type { Auth } from "../../src/hono/auth.ts";
import { settle } from "../support/fake_clock.ts";
import { startDemoEndpoint } from "../support/demo_endpoint.ts";
import { hang, MemoryConnector, text } from "../support/memory_connector.ts";
import { readEvents } from "./_read_events.ts";

type Call = (method: string, path: string, headers?: Record<string, string>) => Promise<Response>;

async function withApp(fn: (call: Call) => Promise<void>, auth: Auth = "none"): Promise<void> {
  const server = new MemoryConnector({
    operations: {
      hang,
      fail: () => Promise.reject(new Error("broken")),
      step(_request, { onProgress }) {
        onProgress({ progress: 1, total: 2 });
        return text("done");
      },
    },
  });
  const clients = new Map<string, AutoMCPClient>();
  const client = (principal: string): AutoMCPClient => {
    const known = clients.get(principal);
    if (known !== undefined) return known;
    const created = new AutoMCPClient(principal, { groups: { demo: { connector: server } } });
    clients.set(principal, created);
    return created;
  };
  const app = createApp({ client, auth });
  try {
    await fn(async (method, path, headers = {}) => await app.request(path, { method, headers }));
  } finally {
    for (const created of clients.values()) await created.close({ graceMs: 0 });
  }
}

const start = async (call: Call, operation: string): Promise<string> => {
  const response = await call("POST", `/v1/groups/demo/operations/${operation}`, {
    "accept": "text/event-stream",
    "automcp-on-disconnect": "detach",
  });
  await response.body!.cancel();
  return `/v1/executions/${response.headers.get("automcp-execution-id")}`;
};

Deno.test("GET /v1/executions/{id} tells where an execution stands and how it ended", async () => {
  await withApp(async (call) => {
    const running = await (await call("GET", await start(call, "hang"))).json();
    assertEquals([running.state, running.operation, running.attempts], ["running", "hang", 1]);

    const done = await call("GET", await start(call, "step"));
    const { state, response, endedAt, problem } = await done.json();
    assertEquals([state, response.status, problem], ["succeeded", "success", undefined]);
    assert(!Number.isNaN(Date.parse(endedAt)));
    assertEquals(done.headers.get("cache-control"), "no-store");

    const failed = await (await call("GET", await start(call, "fail"))).json();
    assertEquals([failed.state, failed.problem.code, failed.problem.status, failed.error], [
      "failed",
      "outcome_unknown",
      502,
      undefined,
    ]);
  });
});

Deno.test("DELETE /v1/executions/{id} asks for the cancellation, again and again", async () => {
  await withApp(async (call) => {
    const path = await start(call, "hang");
    const first = await call("DELETE", path);
    assertEquals([first.status, (await first.json()).id], [202, path.split("/").at(-1)]);
    await settle();
    const second = await call("DELETE", path);
    const { state, problem } = await second.json();
    assertEquals([second.status, state, problem.code], [200, "cancelled", "cancelled"]);
  });
});

Deno.test("GET /v1/executions/{id}/events goes on after the last event that a reader has", async () => {
  await withApp(async (call) => {
    const path = await start(call, "step");
    const expected = ["1 execution", "2 attempt", "3 progress", "4 result"];
    for (let after = 0; after < expected.length; after++) {
      for (const way of ["header", "query"]) {
        const response = way === "header"
          ? await call("GET", `${path}/events`, { "last-event-id": String(after) })
          : await call("GET", `${path}/events?after=${after}`);
        assertEquals(response.headers.get("content-type"), "text/event-stream");
        const events = await Array.fromAsync(readEvents(response));
        assertEquals(events.map(({ id, event }) => `${id} ${event}`), expected.slice(after));
      }
    }
    const wrong = await call("GET", `${path}/events`, { "last-event-id": "x" });
    assertEquals([wrong.status, (await wrong.json()).code], [400, "invalid_request"]);
  });
});

Deno.test("a reader of GET …/events that leaves does not cancel the execution", async () => {
  await withApp(async (call) => {
    const path = await start(call, "hang");
    const response = await call("GET", `${path}/events`);
    await response.body!.cancel();
    await settle();
    assertEquals((await (await call("GET", path)).json()).state, "running");
  });
});

Deno.test("AutoMCP-On-Disconnect takes 'cancel' and 'detach' alone", async () => {
  await withApp(async (call) => {
    const response = await call("POST", "/v1/groups/demo/operations/step", {
      "automcp-on-disconnect": "ignore",
    });
    assertEquals([response.status, (await response.json()).code], [400, "invalid_request"]);
  });
});

Deno.test("an execution does not exist for anybody but its principal", async () => {
  const digest = async (key: string): Promise<string> =>
    new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(key))).toHex();
  const keys = [
    { principal: "ann", sha256: await digest("a") },
    { principal: "bob", sha256: await digest("b") },
  ];
  await withApp(async (call) => {
    const as = (key: string): Call => (method, path, headers) =>
      call(method, path, { ...headers, authorization: `Bearer ${key}` });
    const path = await start(as("a"), "hang");
    for (const [method, suffix] of [["GET", ""], ["DELETE", ""], ["GET", "/events"]] as const) {
      const response = await as("b")(method, path + suffix);
      assertEquals([response.status, (await response.json()).code], [404, "execution_not_found"]);
    }
    assertEquals((await (await as("a")("GET", path)).json()).state, "running");
    assertEquals((await as("a")("GET", "/v1/executions/nope")).status, 404);
    const { name, groups } = await (await as("b")("GET", "/v1/stats")).json();
    assertEquals([name, groups.demo.started], ["bob", 0]);
  }, { keys });
  const shared = new AutoMCPClient("shared", { groups: {} });
  assertThrows(() => createApp({ client: shared, auth: { keys } }), TypeError, "'client'");
});

Deno.test("a request that arrives again, with its id, joins the execution that it started", async () => {
  await withApp(async (call) => {
    const headers = { "automcp-request-id": "r-1" };
    const path = "/v1/groups/demo/operations/";
    const [first, second] = await Promise.all([
      call("POST", `${path}step`, headers),
      call("POST", `${path}step`, { ...headers, accept: "text/event-stream" }),
    ]);
    const { executionId } = await first.json();
    const events = await Array.fromAsync(readEvents(second));
    assertEquals(events.at(-1)?.data.executionId, executionId);
    const third = await (await call("POST", `${path}step`, headers)).json();
    assertEquals(third.executionId, executionId);
    const { groups } = await (await call("GET", "/v1/stats")).json();
    assertEquals(groups.demo.started, 1);

    const other = await call("POST", `${path}fail`, headers);
    assertEquals([other.status, (await other.json()).code], [422, "idempotency_key_reused"]);
    const bad = await call("POST", `${path}step`, { "automcp-request-id": "two words" });
    assertEquals([bad.status, (await bad.json()).code], [400, "invalid_request"]);
  });
});

Deno.test("a defect is reported once, with the execution's id, however it is told", async () => {
  const reported: unknown[] = [];
  const broken = new MemoryConnector({
    operations: {
      fail: () => {
        throw new Error("broken");
      },
    },
  });
  const groups = { demo: { connector: broken, operations: { fail: { effect: "safe" as const } } } };
  const client = new AutoMCPClient("test", { groups });
  const app = createApp({
    client,
    auth: "none",
    onDefect: (defect, id) => void reported.push([(defect as { code: string }).code, id]),
  });
  const response = await app.request("/v1/groups/demo/operations/fail", { method: "POST" });
  const { code, executionId, attempts } = await response.json();
  assertEquals([response.status, code, attempts], [500, "internal", 1]);
  for (let i = 0; i < 3; i++) await app.request(`/v1/executions/${executionId}`);
  assertEquals(reported, [["internal", executionId]]);
  await client.close();
});

Deno.test("a reader of silent events that leaves is let go at once", async () => {
  await withApp(async (call) => {
    const path = await start(call, "hang");
    const response = await call("GET", `${path}/events`, { "last-event-id": "2" });
    const reader = response.body!.getReader();
    await reader.read(); // the stream's head; nothing follows while the execution hangs
    await reader.cancel();
    assertEquals((await (await call("GET", path)).json()).state, "running");
  });
});

Deno.test("createEdgeConnector() follows an execution over a network that breaks, without a gap", async () => {
  await using endpoint = await startDemoEndpoint();
  let cuts = 0;
  /** Cuts every stream after some bytes, as a bad network does. */
  const cutting: typeof fetch = async (input, init) => {
    const response = await fetch(input, init);
    if (!response.headers.get("content-type")?.startsWith("text/event-stream")) return response;
    let left = 700;
    const body = response.body!.pipeThrough(
      new TransformStream<Uint8Array, Uint8Array>({
        transform(chunk, controller) {
          controller.enqueue(chunk.subarray(0, left));
          left -= chunk.length;
          if (left > 0) return;
          cuts++;
          controller.error(new TypeError("The network broke"));
        },
      }),
    );
    return new Response(body, response);
  };
  const connector = createEdgeConnector({ url: endpoint.url, group: "demo", fetch: cutting });
  const client = new AutoMCPClient("page", { groups: { demo: { connector } } });
  try {
    const execution = client.group("demo").start("count", { steps: 12, delayMs: 150 });
    const seen: number[] = [];
    for await (const { progress } of execution.progress) seen.push(progress);
    assertEquals((await execution.response).structuredContent, { counted: 12 });
    assertEquals(seen, seen.toSorted((a, b) => a - b));
    assertEquals(seen.at(-1), 12);
    assert(cuts >= 2, `The network broke only ${cuts} times`);
    assertEquals(endpoint.demo.calls, 1);
  } finally {
    await client.close();
  }
});
