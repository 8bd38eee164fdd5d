import { assertEquals } from "@std/assert";
import { createEdgeConnector } from "../../src/edge/mod.ts";
import { createMcpConnector } from "../../src/mcp/mod.ts";
import { createStdioConnector } from "../../src/mcp/stdio.ts";
import { startDemoEndpoint } from "../support/demo_endpoint.ts";
import {
  type RunningDemoServer,
  type SeenMessage,
  startDemoServer,
} from "../support/demo_server.ts";
import type { Kit } from "../support/kit.ts";
import { connectorContract, type ConnectorUnderTest, type Seen } from "./connector.ts";

/** What one connector cannot be held to, and why. */
const SKIPS = new Map([
  [
    "createEdgeConnector() reports progress that comes with the result, all before the result",
    "the endpoint merges steps that come faster than its readers are told",
  ],
  [
    "createEdgeConnector() tells at once that the answer was cut off",
    "the endpoint says what the cut of its server means, and a cut before it is taken up again",
  ],
  [
    "createEdgeConnector() stops connecting when the signal is aborted",
    "connecting sends nothing, so it cannot be interrupted",
  ],
  [
    "createStdioConnector() closes although the server is gone",
    "the server is the connection's own child and ends with it",
  ],
]);

const t: Kit = {
  test(name, fn) {
    const reason = SKIPS.get(name);
    SKIPS.delete(name);
    const skipped = reason === undefined ? "" : ` (skipped: ${reason})`;
    Deno.test({ name: `${name}${skipped}`, ignore: reason !== undefined, fn });
  },
};

/** The calls among the messages that a server got. */
function callsOf(messages: readonly SeenMessage[]): Seen["calls"] {
  return messages.filter(({ method }) => method === "tools/call").map(({ params }) => ({
    name: params?.name ?? "",
    traceparent: params?._meta?.traceparent,
  }));
}

/** What a server that can be disposed of has seen; its end may be asked for twice. */
function under(
  connector: ConnectorUnderTest["connector"],
  server: Pick<RunningDemoServer, "demo" | "messages"> & AsyncDisposable,
): ConnectorUnderTest {
  let ended: PromiseLike<void> | undefined;
  return {
    connector,
    seen: () => ({ calls: callsOf(server.messages), cancelled: server.demo.cancelled }),
    end: async () => await (ended ??= server[Symbol.asyncDispose]()),
  };
}

function startMcp(era: "auto" | "legacy"): Promise<ConnectorUnderTest> {
  const server = startDemoServer();
  return Promise.resolve(under(createMcpConnector({ url: server.url, era }), server));
}

async function startEdge(): Promise<ConnectorUnderTest> {
  const endpoint = await startDemoEndpoint();
  return under(createEdgeConnector({ url: endpoint.url, group: "demo" }), endpoint);
}

async function startStdio(): Promise<ConnectorUnderTest> {
  const log = await Deno.makeTempFile();
  const server = new URL("../support/stdio_server.ts", import.meta.url).pathname;
  const args = ["run", `--allow-write=${log}`, server, `--log=${log}`];
  const messages = (): SeenMessage[] =>
    Deno.readTextFileSync(log).split("\n").filter((line) => line !== "")
      .map((line) => JSON.parse(line));
  return {
    connector: createStdioConnector({ command: Deno.execPath(), args }),
    seen: () => ({
      calls: callsOf(messages()),
      cancelled: messages().filter(({ method }) => method === "notifications/cancelled").length,
    }),
    end: () => Deno.remove(log).catch(() => {}),
  };
}

connectorContract(t, "createMcpConnector() in the modern era", "modern", () => startMcp("auto"));
connectorContract(t, "createMcpConnector() in the legacy era", "legacy", () => startMcp("legacy"));
connectorContract(t, "createStdioConnector()", "legacy", startStdio);
connectorContract(t, "createEdgeConnector()", "edge", startEdge);

Deno.test("every skip of the connectors names a test", () => assertEquals([...SKIPS.keys()], []));
