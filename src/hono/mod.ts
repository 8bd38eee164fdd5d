/**
 * The HTTP endpoint of AutoMCP: a Hono app over a client, and the reader of its configuration.
 *
 * It lists groups and operations, executes them with the answer as JSON or as server-sent events, and
 * finds executions again by their ids. A caller that disconnects cancels its execution, unless
 * it has sent `AutoMCP-On-Disconnect: detach`.
 *
 * @example Serve a client
 * ```ts
 * import { AutoMCPClient } from "@automcp/client";
 * import { createApp } from "@automcp/client/hono";
 * import { assertEquals } from "@std/assert";
 *
 * const client = new AutoMCPClient("edge", { groups: {} });
 * const app = createApp({ client, auth: "none" });
 * assertEquals((await app.request("/healthz")).status, 200);
 * // Deno.serve(app.fetch);
 * ```
 *
 * @module
 */
export { type AppOptions, createApp } from "./app.ts";
export type { Auth, AuthEnv, AuthKey } from "./auth.ts";
export { type EndpointConfig, readConfig, type ServerConfig } from "./config.ts";
export type { ExecutionStateDocument } from "./executions.ts";
export type { GroupDocument, OperationDocument, OperationsDocument } from "./groups.ts";
export { PROBLEM_STATUS, type ProblemDocument } from "./problem.ts";
