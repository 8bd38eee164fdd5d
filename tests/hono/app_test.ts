import { assert, assertEquals, assertMatch } from "@std/assert";
import { AutoMCPClient } from "../../src/client/client.ts";
import type { GroupConfig } from "../../src/client/config.ts";
import { createClientError } from "../../src/errors/errors.ts";
import { type AppOptions, createApp } from "../../src/hono/app.ts";
import {
  deadConnector,
  hang,
  MemoryConnector,
  refuseBad,
  text,
} from "../support/memory_connector.ts";

const ADD = "/v1/groups/demo/operations/add";

appTest(
  "createApp executes an operation and answers with its response",
  async ({ ask, server }) => {
    const response = await ask(ADD, { a: 1 });
    assertEquals(response.status, 200);
    const { executionId, startedAt, elapsedMs, ...rest } = await response.json();
    assertEquals(rest, {
      group: "demo",
      operation: "add",
      status: "success",
      success: true,
      content: [{ type: "text", text: "3" }],
      attempts: 1,
    });
    assert(!Number.isNaN(Date.parse(startedAt)) && elapsedMs >= 0);
    assertEquals(response.headers.get("automcp-execution-id"), executionId);
    assertEquals(response.headers.get("automcp-attempts"), "1");
    assertMatch(response.headers.get("server-timing")!, /^execution;dur=\d+\.\d$/);
    assertEquals(server.requests.map((attempt) => attempt.arguments), [{ a: 1 }]);
  },
);

appTest("createApp answers 200 for an operation that ran and said no", async ({ ask }) => {
  const response = await ask("/v1/groups/demo/operations/refuse", {});
  const { status, success } = await response.json();
  assertEquals([response.status, status, success], [200, "error", false]);
});

appTest("createApp takes no body for no arguments", async ({ app, server }) => {
  const response = await app.request(ADD, { method: "POST" });
  assertEquals(response.status, 200);
  await response.body?.cancel();
  assertEquals(server.requests[0]!.arguments, {});
});

appTest("createApp passes the trace context on, and only a valid one", async ({ ask, server }) => {
  const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  await (await ask(ADD, {}, { traceparent, tracestate: "a=1" })).body?.cancel();
  await (await ask(ADD, {}, { traceparent: "00-0-0-01", tracestate: "a=1" })).body?.cancel();
  assertEquals(server.requests.map((attempt) => attempt.trace), [
    { traceparent, tracestate: "a=1" },
    undefined,
  ]);
});

appTest("createApp answers each failure with its problem", async ({ ask }) => {
  const problems: [string, number, string, string][] = [
    ["later", 429, "rate_limited", "not_executed"],
    ["lose", 502, "outcome_unknown", "unknown"],
    ["locked", 502, "server_unauthorized", "not_executed"],
  ];
  for (const [operation, status, code, delivery] of problems) {
    const response = await ask(`/v1/groups/demo/operations/${operation}`, {});
    const problem = await response.json();
    assertEquals([response.status, problem.code, problem.delivery], [status, code, delivery]);
    assertEquals(response.headers.get("content-type"), "application/problem+json");
    assertEquals(problem.executionId, response.headers.get("automcp-execution-id"));
    assertEquals(String(problem.attempts), response.headers.get("automcp-attempts"));
  }
});

appTest("createApp shows nothing of a defect but an id", async ({ app, client, defects }) => {
  client.stats = () => {
    throw new TypeError("s3cr3t");
  };
  const response = await app.request("/v1/stats");
  const body = await response.text();
  assertEquals([response.status, JSON.parse(body).code], [500, "internal"]);
  assert(!body.includes("s3cr3t"), body);
  const [[defect, id]] = defects as [[Error, string]];
  assertEquals(defect.message, "s3cr3t");
  assert(body.includes(id));
});

appTest("createApp sends nothing for a request that it refuses", async ({ app, ask, server }) => {
  const json = { "content-type": "application/json" };
  const deep = "[".repeat(70) + "]".repeat(70);
  const cases: [Response, number, string][] = [
    [await ask("/v1/groups/nope/operations/add", {}), 404, "group_not_found"],
    [await ask("/v1/groups/demo/operations/nope", {}), 404, "operation_not_found"],
    [await ask(ADD, { bad: 1 }), 400, "invalid_arguments"],
    [await post("{"), 400, "invalid_request"],
    [await post("[]"), 400, "invalid_request"],
    [await post("null"), 400, "invalid_request"],
    [await post('"a"'), 400, "invalid_request"],
    [await post(`{"a": ${deep}}`), 400, "invalid_request"],
    [await post(Uint8Array.of(0x7b, 0x22, 0xff, 0x22, 0x7d)), 400, "invalid_request"],
    [await post("{}", { "content-type": "text/plain" }), 415, "invalid_request"],
    [await post(`{"a": "${"x".repeat(2 ** 20)}"}`), 413, "invalid_request"],
    [await post(endless()), 413, "invalid_request"],
    [await ask(ADD, {}, { "idempotency-key": "k" }), 400, "invalid_request"],
    [await ask(ADD, {}, { "automcp-timeout-ms": "0" }), 400, "invalid_request"],
    [await ask(ADD, {}, { "automcp-timeout-ms": "1.5" }), 400, "invalid_request"],
    [await ask(ADD, {}, { "automcp-timeout-ms": "30001" }), 400, "invalid_request"],
    [await app.request("/v1/nope"), 404, "invalid_request"],
    [await app.request("/nope"), 404, "invalid_request"],
    [await app.request(ADD, { method: "PUT" }), 405, "method_not_allowed"],
    [await app.request("/v1/groups", { method: "DELETE" }), 405, "method_not_allowed"],
  ];
  for (const [index, [response, status, code]] of cases.entries()) {
    const problem = await response.json();
    assertEquals(
      [response.status, problem.code, problem.status],
      [status, code, status],
      `${index}`,
    );
    assertEquals(response.headers.get("content-type"), "application/problem+json");
  }
  assertEquals(cases.at(-2)![0].headers.get("allow"), "POST");
  assertEquals(cases.at(-1)![0].headers.get("allow"), "GET, HEAD");
  assertEquals(server.requests, []);

  function post(body: BodyInit, headers: Record<string, string> = json): Promise<Response> {
    return Promise.resolve(app.request(ADD, { method: "POST", headers, body }));
  }
});

