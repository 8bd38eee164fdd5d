import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertMatch,
  assertRejects,
  assertThrows,
} from "@std/assert";
import type { Connection, ExecutionRequest } from "../../src/client/ports.ts";
import { createEdgeConnector, type EdgeConnectorOptions } from "../../src/edge/mod.ts";
import { ClientError } from "../../src/errors/errors.ts";
import { healthOf } from "../../src/errors/health.ts";
import type { ProgressReport } from "../../src/progress/events.ts";
import { Deadline } from "../../src/resilience/deadline.ts";
import { FakeClock, settle } from "../support/fake_clock.ts";

const RESULT = { status: "success" as const, content: [{ type: "text", text: "3" }] };
const RESULT_EVENT = event("result", 9, { ...RESULT, success: true, executionId: "x1" });
const STARTED_EVENT = event("execution", 1, { id: "x1" });
const ADD: ExecutionRequest = {
  operation: { name: "add/numbers", kind: "tool", inputSchema: { type: "object" }, hints: {} },
  arguments: { a: 1, b: 2 },
  effect: "unsafe",
  attempt: 1,
};

function event(type: string, id: number, data: unknown): string {
  return `event: ${type}\nid: ${id}\ndata: ${JSON.stringify(data)}\n\n`;
}

/** A stream that ends after its text, or stays open. */
function stream(text: string, options: { open?: boolean } = {}): Response {
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      controller.enqueue(new TextEncoder().encode(text));
      if (!options.open) controller.close();
    },
  });
  return new Response(body, { headers: { "content-type": "text/event-stream" } });
}

/** An endpoint that gives its answers in order, and what it was asked. */
class FakeEndpoint {
  readonly clock = new FakeClock();
  readonly requests: Request[] = [];
  readonly progress: ProgressReport[] = [];
  readonly lengths: number[] = [];
  readonly #answers: (() => Response | Promise<Response>)[];

  constructor(...answers: (() => Response | Promise<Response>)[]) {
    this.#answers = answers;
  }

  connect(options: Partial<EdgeConnectorOptions> = {}): Promise<Connection> {
    const connector = createEdgeConnector({
      url: "https://edge.example/base",
      group: "demo",
      clock: this.clock,
      fetch: (input, init) => {
        const request = new Request(input, init);
        this.requests.push(request);
        const answer = this.#answers.shift();
        if (answer === undefined) throw new Error(`Not expected: ${request.method} ${request.url}`);
        return Promise.resolve(answer());
      },
      ...options,
    });
    return connector.connect(this.options());
  }

  options(signal = new AbortController().signal, timeoutMs = 30_000) {
    return { signal, deadline: Deadline.after(timeoutMs, this.clock) };
  }

  execute(connection: Connection, options = this.options(), request = {}) {
    return connection.execute(
      { ...ADD, ...request },
      {
        ...options,
        onProgress: (report) => this.progress.push(report),
        onSend: (bytes) => this.lengths.push(bytes),
      },
    );
  }
}

Deno.test("execute() posts the arguments and follows the events to the result", async () => {
  const edge = new FakeEndpoint(() =>
    stream(
      STARTED_EVENT + event("attempt", 2, { attempt: 1 }) +
        event("progress", 3, {
          attempt: 1,
          progress: 1,
          total: 4,
          message: "one",
          fraction: 0.25,
        }) +
        event("progress", 4, { progress: "?" }) + event("later", 5, {}) + RESULT_EVENT,
    )
  );
  const seen: string[] = [];
  const connection = await edge.connect({ key: "k-1", onEvent: ({ type }) => seen.push(type) });
  const trace = { traceparent: "00-1-2-01", tracestate: "a=b" };
  assertEquals(await edge.execute(connection, undefined, { trace }), RESULT);
  assertEquals(edge.progress, [{ progress: 1, total: 4, message: "one" }]);
  assertEquals(seen, ["execution", "attempt", "progress", "progress", "later", "result"]);

  const [request] = edge.requests;
  assert(request !== undefined);
  assertEquals([request.method, request.url, await request.json()], [
    "POST",
    "https://edge.example/base/v1/groups/demo/operations/add%2Fnumbers",
    { a: 1, b: 2 },
  ]);
  const { "automcp-request-id": requestId, ...headers } = Object.fromEntries(request.headers);
  assertMatch(requestId!, /^[0-9a-f-]{36}$/);
  assertEquals(headers, {
    accept: "text/event-stream",
    authorization: "Bearer k-1",
    "automcp-on-disconnect": "detach",
    "automcp-timeout-ms": "29750",
    "content-type": "application/json",
    traceparent: "00-1-2-01",
    tracestate: "a=b",
  });
  await connection.close();
  assertEquals(edge.clock.timers, 0);
});

