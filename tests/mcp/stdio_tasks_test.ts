import { assertEquals } from "@std/assert";
import { AutoMCPClient } from "../../src/client/client.ts";
import { createStdioConnector } from "../../src/mcp/stdio.ts";

Deno.test("createStdioConnector() follows the task of a child process to its result", async () => {
  const server = new URL("../support/stdio_task_server.ts", import.meta.url).pathname;
  const connector = createStdioConnector({
    command: Deno.execPath(),
    args: ["run", "-A", "--no-check", server],
    name: "child",
  });
  const client = new AutoMCPClient("test", { groups: { g: { connector } } });
  const execution = client.group("g").start("export");
  const messages: (string | undefined)[] = [];
  for await (const { message } of execution.progress) messages.push(message);
  const { content, attempts } = await execution.response;
  assertEquals([content, attempts], [[{ type: "text", text: "done" }], 1]);
  assertEquals(messages, ["working", "asked 1 times", "asked 2 times"]);
  assertEquals(execution.continuation?.state, { taskId: "t1", answered: [] });
  await client.close();
});
