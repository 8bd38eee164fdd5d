/**
 * Calls the operations of an AutoMCP endpoint over HTTP: for browsers and every program that has
 * `fetch`. The client is the one of the core; only the connector differs.
 *
 * The endpoint sends no CORS headers, so a page calls the one of its own origin. A browser may send a
 * request again by itself when a kept-alive connection ends before the answer begins, and the
 * endpoint cannot tell: that an unsafe call runs at most once is not proved there.
 *
 * @example A client in a web page
 * ```ts
 * import { AutoMCPClient } from "@automcp/client";
 * import { createEdgeConnector } from "@automcp/client/edge";
 * import { assertEquals } from "@std/assert";
 *
 * const connector = createEdgeConnector({ url: "https://tools.example", group: "reports" });
 * const client = new AutoMCPClient("page", { groups: { reports: { connector } } });
 * assertEquals(client.group("reports").name, "reports");
 * await client.close();
 * ```
 *
 * @module
 */
export { createEdgeConnector, type EdgeConnectorOptions } from "./connector.ts";
export type { EdgeEvent } from "./run.ts";