appTest("createApp points at the faults of the arguments", async ({ ask }) => {
  const { errors } = await (await ask(ADD, { bad: 1 })).json();
  assertEquals(errors, [{ pointer: "/bad", message: "must not be there" }]);
});

appTest("createApp checks the caller before the route", async ({ app }) => {
  for (const path of ["/v1/groups", "/v1/nope", ADD]) {
    const response = await app.request(path);
    assertEquals((await response.json()).code, "unauthorized", path);
  }
  assertEquals(await (await app.request("/healthz")).json(), { status: "ok" });
}, { auth: { keys: [{ principal: "ci", sha256: "0".repeat(64) }] } });

appTest("createApp lists the groups, dead ones too", async ({ app }) => {
  const response = await app.request("/v1/groups");
  const { groups: [demo, dead, ...others] } = await response.json();
  assertEquals(others, []);
  assertEquals(demo, {
    name: "demo",
    title: "Memory",
    state: "open",
    server: { name: "memory", version: "1.0.0", title: "Memory" },
    era: "modern",
    operations: 6,
  });
  assertEquals([dead.name, dead.state, dead.problem.code], [
    "dead",
    "failed",
    "connection_refused",
  ]);
});

appTest("createApp lists a group's operations and knows an unchanged list", async ({ app }) => {
  const path = "/v1/groups/demo/operations";
  const response = await app.request(path);
  const { group, operations } = await response.json();
  assertEquals([group, operations.length], ["demo", 6]);
  assertEquals(operations[0], {
    name: "add",
    kind: "tool",
    inputSchema: { type: "object" },
    hints: {},
    effect: "unsafe",
    timeoutMs: 30_000,
  });
  assertMatch(response.headers.get("cache-control")!, /^private, max-age=(59|60)$/);
  const etag = response.headers.get("etag")!;
  const again = await app.request(path, { headers: { "if-none-match": etag } });
  assertEquals(again.status, 304);
});

appTest("createApp answers with a problem for the operations of a dead server", async ({ app }) => {
  const response = await app.request("/v1/groups/dead/operations");
  assertEquals([response.status, (await response.json()).code], [502, "connection_refused"]);
});

appTest("createApp shows the client's stats", async ({ app, client }) => {
  const response = await app.request("/v1/stats");
  assertEquals(await response.json(), JSON.parse(JSON.stringify(client.stats())));
});

appTest("createApp cancels the execution when the caller leaves", async ({ app, server }) => {
  const caller = new AbortController();
  const answer = app.request("/v1/groups/demo/operations/slow", {
    method: "POST",
    signal: caller.signal,
  });
  while (server.requests.length === 0) await new Promise((resolve) => setTimeout(resolve, 1));
  caller.abort();
  const response = await answer;
  assertEquals([response.status, (await response.json()).code], [409, "cancelled"]);
});

interface Setting {
  readonly app: ReturnType<typeof createApp>;
  readonly client: AutoMCPClient;
  readonly server: MemoryConnector;
  readonly defects: [unknown, string][];
  /** Posts arguments. */
  ask(path: string, args: unknown, headers?: Record<string, string>): Promise<Response>;
}

function appTest(
  name: string,
  body: (setting: Setting) => Promise<void>,
  options: Partial<AppOptions> = { auth: "none" },
): void {
  Deno.test(name, async () => {
    const server = new MemoryConnector({
      validate: refuseBad,
      operations: {
        add: () => text("3"),
        refuse: () => text("No", "error"),
        later: () =>
          Promise.reject(createClientError("rate_limited", "Later", { retryAfterMs: 1 })),
        lose: () => Promise.reject(createClientError("connection_lost", "It broke")),
        locked: () => Promise.reject(createClientError("unauthorized", "The server said 401")),
        slow: hang,
      },
    });
    const groups: Record<string, GroupConfig> = {
      demo: { connector: server, maxAttempts: 2 },
      dead: { connector: deadConnector, maxAttempts: 1 },
    };
    const client = new AutoMCPClient("test", { groups });
    const defects: [unknown, string][] = [];
    const app = createApp({
      client,
      onDefect: (defect, id) => void defects.push([defect, id]),
      ...options,
    });
    try {
      await body({
        app,
        client,
        server,
        defects,
        ask: async (path, args, headers = {}) =>
          await app.request(path, {
            method: "POST",
            headers: { "content-type": "application/json", ...headers },
            body: JSON.stringify(args),
          }),
      });
    } finally {
      await client.close();
    }
  });
}

/** A body that grows until nobody reads it any more. */
function endless(): ReadableStream<Uint8Array> {
  return new ReadableStream({ pull: (controller) => controller.enqueue(new Uint8Array(65_536)) });
}
