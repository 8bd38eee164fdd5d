import { createDemoServer } from "../../examples/demo_server.ts";
import { createEdgeConnector } from "../../src/edge/mod.ts";
import { createMcpConnector } from "../../src/mcp/mod.ts";
import { startDemoEndpoint } from "../support/demo_endpoint.ts";
import type { Kit } from "../support/kit.ts";
import { connectorContract, type ConnectorUnderTest } from "./connector.ts";

const t: Kit = { test: (name, fn) => Deno.test(name, fn) };

function startMcp(era: "auto" | "legacy"): Promise<ConnectorUnderTest> {
  const demo = createDemoServer();
  const listen = { hostname: "127.0.0.1", port: 0, onListen() {} };
  const server = Deno.serve(listen, (request) => demo.fetch(request));
  const url = `http://127.0.0.1:${server.addr.port}/mcp`;
  return Promise.resolve({
    connector: createMcpConnector({ url, era }),
    async end() {
      await demo.close();
      await server.shutdown();
    },
  });
}

connectorContract(t, "createMcpConnector() to a modern server", () => startMcp("auto"));
connectorContract(t, "createMcpConnector() to a legacy server", () => startMcp("legacy"));
connectorContract(t, "createEdgeConnector()", async () => {
  const endpoint = await startDemoEndpoint();
  return {
    connector: createEdgeConnector({ url: endpoint.url, group: "demo" }),
    end: async () => await endpoint[Symbol.asyncDispose](),
  };
});
