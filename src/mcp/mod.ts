/**
 * Connects the client to MCP servers over Streamable HTTP, of both eras. The official SDK makes the
 * connections; calls of modern servers take a shorter way past it. Local servers that run as a child
 * process are in `@automcp/client/stdio`.
 *
 * A server's operations are its tools and, if it declares them, the methods `resources/list`,
 * `resources/templates/list`, `resources/read`, `prompts/list`, `prompts/get` and
 * `completion/complete`. These are `safe`, and lists come with all their pages, at most 64; a longer
 * one goes on with its `nextCursor` as the argument `cursor`.
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
 * @example Read a resource
 * ```ts
 * import { AutoMCPClient } from "@automcp/client";
 * import { createMcpConnector } from "@automcp/client/mcp";
 * import { assertEquals } from "@std/assert";
 *
 * const connector = createMcpConnector({ url: "http://localhost:9200/mcp" });
 * const client = new AutoMCPClient("reports", { groups: { demo: { connector } } });
 * const { content } = await client.group("demo").execute("resources/read", {
 *   uri: "demo://ledger",
 * });
 * assertEquals(content.map(({ type }) => type), ["resource"]);
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
