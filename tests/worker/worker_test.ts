import { assert, assertEquals, assertGreater, assertLess, assertStringIncludes } from "@std/assert";
import type { TestHarness } from "wrangler";
import { createDemoServer, type DemoServer } from "../../examples/demo_server.ts";
import { assertSteps, readEvents } from "../hono/_read_events.ts";
import { startWorker } from "../support/worker.ts";
import { until } from "../support/until.ts";

const KEY = "a-key-of-ci";

workerTest("the Worker with keys", keyedConfig, async (t, { demo, get, post, call }) => {
  await t.step("serves health without a key", async () => {
    assertEquals(await (await get("/healthz", {})).json(), { status: "ok" });
  });

  await t.step("executes and lists", async () => {
    const response = await post("add", { a: 1, b: 2 });
    const { structuredContent, attempts } = await response.json();
    assertEquals([response.status, structuredContent, attempts], [200, { sum: 3 }, 1]);
    assertEquals(response.headers.get("automcp-attempts"), "1");
    const { groups: [group] } = await (await get("/v1/groups")).json();
    assertEquals([group.name, group.era, group.server.name, group.operations], [
      "demo",
      "modern",
      "automcp-demo",
      12,
    ]);
    const { operations } = await (await get("/v1/groups/demo/operations")).json();
    assertEquals(operations[0].effect, "safe");
  });

  await t.step("streams progress one by one", async () => {
    const response = await post("count", { steps: 4, delayMs: 150 }, {
      accept: "text/event-stream",
    });
    assertEquals(response.headers.get("content-type"), "text/event-stream");
    const events = await Array.fromAsync(readEvents(response));
    const steps = events.filter(({ event }) => event === "progress");
    assertSteps(steps.map(({ data }) => data.progress), 4);
    const [first] = steps;
    assertLess(performance.timeOrigin + first!.arrivedMs - Date.parse(first!.data.at), 300);
    assertEquals(events.at(-1)?.data.structuredContent, { counted: 4 });
    assertGreater(steps.at(-1)!.arrivedMs - steps[0]!.arrivedMs, 225);
  });

  await t.step("takes what curl -d sends", async () => {
    const type = "application/x-www-form-urlencoded";
    const response = await post("add", { a: 1, b: 2 }, { "content-type": type });
    assertEquals((await response.json()).structuredContent, { sum: 3 });
  });

  await t.step("repeats what was refused and charges once", async () => {
    const flaky = await (await post("flaky", { failures: 1 })).json();
    assertEquals(flaky.attempts, 2);
    await (await post("charge", { amount: 7 })).body?.cancel();
    assertEquals(demo.ledger, [{ id: 1, amount: 7 }]);
  });

  await t.step("reads a resource", async () => {
    const response = await post("resources%2Fread", { uri: "demo://charges/1" });
    const { operation, content: [{ resource }] } = await response.json();
    assertEquals([operation, JSON.parse(resource.text)], ["resources/read", { id: 1, amount: 7 }]);
    const missing = await post("resources%2Fread", { uri: "demo://charges/2" });
    assertEquals([missing.status, (await missing.json()).code], [404, "operation_not_found"]);
  });

  await t.step("does not repeat a cut call, unless it is safe", async () => {
    const before = demo.calls;
    const unknown = await post("cut", { afterSteps: 1 });
    const problem = await unknown.json();
    assertEquals([unknown.status, problem.code, problem.delivery], [
      502,
      "outcome_unknown",
      "unknown",
    ]);
    assertEquals(demo.calls, before + 1);
    const lost = await (await post("cut", { afterSteps: 1 }, {}, "safe")).json();
    assertEquals([lost.code, lost.attempts], ["connection_lost", 2]);
    assertEquals(demo.calls, before + 3);
  });

  await t.step("cancels when the reader of the events leaves", async () => {
    const caller = new AbortController();
    const response = await post(
      "count",
      { steps: 500, delayMs: 20 },
      { accept: "text/event-stream" },
      "demo",
      caller.signal,
    );
    for await (const { event } of readEvents(response)) if (event === "progress") break;
    caller.abort();
    // The harness goes on reading what the object no longer reads, so the server cannot tell.
    await until(async () => {
      const { groups } = await (await get("/v1/stats")).json();
      return groups.demo.failedByCode.cancelled === 1 && groups.demo.running === 0;
    });
  });

  await t.step("refuses what it must without a call to the server", async () => {
    const before = demo.calls;
    const add = "/v1/groups/demo/operations/add";
    const cases: [Response, number, string][] = [
      [await get("/v1/groups", {}), 401, "unauthorized"],
      [await get("/v1/groups", { authorization: "Bearer wrong" }), 401, "unauthorized"],
      [await post("add", {}, {}, "nope"), 404, "group_not_found"],
      [await post("nope", {}), 404, "operation_not_found"],
      [await post("add", { a: 1, b: "2" }), 400, "invalid_arguments"],
      [await post("add", "{", {}), 400, "invalid_request"],
      [await post("add", `{"a": "${"x".repeat(2 ** 20)}"}`), 413, "invalid_request"],
      [await post("add", "{}", { "content-type": "text/plain" }), 415, "invalid_request"],
      [await get(add), 405, "method_not_allowed"],
      [await get("/v1/nope"), 404, "invalid_request"],
      [await get("/nope"), 404, "invalid_request"],
    ];
    for (const [index, [response, status, code]] of cases.entries()) {
      const problem = await response.json();
      assertEquals([response.status, problem.code], [status, code], `case ${index}`);
      assertEquals(response.headers.get("content-type"), "application/problem+json");
      if (status === 401) assertStringIncludes(response.headers.get("www-authenticate")!, "Bearer");
      if (code === "invalid_arguments") assertEquals(problem.errors[0].pointer, "/b");
    }
    assertEquals(demo.calls, before);
  });

  await t.step("sets security headers on every answer", async () => {
    for (const path of ["/", "/healthz", "/v1/groups"]) {
      const response = await get(path, {});
      await response.body?.cancel();
      const policy = response.headers.get("content-security-policy") ?? "";
      assertStringIncludes(policy, "default-src 'none'");
      assert(!policy.includes("unsafe-inline"));
      assertEquals(response.headers.get("x-content-type-options"), "nosniff");
    }
  });

  await t.step(
    "finds an execution by its id in whatever shard it lives, and cancels it",
    async () => {
      const shards = new Set<string>();
      for (let i = 0; i < 40 && shards.size < 2; i++) {
        const response = await post("count", { steps: 200, delayMs: 50 }, {
          "accept": "text/event-stream",
          "automcp-on-disconnect": "detach",
        });
        const id = response.headers.get("automcp-execution-id")!;
        shards.add(id.split("-")[0]!);
        await response.body?.cancel();
        const state = await (await get(`/v1/executions/${id}`)).json();
        assertEquals([state.id, state.state], [id, "running"]);
        const cancelled = await call("DELETE", `/v1/executions/${id}`);
        assertEquals(cancelled.status, 202);
        await cancelled.body?.cancel();
        const events = await Array.fromAsync(readEvents(await get(`/v1/executions/${id}/events`)));
        assertEquals(events.at(-1)?.data.code, "cancelled");
      }
      assertEquals([...shards].sort(), ["0", "1"]);
      const unknown = await get("/v1/executions/7-nope");
      assertEquals([unknown.status, (await unknown.json()).code], [404, "execution_not_found"]);
    },
  );

  await t.step("spreads a principal over its shards", async () => {
    const names = new Set<string>();
    for (let i = 0; i < 40; i++) names.add((await (await get("/v1/stats")).json()).name);
    assertEquals([...names].sort(), ["ci/0", "ci/1"]);
  });
});

