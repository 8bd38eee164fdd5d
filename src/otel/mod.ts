/**
 * Shows the executions of a client to OpenTelemetry: a span for each execution, a child span for each
 * attempt, whose `traceparent` goes to the server in `_meta`, a duration for each attempt, a count of
 * the executions by their outcome. Names follow the semantic conventions of GenAI and MCP where they
 * have one, and begin with `automcp.` where they have none. No arguments, headers, results or texts of
 * errors get into any of it.
 *
 * Without an SDK nothing is made, and the caller's own trace goes to the server as it does without
 * this module.
 *
 * @example A client whose calls are traced
 * ```ts
 * import { AutoMCPClient } from "@automcp/client";
 * import { createMcpConnector } from "@automcp/client/mcp";
 * import { createTelemetry } from "@automcp/client/otel";
 * import { InMemorySpanExporter, SimpleSpanProcessor, TracerProvider } from "@opentelemetry/sdk-trace";
 * import { assertEquals } from "@std/assert";
 *
 * const exporter = new InMemorySpanExporter();
 * const spanProcessors = [new SimpleSpanProcessor({ exporter })];
 * const tracerProvider = new TracerProvider({ spanProcessors });
 *
 * const connector = createMcpConnector({ url: "http://localhost:9200/mcp" });
 * const client = new AutoMCPClient("calculator", {
 *   ...createTelemetry({ tracerProvider }),
 *   groups: { demo: { connector } },
 * });
 * await client.group("demo").execute("add", { a: 1, b: 2 });
 * await client.close();
 *
 * const names = exporter.getFinishedSpans().map(({ name }) => name);
 * assertEquals(names, ["tools/call add", "execute_tool add"]);
 * ```
 *
 * @module
 */
export { createTelemetry, type Telemetry, type TelemetryOptions } from "./telemetry.ts";
