/** Calls that a real server answers with a task, past the SDK (lean) and through it (SDK). */
import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import { AutoMCPClient } from "../../src/client/client.ts";
import type { ClientEvent } from "../../src/client/events.ts";
import type { ExecuteOptions } from "../../src/client/options.ts";
import { createMcpConnector, type InputHandlers } from "../../src/mcp/mod.ts";
import { rejection } from "../client/support.ts";
import { startTaskServer, type TaskServer, TaskStore } from "../support/task_server.ts";
import { until } from "../support/until.ts";

/** How a connector makes its calls. */
const PATHS = {
  lean: {},
  SDK: { authProvider: { token: () => Promise.resolve("token") } },
} as const;

const EFFECTS = ["safe", "idempotent", "unsafe"] as const;

function connect(url: string, path: keyof typeof PATHS = "lean", input: InputHandlers = {}) {
  const events: ClientEvent[] = [];
  const connector = createMcpConnector({ url, name: "tasks", input, ...PATHS[path] });
  const client = new AutoMCPClient("test", {
    timeoutMs: 20_000,
    onEvent: (event) => void events.push(event),
    groups: { g: { connector } },
  });
  return { client, group: client.group("g"), events };
}

/** A server with a client, and a call that has become a task. */
async function startTask(
  options: ExecuteOptions = {},
  path: keyof typeof PATHS = "lean",
  input: InputHandlers = {},
) {
  const store = new TaskStore();
  const server = startTaskServer(store);
  const { client, group, events } = connect(server.url, path, input);
  const execution = group.start("export", { format: "csv" }, options);
  await until(() => execution.continuation !== undefined);
  const servers: TaskServer[] = [server];
  return {
    ...{ store, server, servers, client, group, events, execution },
    async [Symbol.asyncDispose]() {
      await client.close({ graceMs: 0 });
      for (const one of servers) await one[Symbol.asyncDispose]();
    },
  };
}

for (const path of ["lean", "SDK"] as const) {
  Deno.test(`execute() K6: drives a task to its result, and tells its changes, ${path}`, async () => {
    await using run = await startTask({}, path);
    const { store, execution } = run;
    const messages: unknown[] = [];
    const reading = (async () => {
      for await (const { message, fraction } of execution.progress) {
        messages.push(message, fraction);
      }
    })();
    await until(() => store.count("tasks/get") > 1);
    store.task.statusMessage = "2 of 3 rows";
    await until(() => messages.includes("2 of 3 rows"));
    store.complete();
    const { structuredContent, attempts, status } = await execution.response;
    await reading;
    assertEquals([structuredContent, attempts, status], [{ rows: 3 }, 1, "success"]);
    assertEquals(messages, ["working", undefined, "2 of 3 rows", undefined]);
    assertEquals([store.count("tools/call"), store.count("tasks/cancel")], [1, 0]);
  });

  Deno.test(`execute() tells what a task failed with, and that it ran, ${path}`, async () => {
    await using run = await startTask({ effect: "safe" }, path);
    run.store.task.error = { code: -32603, message: "The disk is full" };
    run.store.task.status = "failed";
    const error = await rejection(run.execution.response);
    assertEquals(
      [error.code, error.delivery, error.retryable, error.attempts],
      ["operation_failed", "executed", false, 1],
    );
    assertEquals(run.store.count("tools/call"), 1);
  });

  Deno.test(`execute() tells that the server cancelled a task, ${path}`, async () => {
    await using run = await startTask({ effect: "safe" }, path);
    run.store.task.status = "cancelled";
    const error = await rejection(run.execution.response);
    assertEquals(
      [error.code, error.message, error.delivery, error.retryable],
      ["operation_failed", "The server cancelled the operation", "executed", false],
    );
  });

  Deno.test(`execute() cancels the task of a caller who leaves, and does not wait for that, ${path}`, async () => {
    const abort = new AbortController();
    await using run = await startTask({ signal: abort.signal }, path);
    run.store.honoursCancel = false;
    const reason = new Error("the user left");
    abort.abort(reason);
    assertStrictEquals(await rejection(run.execution.response) as unknown, reason);
    await until(() => run.store.count("tasks/cancel") === 1);
    assertEquals(run.store.task.status, "working");
  });

  Deno.test(`close() waits until the server knows of a task that was cancelled before, ${path}`, async () => {
    await using run = await startTask({}, path);
    run.execution.cancel();
    const { code } = await rejection(run.execution.response);
    await run.client.close();
    assertEquals([code, run.store.task.status], ["cancelled", "cancelled"]);
  });

  Deno.test(`close() leaves a task to be resumed by the next process, ${path}`, async () => {
    await using run = await startTask({}, path);
    await run.client.close({ graceMs: 0 });
    assertEquals((await rejection(run.execution.response)).code, "outcome_unknown");
    run.store.complete();
    const next = connect(run.server.url, path);
    const { structuredContent } = await next.group.resume(run.execution.continuation!).response;
    assertEquals([structuredContent, run.store.count("tasks/cancel")], [{ rows: 3 }, 0]);
    await next.client.close();
  });

  for (const effect of EFFECTS) {
    Deno.test(`execute() says of a task that the server has lost what can be known, ${effect}, ${path}`, async () => {
      await using run = await startTask({ effect }, path);
      run.store.tasks.clear();
      const error = await rejection(run.execution.response);
      assertEquals(
        [error.code, error.delivery, error.retryable, error.attempts],
        [
          effect === "unsafe" ? "outcome_unknown" : "operation_failed",
          "unknown",
          effect !== "unsafe",
          1,
        ],
      );
      assertEquals([run.store.count("tools/call"), run.store.count("tasks/cancel")], [1, 0]);
    });
  }

  Deno.test(`execute() K6: outlives the server, and sends an unsafe operation once, ${path}`, async () => {
    await using run = await startTask({}, path);
    const { store, server, execution } = run;
    await server[Symbol.asyncDispose]();
    const asked = store.count("tasks/get");
    run.servers[0] = startTaskServer(store, server.port);
    await until(() => store.count("tasks/get") > asked);
    store.complete();
    assertEquals((await execution.response).structuredContent, { rows: 3 });
    assertEquals([store.count("tools/call"), store.count("tasks/cancel")], [1, 0]);
  });

  Deno.test(`execute() answers what a task asks for, once, ${path}`, async () => {
    const asked: unknown[] = [];
    const input: InputHandlers = {
      form: ({ message }, { operation }) => {
        asked.push([message, operation]);
        return { action: "accept", content: { sure: true } };
      },
    };
    await using run = await startTask({}, path, input);
    const { store, execution } = run;
    const requestedSchema = { type: "object", properties: { sure: { type: "boolean" } } };
    const params = { message: "Sure?", requestedSchema };
    // The question stays in sight although it is answered.
    store.task.inputRequests = { sure: { method: "elicitation/create", params } };
    store.task.status = "input_required";
    await until(() => store.answers.length > 0);
    store.task.status = "input_required";
    const gets = store.count("tasks/get");
    await until(() => store.count("tasks/get") > gets + 1);
    store.complete();
    await execution.response;
    assertEquals(asked, [["Sure?", "export"]]);
    assertEquals(store.answers, [{ sure: { action: "accept", content: { sure: true } } }]);
    assertEquals(execution.continuation?.state["answered"], ["sure"]);
  });

  Deno.test(`execute() checks the result of a task as any other, ${path}`, async () => {
    await using run = await startTask({}, path);
    run.store.complete({ lines: 3 });
    const error = await rejection(run.execution.response);
    assertEquals([error.code, error.delivery], ["invalid_result", "executed"]);
  });

  Deno.test(`execute() takes a task that says no for a response, ${path}`, async () => {
    await using run = await startTask({}, path);
    run.store.complete({ why: "no such table" }, true);
    assertEquals((await run.execution.response).status, "error");
  });

  Deno.test(`resume() gets the result of another client's task by its JSON, ${path}`, async () => {
    await using run = await startTask({}, path);
    const event = run.events.find((one) => one.type === "execution.deferred");
    assert(event !== undefined);
    const stored = JSON.stringify(event.continuation);
    assertEquals(JSON.parse(stored), run.execution.continuation);
    const second = connect(run.server.url, path);
    const resumed = second.group.resume<{ rows: number }>(JSON.parse(stored));
    await until(() => run.store.count("tasks/get") > 2);
    run.store.complete();
    const { structuredContent, operation, attempts } = await resumed.response;
    assertEquals([structuredContent?.rows, operation, attempts], [3, "export", 1]);
    assertEquals(run.store.count("tools/call"), 1);
    await second.client.close();
  });
}