workerTest(
  "the Worker without a configuration",
  () => undefined,
  async (t, { get, post, demo }) => {
    await t.step("refuses everything under /v1 and stays healthy", async () => {
      for (const response of [await get("/v1/groups"), await post("add", {})]) {
        const { code } = await response.json();
        assertEquals([response.status, code], [503, "authentication_not_configured"]);
      }
      assertEquals((await get("/healthz")).status, 200);
      assertEquals(demo.calls, 0);
    });
  },
);

workerTest("the Worker with a broken configuration", brokenConfig, async (t, { get, harness }) => {
  await t.step("tells the caller that, and the log why", async () => {
    const response = await get("/v1/groups");
    const text = await response.text();
    assertEquals([response.status, JSON.parse(text).code], [503, "configuration_invalid"]);
    assert(!text.includes("demo") && !text.includes("MISSING"), text);
    const log = JSON.stringify(harness.getLogs());
    assertStringIncludes(
      log,
      "mcpServers.demo.headers.Authorization: the environment holds no MISSING",
    );
    assertStringIncludes(log, "mcpServers.demo.automcp.retries: is no known key");
    assertEquals((await get("/healthz")).status, 200);
  });
});

workerTest("the Worker open to everybody", openConfig, async (t, { get, post }) => {
  await t.step("asks for no key, and takes none of another site's pages", async () => {
    assertEquals((await (await post("add", { a: 1, b: 2 })).json()).success, true);
    const foreign = await get("/v1/groups", { origin: "https://evil.example" });
    assertEquals([foreign.status, (await foreign.json()).code], [403, "forbidden"]);
  });
});