Deno.test("execute() leaves the endpoint a whole number of milliseconds >= 1", async () => {
  for (
    const [timeoutMs, expected] of [[1.5, "1"], [0, "1"], [100, "90"], [Infinity, null]] as const
  ) {
    const edge = new FakeEndpoint(() => stream(RESULT_EVENT));
    const connection = await edge.connect();
    await edge.execute(connection, edge.options(undefined, timeoutMs));
    assertEquals(edge.requests[0]?.headers.get("automcp-timeout-ms"), expected);
  }
});

Deno.test("execute() turns an error event into its ClientError", async () => {
  const problem = { code: "invalid_arguments", errors: [{ pointer: "/a", message: "is missing" }] };
  const edge = new FakeEndpoint(() => stream(event("error", 1, problem)));
  const connection = await edge.connect();
  const error = await assertRejects(() => edge.execute(connection), ClientError);
  assertEquals([error.code, error.issues], ["invalid_arguments", problem.errors]);
});

Deno.test("execute() turns a refusal into its ClientError", async () => {
  const edge = new FakeEndpoint(() =>
    new Response(JSON.stringify({ code: "shed", delivery: "not_sent", retryAfterMs: 5 }), {
      status: 503,
      headers: { "content-type": "application/problem+json" },
    })
  );
  const connection = await edge.connect();
  const error = await assertRejects(() => edge.execute(connection), ClientError);
  assertEquals([error.code, error.delivery, error.retryAfterMs], ["shed", "not_sent", 5]);
});

Deno.test("execute() tells what an unusable answer proves", async () => {
  const facts = async (answer: () => Response | Promise<Response>) => {
    const edge = new FakeEndpoint(answer);
    const connection = await edge.connect();
    const error = await assertRejects(() => edge.execute(connection), ClientError);
    assertEquals(edge.clock.timers, 0);
    return [error.code, error.delivery, healthOf(error)];
  };
  const unusable = ["protocol_error", "unknown", "answered"];
  assertEquals(await facts(() => Response.json({})), unusable);
  assertEquals(await facts(() => stream(event("error", 1, {}))), unusable);
  assertEquals(await facts(() => stream(event("result", 1, {}))), [
    "invalid_result",
    "executed",
    "answered",
  ]);
  assertEquals(await facts(() => stream("")), ["connection_lost", "unknown", "none"]);
  assertEquals(await facts(() => Promise.reject(new TypeError("x"))), [
    "connection_lost",
    "unknown",
    "hard",
  ]);
  assertEquals(await facts(() => stream("data: " + "x".repeat(16 * 2 ** 20))), unusable);
});

