/** What callers over HTTP get to see of an operation that its server answers with a task. */
import { assert, assertEquals } from "@std/assert";
import { AutoMCPClient } from "../../src/client/client.ts";
import { createApp } from "../../src/hono/app.ts";
import { createMcpConnector } from "../../src/mcp/mod.ts";
import { startTaskServer, TaskStore } from "../support/task_server.ts";
import { until } from "../support/until.ts";

/** Runs the operation for a caller who follows its events, until `end`; returns all that was said. */
async function readAll(
  end: (store: TaskStore) => void,
): Promise<{ text: string; store: TaskStore }> {
  const store = new TaskStore();
  await using server = startTaskServer(store);
  const connector = createMcpConnector({ url: server.url });
  const client = new AutoMCPClient("test", { groups: { g: { connector } } });
  const app = createApp({ client: () => client, auth: "none" });
  const response = await app.request("/v1/groups/g/operations/export", {
    method: "POST",
    headers: { accept: "text/event-stream", "automcp-on-disconnect": "detach" },
  });
  const id = response.headers.get("automcp-execution-id");
  await until(() => store.count("tasks/get") > 0);
  const running = await (await app.request(`/v1/executions/${id}`)).text();
  store.task.statusMessage = `${store.task.taskId} is at work`;
  const asked = store.count("tasks/get");
  await until(() => store.count("tasks/get") > asked + 1);
  end(store);
  const parts = [...response.headers].map(String);
  parts.push(running, await response.text());
  for (const path of [`/v1/executions/${id}`, "/v1/stats", "/v1/groups"]) {
    const answer = await app.request(path);
    parts.push(...[...answer.headers].map(String), await answer.text());
  }
  await client.close();
  return { text: parts.join("\n"), store };
}

Deno.test("the endpoint follows a task and shows its progress, but never its id", async () => {
  const ends: readonly (readonly [string, (store: TaskStore) => void])[] = [
    ['"rows":3', (store) => store.complete()],
    ['"operation_failed"', (store) => void (store.task.status = "cancelled")],
    ['"outcome_unknown"', (store) => store.tasks.delete(store.task.taskId)],
  ];
  for (const [expected, end] of ends) {
    let taskId = "";
    const { text, store } = await readAll((store) => {
      ({ taskId } = store.task);
      end(store);
    });
    assert(text.includes(expected), text);
    assert(text.includes("… is at work"), text);
    assertEquals([text.includes(taskId), text.includes("secret-")], [false, false]);
    assertEquals(store.count("tools/call"), 1);
  }
});