for (const effect of EFFECTS) {
  Deno.test(`execute() gives a task up at the deadline, and cancels it, ${effect}`, async () => {
    await using run = await startTask({ effect, timeoutMs: 500 });
    const error = await rejection(run.execution.response);
    const code = effect === "unsafe" ? "outcome_unknown" : "deadline_exceeded";
    assertEquals([error.code, error.delivery], [code, "unknown"]);
    await until(() => run.store.task.status === "cancelled");
    assertEquals(run.store.count("tasks/cancel"), 1);
  });
}

Deno.test("execute() looks once more before the deadline if the server wants to be asked after it", async () => {
  const store = new TaskStore();
  store.pollIntervalMs = 3_600_000;
  await using server = startTaskServer(store);
  const { client, group } = connect(server.url);
  const running = group.execute("export", {}, { timeoutMs: 1_500 });
  await until(() => store.tasks.size === 1);
  store.complete();
  assertEquals((await running).structuredContent, { rows: 3 });
  await client.close();
});

Deno.test("execute() cancels a task that asks for what nobody answers, and tells what it asked", async () => {
  await using run = await startTask();
  const requestedSchema = { type: "object", properties: {} };
  run.store.task.inputRequests = {
    sure: { method: "elicitation/create", params: { message: "Sure?", requestedSchema } },
  };
  run.store.task.status = "input_required";
  const error = await rejection(run.execution.response);
  assertEquals([error.code, error.delivery], ["operation_failed", "executed"]);
  assertEquals(error.asked, [{ method: "elicitation/create", message: "Sure?", requestedSchema }]);
  await until(() => run.store.task.status === "cancelled");
});

Deno.test("resume() says of a task that has expired that it may have run", async () => {
  await using run = await startTask();
  const { continuation } = run.execution;
  run.store.tasks.clear();
  await rejection(run.execution.response);
  const error = await rejection(run.group.resume(continuation!).response);
  assertEquals([error.code, error.delivery], ["outcome_unknown", "unknown"]);
});

Deno.test("resume() refuses a state that is none of a task", async () => {
  await using run = await startTask();
  for (const state of [{}, { taskId: 7 }, { taskId: "" }, { taskId: "t", answered: "sure" }]) {
    const error = await rejection(
      run.group.resume({ server: "tasks", operation: "export", state }).response,
    );
    assertEquals([error.code, error.delivery], ["outcome_unknown", "unknown"]);
  }
});