async function keyedConfig(url: string): Promise<unknown> {
  const bytes = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(KEY));
  const sha256 = Array.from(new Uint8Array(bytes), (byte) => byte.toString(16).padStart(2, "0"))
    .join("");
  const policy = { trustAnnotations: true, maxAttempts: 2 };
  return {
    auth: { keys: [{ principal: "ci", sha256 }] },
    principals: { ci: { shards: 2 } },
    mcpServers: {
      demo: { url, headers: { "X-Token": "${TOKEN}" }, automcp: policy },
      safe: { url, automcp: { ...policy, operations: { cut: { effect: "safe" } } } },
    },
  };
}

function brokenConfig(url: string): unknown {
  const headers = { Authorization: "Bearer ${MISSING}" };
  return { auth: "none", mcpServers: { demo: { url, headers, automcp: { retries: 3 } } } };
}

function openConfig(url: string): unknown {
  return { auth: "none", mcpServers: { demo: { url, automcp: { trustAnnotations: true } } } };
}

interface Setting {
  readonly harness: TestHarness;
  readonly demo: DemoServer;
  call(method: string, path: string): Promise<Response>;
  get(path: string, headers?: Record<string, string>): Promise<Response>;
  post(
    operation: string,
    args: unknown,
    headers?: Record<string, string>,
    group?: string,
    signal?: AbortSignal,
  ): Promise<Response>;
}

function workerTest(
  name: string,
  config: (url: string) => unknown,
  body: (t: Deno.TestContext, setting: Setting) => Promise<void>,
): void {
  Deno.test({
    name,
    // The harness owns processes and sockets, and frees them in its own time.
    sanitizeOps: false,
    sanitizeResources: false,
    async fn(t) {
      const demo = createDemoServer();
      const upstream = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, demo.fetch);
      const json = await config(`http://127.0.0.1:${upstream.addr.port}/mcp`);
      const worker = await startWorker(json, { TOKEN: "t0p" });
      const key = { authorization: `Bearer ${KEY}` };
      try {
        const { url, harness } = worker;
        await body(t, {
          harness,
          demo,
          call: (method, path) => fetch(new URL(path, url), { method, headers: key }),
          get: (path, headers = key) => fetch(new URL(path, url), { headers }),
          post: (operation, args, headers = {}, group = "demo", signal) =>
            fetch(new URL(`/v1/groups/${group}/operations/${operation}`, url), {
              method: "POST",
              headers: { "content-type": "application/json", ...key, ...headers },
              body: typeof args === "string" ? args : JSON.stringify(args),
              ...(signal !== undefined && { signal }),
            }),
        });
      } finally {
        await worker[Symbol.asyncDispose]();
        await demo.close();
        await upstream.shutdown();
      }
    },
  });
}
