/** Arguments that travel as headers, too: which tools may ask for it. */
import { assertEquals } from "@std/assert";
import { createMcpConnector } from "../../src/mcp/mod.ts";
import { type FaultHandler, startFaultServer } from "../support/fault_server.ts";
import { limits } from "./support.ts";

const text = (header: unknown) => ({ type: "string", "x-mcp-header": header });
const TOOLS: Readonly<Record<string, object>> = {
  plain: { a: { type: "string" } },
  valid: { a: text("Region"), b: { type: "object", properties: { c: text("City") } } },
  empty: { a: text("") },
  number: { a: text(1) },
  spaced: { a: text("a b") },
  injected: { a: text("a\r\nauthorization: mine") },
  twice: { a: text("Region"), b: text("region") },
  object: { a: { type: "object", "x-mcp-header": "A" } },
  item: { a: { type: "array", items: text("A") } },
};

for (const era of ["modern", "legacy"] as const) {
  Deno.test(`Connection.describe() leaves out what declares invalid headers, ${era}`, async () => {
    const tools = Object.entries(TOOLS).map(([name, properties]) => ({
      name,
      inputSchema: { type: "object", properties },
    }));
    const list = JSON.stringify({ resultType: "complete", ttlMs: 0, cacheScope: "private", tools });
    const answerList: FaultHandler = ({ answer, id }) =>
      answer(200, "application/json", `{"jsonrpc":"2.0","id":${id},"result":${list}}`);
    await using server = startFaultServer({ era, handlers: { "tools/list": answerList } });
    const connection = await createMcpConnector({ url: server.url }).connect(limits());
    const warn = console.warn;
    const warnings: string[] = [];
    console.warn = (text) => void warnings.push(text);
    try {
      const { operations } = await connection.describe(limits());
      // A server of the legacy era knows no such headers, and gets none.
      const kept = era === "modern" ? ["plain", "valid"] : Object.keys(TOOLS);
      assertEquals(operations.map(({ name }) => name), kept);
      assertEquals(warnings.length, era === "modern" ? Object.keys(TOOLS).length - 2 : 0);
    } finally {
      console.warn = warn;
    }
    await connection.close();
  });
}
