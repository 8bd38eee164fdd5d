/**
 * A modern MCP server made with the official SDK whose tool `export` is answered with a task. What is
 * known of tasks is kept outside of the server, as a real one keeps it in a database, so that it may be
 * restarted; the test is the one who does the work.
 */
import { createMcpHandler, ProtocolError, Server } from "@modelcontextprotocol/server";
import { z } from "zod";

/** A task as the server tells it. */
export interface StoredTask {
  readonly taskId: string;
  status: "working" | "input_required" | "completed" | "failed" | "cancelled";
  statusMessage?: string;
  pollIntervalMs?: number;
  inputRequests?: Record<string, unknown>;
  result?: Record<string, unknown>;
  error?: { readonly code: number; readonly message: string };
}

/** Where the tasks are kept, and what the server was asked. */
export class TaskStore {
  readonly tasks = new Map<string, StoredTask>();
  /** The method of every request that arrived, in order. */
  readonly methods: string[] = [];
  /** What `tasks/update` brought, in order. */
  readonly answers: Record<string, unknown>[] = [];
  /** Whether a cancel ends a task. */
  honoursCancel = true;
  pollIntervalMs: number | undefined = 100;

  /** The only task. */
  get task(): StoredTask {
    const [task] = this.tasks.values();
    if (task === undefined) throw new Error("There is no task yet");
    return task;
  }

  /** How many requests with this method arrived. */
  count(method: string): number {
    return this.methods.filter((one) => one === method).length;
  }

  /** Ends the task with a result. */
  complete(structuredContent: Record<string, unknown> = { rows: 3 }, isError = false): void {
    const content = [{ type: "text", text: JSON.stringify(structuredContent) }];
    this.task.result = { content, structuredContent, ...(isError && { isError }) };
    this.task.status = "completed";
  }
}

/** A running server. */
export interface TaskServer extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
}

const CAPABILITIES = "io.modelcontextprotocol/clientCapabilities";
const EXTENSION = "io.modelcontextprotocol/tasks";
const TASK_PARAMS = z.object({ taskId: z.string() });

function createServer(store: TaskStore): Server {
  const capabilities = { tools: {}, extensions: { [EXTENSION]: {} } };
  const server = new Server({ name: "tasks", version: "1.0.0" }, { capabilities });
  const find = (taskId: string): StoredTask => {
    const task = store.tasks.get(taskId);
    if (task === undefined) throw new ProtocolError(-32602, `No task ${taskId}`);
    return task;
  };
  server.setRequestHandler("tools/list", () => ({
    tools: [{
      name: "export",
      inputSchema: { type: "object" as const },
      outputSchema: { type: "object" as const, required: ["rows"] },
    }],
  }));
  server.setRequestHandler("tools/call", (_request, { mcpReq: { envelope } }) => {
    if (!declaresTasks(envelope)) return { content: [], structuredContent: { rows: 0 } };
    const taskId = `secret-${crypto.randomUUID()}`;
    const { pollIntervalMs } = store;
    const task: StoredTask = {
      ...{ taskId, status: "working", ttlMs: null, createdAt: "2026-11-01T00:00:00Z" },
      ...(pollIntervalMs !== undefined && { pollIntervalMs }),
    };
    store.tasks.set(taskId, task);
    return { resultType: "task", content: [], ...task };
  });
  server.setRequestHandler("tasks/get", { params: TASK_PARAMS }, ({ taskId }, { mcpReq }) => {
    const requiredCapabilities = { extensions: { [EXTENSION]: {} } };
    if (!declaresTasks(mcpReq.envelope)) {
      throw new ProtocolError(-32021, "Tasks", { requiredCapabilities });
    }
    return { ...find(taskId) };
  });
  server.setRequestHandler("tasks/update", { params: TASK_PARAMS }, ({ taskId }, { mcpReq }) => {
    const task = find(taskId);
    store.answers.push({ ...mcpReq.inputResponses });
    if (task.status === "input_required") task.status = "working";
    return {};
  });
  server.setRequestHandler("tasks/cancel", { params: TASK_PARAMS }, ({ taskId }) => {
    if (store.honoursCancel) find(taskId).status = "cancelled";
    return {};
  });
  return server;
}

function declaresTasks(envelope: Readonly<Record<string, unknown>> | undefined): boolean {
  const { extensions } = Object(envelope?.[CAPABILITIES]);
  return EXTENSION in Object(extensions);
}

/** Starts a server on the port, or on a free one. */
export function startTaskServer(store: TaskStore, port = 0): TaskServer {
  const handler = createMcpHandler(() => createServer(store), { legacy: "reject" });
  const http = Deno.serve({ hostname: "127.0.0.1", port, onListen: () => {} }, async (request) => {
    store.methods.push(String(request.headers.get("mcp-method")));
    return await handler.fetch(request);
  });
  return {
    url: `http://127.0.0.1:${http.addr.port}/mcp`,
    port: http.addr.port,
    async [Symbol.asyncDispose]() {
      await handler.close();
      await http.shutdown();
    },
  };
}