Deno.test("execute() takes a broken stream up again after the last event", async () => {
  const edge = new FakeEndpoint(
    () => stream("retry: 300\n" + event("execution", 1, { id: "x 1" })),
    () => Promise.reject(new TypeError("offline")),
    () => stream(event("progress", 2, { progress: 1 }) + "event: progress\nid: 3"),
    () => stream(event("progress", 3, { progress: 2 }) + RESULT_EVENT),
  );
  const connection = await edge.connect();
  const result = edge.execute(connection);
  await edge.clock.advance(1_000);
  assertEquals(await result, RESULT);
  assertEquals(edge.lengths, [JSON.stringify(ADD.arguments).length]);
  assert(!connection.stateful);
  assertEquals(edge.clock.sleeps, [300, 300, 300]);
  assertEquals(edge.progress.map(({ progress }) => progress), [1, 2]);
  assertEquals(
    edge.requests.map((r) => [r.method, r.headers.get("last-event-id")]),
    [["POST", null], ["GET", "1"], ["GET", "1"], ["GET", "2"]],
  );
  assertEquals(edge.requests[1]?.url, "https://edge.example/base/v1/executions/x%201/events");
});

Deno.test("execute() gives a stream up that ends again and again without an event", async () => {
  const ends = Array.from({ length: 5 }, () => () => stream(": still here\n\n"));
  const edge = new FakeEndpoint(() => stream(STARTED_EVENT), ...ends);
  const connection = await edge.connect();
  const result = assertRejects(() => edge.execute(connection), ClientError);
  await edge.clock.advance(20_000);
  const error = await result;
  assertEquals([error.code, error.delivery, edge.requests.length], [
    "connection_lost",
    "unknown",
    6,
  ]);
  assertEquals(edge.clock.timers, 0);
});

Deno.test("execute() does not come back for an execution that the endpoint forgot", async () => {
  const edge = new FakeEndpoint(
    () => stream(STARTED_EVENT),
    () => new Response(null, { status: 404 }),
  );
  const connection = await edge.connect();
  const result = assertRejects(() => edge.execute(connection), ClientError);
  await edge.clock.advance(1_000);
  const error = await result;
  assertEquals([error.code, error.delivery], ["connection_lost", "unknown"]);
  assertInstanceOf(error.cause, ClientError);
});

Deno.test("execute() takes a silent stream for lost after 30 s", async () => {
  const edge = new FakeEndpoint(
    () => stream(STARTED_EVENT, { open: true }),
    () => stream(RESULT_EVENT),
  );
  const connection = await edge.connect();
  const result = edge.execute(connection, edge.options(undefined, 60_000));
  await edge.clock.advance(29_999);
  assertEquals(edge.requests.length, 1);
  await edge.clock.advance(1_001);
  assertEquals([await result, edge.requests.length], [RESULT, 2]);
});

Deno.test("execute() rejects with the reason of an abort and cancels on the endpoint", async () => {
  const edge = new FakeEndpoint(
    () => stream(STARTED_EVENT, { open: true }),
    () => new Response(null, { status: 202 }),
  );
  const connection = await edge.connect();
  const controller = new AbortController();
  const result = edge.execute(connection, edge.options(controller.signal));
  await settle();
  const reason = new Error("enough");
  controller.abort(reason);
  assertEquals(await assertRejects(() => result), reason);
  await connection.close();
  const [, request] = edge.requests;
  assertEquals(
    [request?.method, request?.url],
    ["DELETE", "https://edge.example/base/v1/executions/x1"],
  );
  assertEquals(edge.clock.timers, 0);
});

Deno.test("execute() cancels on the endpoint also if the abort came before the answer", async () => {
  const answer = Promise.withResolvers<Response>();
  const edge = new FakeEndpoint(() => answer.promise, () => new Response(null, { status: 202 }));
  const connection = await edge.connect();
  const controller = new AbortController();
  const result = edge.execute(connection, edge.options(controller.signal));
  const reason = new Error("enough");
  controller.abort(reason);
  assertEquals(await assertRejects(() => result), reason);
  answer.resolve(stream(STARTED_EVENT, { open: true }));
  await settle();
  assertEquals(edge.requests.map(({ method }) => method), ["POST", "DELETE"]);
  await connection.close();
  assertEquals(edge.clock.timers, 0);
});

