/**
 * Connects the client to MCP servers over Streamable HTTP, of both eras. The official SDK makes the
 * connections; calls of modern servers take a shorter way past it. Local servers that run as a child
 * process are in `@automcp/client/stdio`.
 *
 * @example A client of one server
 * ```ts
 * import { AutoMCPClient } from "@automcp/client";
 * import { createMcpConnector } from "@automcp/client/mcp";
 * import { assertEquals } from "@std/assert";
 *
 * const connector = createMcpConnector({ url: "https://files.example/mcp" });
 * const client = new AutoMCPClient("reports", { groups: { files: { connector } } });
 * assertEquals(client.group("files").name, "files");
 * await client.close();
 * ```
 *
 * @example Answer what a server asks for while it runs an operation
 * ```ts
 * import { createMcpConnector } from "@automcp/client/mcp";
 * import { assertEquals } from "@std/assert";
 *
 * const connector = createMcpConnector({
 *   url: "https://files.example/mcp",
 *   input: {
 *     form: ({ message }) => ({ action: message.startsWith("Really") ? "accept" : "decline" }),
 *     roots: () => ({ roots: [{ uri: "file:///work", name: "Work" }] }),
 *   },
 * });
 * assertEquals(connector.name, "files.example");
 * ```
 *
 * @module
 */
export { createMcpConnector, type McpConnector, type McpConnectorOptions } from "./connector.ts";
export type { McpPrior } from "./era.ts";
export type {
  FormAnswer,
  FormRequest,
  InputContext,
  InputHandler,
  InputHandlers,
  RootsAnswer,
  SamplingAnswer,
  SamplingRequest,
  UrlAnswer,
  UrlRequest,
} from "./input.ts";
