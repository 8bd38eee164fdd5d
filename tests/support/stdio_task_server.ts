/** A modern MCP server over stdio, made with the official SDK, that answers its tool with a task. */
import { Server } from "@modelcontextprotocol/server";
import { serveStdio } from "@modelcontextprotocol/server/stdio";
import { z } from "zod";

const TASK = { taskId: "t1", ttlMs: null, createdAt: "2026-11-01T00:00:00Z", pollIntervalMs: 100 };
let asked = 0;

serveStdio(() => {
  const capabilities = { tools: {}, extensions: { "io.modelcontextprotocol/tasks": {} } };
  const server = new Server({ name: "tasks", version: "1.0.0" }, { capabilities });
  server.setRequestHandler("tools/list", () => ({
    tools: [{ name: "export", inputSchema: { type: "object" as const } }],
  }));
  server.setRequestHandler("tools/call", () => ({
    ...{ resultType: "task", content: [], ...TASK, status: "working" },
  }));
  const params = z.object({ taskId: z.literal(TASK.taskId) });
  server.setRequestHandler("tasks/get", { params }, () => {
    if (++asked < 3) return { ...TASK, status: "working", statusMessage: `asked ${asked} times` };
    return { ...TASK, status: "completed", result: { content: [{ type: "text", text: "done" }] } };
  });
  return server;
});
