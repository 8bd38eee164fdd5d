/**
 * Knows executions by their ids, so that somebody else than their caller can look at them, follow
 * their events and cancel them. What is known lives in memory, as long as the process or Durable
 * Object, and for a minute after an execution's end.
 *
 * @example An execution that is found by its id and cancelled
 * ```ts
 * import { AutoMCPClient } from "@automcp/client";
 * import { ExecutionRegistry } from "@automcp/client/executions";
 * import { createMcpConnector } from "@automcp/client/mcp";
 * import { assertEquals } from "@std/assert";
 *
 * const connector = createMcpConnector({ url: "http://localhost:9200/mcp" });
 * const client = new AutoMCPClient("reports", { groups: { demo: { connector } } });
 * const executions = new ExecutionRegistry();
 * const { id, response } = executions.track(client.group("demo").start("count", { steps: 50 }), "me");
 *
 * executions.find(id, "me").execution.cancel();
 *
 * await response.catch(() => {});
 * assertEquals(executions.find(id, "me").toDocument().state, "cancelled");
 * await client.close();
 * ```
 *
 * @module
 */

export type { ExecutionDocument, ExecutionState } from "./document.ts";
export {
  ExecutionRegistry,
  type ExecutionRegistryOptions,
  type StartRequest,
  type TrackedExecution,
} from "./registry.ts";