Deno.test("execute() sends nothing once aborted or closed", async () => {
  const edge = new FakeEndpoint();
  const connection = await edge.connect();
  const reason = new Error("before");
  const options = edge.options(AbortSignal.abort(reason));
  assertEquals(await assertRejects(() => edge.execute(connection, options)), reason);
  await connection.close();
  assert(connection.closed.aborted);
  const error = await assertRejects(() => edge.execute(connection), ClientError);
  assertEquals([error.code, error.delivery, healthOf(error)], [
    "connection_lost",
    "not_sent",
    "none",
  ]);
  assertEquals(edge.requests.length, 0);
});

Deno.test("close() ends what runs, on the endpoint too", async () => {
  const edge = new FakeEndpoint(
    () => stream(STARTED_EVENT, { open: true }),
    () => Response.json({}, { status: 202 }),
  );
  const connection = await edge.connect();
  const result = assertRejects(() => edge.execute(connection), ClientError);
  await settle();
  await connection.close();
  assertEquals((await result).code, "connection_lost");
  assertEquals(edge.requests.map(({ method }) => method), ["POST", "DELETE"]);
  assertEquals(edge.clock.timers, 0);
});

Deno.test("execute() asks for no more time than the endpoint grants the operation", async () => {
  const operations = [{
    name: "add/numbers",
    kind: "tool",
    inputSchema: {},
    hints: {},
    timeoutMs: 10_000,
  }];
  const edge = new FakeEndpoint(
    () => Response.json({ operations }),
    () => stream(STARTED_EVENT, { open: true }),
    () => Response.json({}, { status: 202 }),
  );
  const connection = await edge.connect();
  await connection.describe(edge.options());
  const result = assertRejects(() => edge.execute(connection), ClientError);
  await settle();
  await connection.close();
  await result;
  assertEquals(edge.requests[1]?.headers.get("automcp-timeout-ms"), "10000");
});

Deno.test("describe() lists the operations for as long as the answer stays fresh", async () => {
  const operations = [
    { name: "add", kind: "tool" as const, inputSchema: {}, hints: {}, effect: "safe" as const },
  ];
  const list = (headers: Record<string, string>) => () =>
    Response.json({ operations }, { headers });
  const edge = new FakeEndpoint(
    list({ "cache-control": "private, max-age=60" }),
    list({ "cache-control": "no-store, max-age=60" }),
    list({}),
    () => Response.json({ operations: [{}] }),
  );
  const connection = await edge.connect();
  const ttls: number[] = [];
  for (let i = 0; i < 3; i++) {
    const answer = await connection.describe(edge.options());
    assertEquals(answer.operations, operations);
    ttls.push(answer.ttlMs);
  }
  assertEquals(ttls, [60_000, 0, 0]);
  const error = await assertRejects(() => connection.describe(edge.options()), ClientError);
  assertEquals(error.code, "protocol_error");
});

Deno.test("check() asks whether the endpoint serves at all", async () => {
  const edge = new FakeEndpoint(
    () => new Response("ok"),
    () => new Response(null, { status: 500 }),
  );
  const connection = await edge.connect();
  await connection.check(edge.options());
  assertEquals(edge.requests[0]?.url, "https://edge.example/base/healthz");
  const error = await assertRejects(() => connection.check(edge.options()), ClientError);
  assertEquals(error.code, "unavailable");
});

Deno.test("createEdgeConnector() refuses what it cannot use", () => {
  const refuses = (options: object, message: string) =>
    assertThrows(
      () => createEdgeConnector({ url: "https://x", group: "g", ...options }),
      TypeError,
      message,
    );
  refuses({ url: "/here" }, "'url' must be an absolute http: or https: URL");
  refuses({ url: "ftp://x" }, "'url'");
  refuses({ group: "" }, "'group' must be a name");
  refuses({ key: "two words" }, "'key' must be a bearer token: current value is not shown");
  refuses({ keys: "x" }, "did you mean 'key'?");
  assertEquals(createEdgeConnector({ url: "https://x", group: "g" }).name, "g");
  assertEquals(createEdgeConnector({ url: "https://x", group: "g", name: "n" }).name, "n");
});
