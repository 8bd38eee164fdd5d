import { assert, assertEquals, assertGreater } from "@std/assert";
import { AutoMCPClient } from "../../src/client/client.ts";
import type { Connector } from "../../src/client/ports.ts";
import { createClientError } from "../../src/errors/errors.ts";
import { createApp } from "../../src/hono/app.ts";
import { FakeClock, settle } from "../support/fake_clock.ts";
import {
  deadConnector,
  hang,
  MemoryConnector,
  refuseBad,
  text,
} from "../support/memory_connector.ts";
import { readEvents } from "./_read_events.ts";

Deno.test("streamEvents numbers every event from the state document to the result", async () => {
  const server = new MemoryConnector({
    operations: {
      count(_request, { onProgress }) {
        onProgress({ progress: 1, total: 2, message: "Half" });
        return text("done");
      },
    },
  });
  await withApp(server, async (post) => {
    const response = await post("count");
    assertEquals(response.status, 200);
    assertEquals(response.headers.get("content-type"), "text/event-stream");
    assertEquals(response.headers.get("cache-control"), "no-cache, no-transform");
    const body = await response.text();
    assert(body.startsWith("retry: 1000\nid: 1\nevent: execution\n"), body);
    const events = await Array.fromAsync(readEvents(new Response(body)));
    const id = response.headers.get("automcp-execution-id");
    assertEquals(events.map(({ id, event }) => `${id} ${event}`), [
      "1 execution",
      "2 attempt",
      "3 progress",
      "4 result",
    ]);
    const [execution, attempt, progress, result] = events.map(({ data }) => data);
    assertEquals([execution.id, execution.operation, execution.state], [id, "count", "running"]);
    assertEquals(attempt.attempt, 1);
    const { at, ...rest } = progress;
    assertEquals(rest, { attempt: 1, progress: 1, total: 2, fraction: 0.5, message: "Half" });
    assert(!Number.isNaN(Date.parse(at)));
    assertEquals([result.executionId, result.status, result.attempts], [id, "success", 1]);
  });
});

Deno.test("streamEvents tells each new attempt, why it was made, and the failure at last", async () => {
  const server = new MemoryConnector({
    operations: {
      later: () => Promise.reject(createClientError("rate_limited", "Later", { retryAfterMs: 5 })),
    },
  });
  await withApp(server, async (post) => {
    const events = await Array.fromAsync(readEvents(await post("later")));
    assertEquals(events.map(({ event }) => event), ["execution", "attempt", "attempt", "error"]);
    const [, , second, last] = events.map(({ data }) => data);
    assertEquals([second.attempt, second.reason], [2, "rate_limited"]);
    assertGreater(second.waitMs, 0);
    assertEquals([last.code, last.status, last.attempts], ["rate_limited", 429, 2]);
  });
});

Deno.test("streamEvents leaves a refusal before the first send its HTTP status", async () => {
  const server = new MemoryConnector({ validate: refuseBad, operations: { add: () => text("3") } });
  await withApp(server, async (post) => {
    for (
      const [operation, body, status, code] of [
        ["nope", "{}", 404, "operation_not_found"],
        ["add", '{"bad": 1}', 400, "invalid_arguments"],
      ] as const
    ) {
      const response = await post(operation, body);
      assertEquals([response.status, (await response.json()).code], [status, code]);
    }
  });
  assertEquals(server.requests, []);
});

Deno.test("streamEvents starts at once though the server does not answer", async () => {
  const silent: Connector = {
    name: "silent",
    connect: ({ signal }) =>
      new Promise((_resolve, reject) =>
        signal.addEventListener("abort", () => reject(signal.reason), { once: true })
      ),
  };
  await withApp(silent, async (post) => {
    const response = await post("add");
    const reader = response.body!.getReader();
    const { value } = await reader.read();
    assert(new TextDecoder().decode(value).includes("event: execution"));
    await reader.cancel();
  });
});

Deno.test("streamEvents cancels the execution when its reader leaves", async () => {
  let reason: unknown;
  const server = new MemoryConnector({
    operations: {
      slow: (request, options) => {
        options.signal.addEventListener("abort", () => reason = options.signal.reason);
        return hang(request, options);
      },
    },
  });
  await withApp(server, async (post, client) => {
    const response = await post("slow");
    await response.body!.cancel();
    await settle();
    assert(reason !== undefined);
    assertEquals(client.group("demo").retryStats.running, 0);
  });
});

Deno.test("streamEvents shows every 12 s that it lives, and leaves no timer behind", async () => {
  const clock = new FakeClock();
  const server = new MemoryConnector({ operations: { slow: hang } });
  const client = new AutoMCPClient("test", {
    timeoutMs: 60_000,
    groups: { demo: { connector: server } },
  });
  const app = createApp({ client, auth: "none", clock });
  try {
    const response = await app.request("/v1/groups/demo/operations/slow", {
      method: "POST",
      headers: { accept: "text/event-stream" },
    });
    const chunks: string[] = [];
    const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
    while (!chunks.join("").includes("event: attempt")) chunks.push((await reader.read()).value!);
    await clock.advance(11_999);
    assertEquals(clock.timers, 1);
    await clock.advance(1);
    assertEquals((await reader.read()).value, ": keep-alive\n\n");
    await clock.advance(12_000);
    assertEquals((await reader.read()).value, ": keep-alive\n\n");
    await reader.cancel();
    assertEquals(clock.timers, 0);
  } finally {
    await client.close({ graceMs: 0 });
  }
});

Deno.test("streamEvents leaves a dead server its HTTP status", async () => {
  await withApp(deadConnector, async (post) => {
    const response = await post("add");
    assertEquals([response.status, (await response.json()).code], [502, "connection_refused"]);
  });
});

async function withApp(
  connector: Connector,
  body: (
    post: (operation: string, body?: string) => Promise<Response>,
    client: AutoMCPClient,
  ) => Promise<void>,
): Promise<void> {
  const client = new AutoMCPClient("test", { groups: { demo: { connector, maxAttempts: 2 } } });
  const app = createApp({ client, auth: "none" });
  try {
    await body(
      async (operation, body = "{}") =>
        await app.request(`/v1/groups/demo/operations/${operation}`, {
          method: "POST",
          headers: { "content-type": "application/json", accept: "text/event-stream" },
          body,
        }),
      client,
    );
  } finally {
    await client.close({ graceMs: 0 });
  }
}
