/**
 * Servers of other people, as their users have them: each tool is listed and can be called, progress
 * arrives as it was sent, and a restart in the middle of use needs none of ours.
 */
import { assert, assertEquals } from "@std/assert";
import { AutoMCPClient } from "../../src/client/client.ts";
import type { JsonObject } from "../../src/client/ports.ts";
import { createMcpConnector, type McpConnectorOptions } from "../../src/mcp/mod.ts";
import type { ProgressReport } from "../../src/progress/events.ts";
import {
  everythingCommand,
  type Peer,
  startDemo,
  startEverything,
  startFilesystemProxy,
  startMemoryGateway,
  startProxy,
} from "../support/peers.ts";
import { attempt, limits, request } from "./support.ts";

/** What a tool is called with, and how it answers if that is no success. */
type Call = readonly [tool: string, args: JsonObject, status?: "error"];

interface PeerCase {
  readonly name: string;
  readonly start: (folder: string, port?: number) => Promise<Peer>;
  readonly options?: Omit<McpConnectorOptions, "url">;
  readonly era: "modern" | "legacy";
  /** Every tool once, in an order in which they work. */
  readonly calls: (folder: string) => readonly Call[];
  /** The tool that is in use during a restart; running it again is harmless. */
  readonly used: (folder: string) => Call;
}

const EVERYTHING: readonly Call[] = [
  ["echo", { message: "hi" }],
  ["get-annotated-message", { messageType: "success" }],
  ["get-env", {}],
  ["get-resource-links", {}],
  ["get-resource-reference", {}],
  ["get-structured-content", { location: "Chicago" }],
  ["get-sum", { a: 1, b: 2 }],
  ["get-tiny-image", {}],
  ["gzip-file-as-resource", { data: "data:text/plain,hello" }],
  ["toggle-simulated-logging", {}],
  ["toggle-subscriber-updates", {}],
  ["trigger-long-running-operation", { duration: 0.2, steps: 2 }],
  // It wants to be called as a task of the legacy era, which 2026-07-28 has taken out again.
  ["simulate-research-query", { topic: "x" }, "error"],
  ["get-roots-list", {}],
  ["trigger-elicitation-request", {}],
  ["trigger-url-elicitation", { url: "https://example.com/" }],
  ["trigger-sampling-request", { prompt: "hi" }],
];

const files = (folder: string): readonly Call[] => {
  const path = `${folder}/a.txt`;
  return [
    ["write_file", { path, content: "one" }],
    ["read_file", { path }],
    ["read_text_file", { path }],
    ["read_media_file", { path }],
    ["read_multiple_files", { paths: [path] }],
    ["edit_file", { path, edits: [{ oldText: "one", newText: "two" }] }],
    ["create_directory", { path: `${folder}/b` }],
    ["list_directory", { path: folder }],
    ["list_directory_with_sizes", { path: folder }],
    ["directory_tree", { path: folder }],
    ["search_files", { path: folder, pattern: "*.txt" }],
    ["get_file_info", { path }],
    ["list_allowed_directories", {}],
    ["move_file", { source: path, destination: `${folder}/b/a.txt` }],
  ];
};

const ENTITY = { name: "Ada", entityType: "person", observations: ["counts"] };
const RELATION = { from: "Ada", to: "Ada", relationType: "knows" };
const MEMORY: readonly Call[] = [
  ["create_entities", { entities: [ENTITY] }],
  ["create_relations", { relations: [RELATION] }],
  ["add_observations", { observations: [{ entityName: "Ada", contents: ["writes"] }] }],
  ["read_graph", {}],
  ["search_nodes", { query: "Ada" }],
  ["open_nodes", { names: ["Ada"] }],
  ["delete_observations", { deletions: [{ entityName: "Ada", observations: ["writes"] }] }],
  ["delete_relations", { relations: [RELATION] }],
  ["delete_entities", { entityNames: ["Ada"] }],
];

const DEMO: readonly Call[] = [
  ["add", { a: 1, b: 2 }],
  ["count", { steps: 2, delayMs: 0 }],
  ["flaky", { failures: 0 }],
  ["charge", { amount: 1 }],
  ["ledger", {}],
];

const CASES: readonly PeerCase[] = [
  {
    name: "server-everything",
    start: (_folder, port) => startEverything(port === undefined ? {} : { port }),
    options: {
      input: {
        form: () => ({ action: "decline" }),
        url: () => ({ action: "accept" }),
        sampling: () => ({ role: "assistant", model: "m", content: { type: "text", text: "hi" } }),
        roots: () => ({ roots: [{ uri: "file:///tmp" }] }),
      },
    },
    era: "legacy",
    calls: () => EVERYTHING,
    used: () => ["get-sum", { a: 1, b: 2 }],
  },
  ...([["modern", false], ["legacy", true]] as const).map(([era, legacyOnly]): PeerCase => ({
    name: `server-filesystem behind mcp-proxy, ${era}`,
    start: (folder, port) =>
      startFilesystemProxy({ folder, legacyOnly, ...(port !== undefined && { port }) }),
    era,
    calls: files,
    used: (folder) => ["list_directory", { path: folder }],
  })),
  {
    name: "server-memory behind supergateway",
    start: (folder, port) =>
      startMemoryGateway({ file: `${folder}/m.json`, ...(port !== undefined && { port }) }),
    era: "legacy",
    calls: () => MEMORY,
    used: () => ["read_graph", {}],
  },
  ...(["modern", "legacy"] as const).map((era): PeerCase => ({
    name: `the demo server, ${era}`,
    start: (_folder, port) => startDemo(port === undefined ? {} : { port }),
    options: era === "legacy" ? { era } : {},
    era,
    calls: () => [...DEMO, ["cut", { afterSteps: 0 }]],
    used: () => ["add", { a: 1, b: 2 }],
  })),
];

const TIMEOUT_MS = 60_000;

for (const { name, start, options, era, calls, used } of CASES) {
  Deno.test(`AutoMCPClient has all tools of ${name}, and outlives its restart`, async (t) => {
    const folder = await Deno.makeTempDir();
    let peer = await start(folder);
    const connector = createMcpConnector({ url: peer.url, ...options });
    const client = new AutoMCPClient("peers", {
      timeoutMs: TIMEOUT_MS,
      groups: { g: { connector } },
    });
    const group = client.group("g");
    try {
      await t.step("each tool is listed and can be called", async () => {
        const list = await group.describe();
        assertEquals(list.era, era);
        const tools = list.operations.filter(({ kind = "tool" }) => kind === "tool");
        assertEquals(
          tools.map(({ name }) => name).sort(),
          calls(folder).map(([tool]) => tool).sort(),
        );
        for (const [tool, args, status = "success"] of calls(folder)) {
          // The tool that answers with nothing at all is met in the contract of the connectors.
          if (tool === "cut") continue;
          const response = await group.execute(tool, args);
          assertEquals([tool, response.status, response.attempts], [tool, status, 1]);
        }
      });

      await t.step("calls that are under way when it restarts come to their end", async () => {
        const [tool, args] = used(folder);
        const call = () => group.execute(tool, args, { effect: "safe" });
        const under = Promise.allSettled(Array.from({ length: 4 }, call));
        await peer[Symbol.asyncDispose]();
        const waiting = Promise.allSettled(Array.from({ length: 4 }, call));
        peer = await start(folder, peer.port);
        const settled = [...await under, ...await waiting];
        assertEquals(settled.filter(({ status }) => status === "rejected"), []);
        // What is unsafe is not for trying: the connection is whole again.
        const [first, firstArgs] = calls(folder)[0]!;
        const { status, attempts } = await group.execute(first, firstArgs);
        assertEquals([status, attempts], ["success", 1]);
      });
    } finally {
      await client.close();
      await peer[Symbol.asyncDispose]();
      await Deno.remove(folder, { recursive: true });
    }
  });
}

const PROGRESS = [
  ["the demo server, modern", {}, () => startDemo(), "count"],
  ["the demo server, legacy", { era: "legacy" }, () => startDemo(), "count"],
  ["mcp-proxy", {}, () => startProxy(everythingCommand()), "trigger-long-running-operation"],
] as const;

for (const [name, options, start, tool] of PROGRESS) {
  Deno.test(`Connection.execute() reports progress as ${name} sent it`, async () => {
    await using peer = await start();
    const connection = await createMcpConnector({ url: peer.url, ...options }).connect(limits());
    const args = tool === "count" ? { steps: 5, delayMs: 20 } : { duration: 0.5, steps: 5 };
    const reports: ProgressReport[] = [];
    const { status } = await connection.execute(request(tool, args), attempt(reports));
    assertEquals(status, "success");
    const steps = reports.map(({ progress, total }) => [progress, total]);
    const sent = [1, 2, 3, 4, 5].map((step) => [step, 5]);
    // The proxy itself drops the steps that come shortly before the result.
    assertEquals(steps, name === "mcp-proxy" ? sent.slice(0, steps.length) : sent);
    assert(steps.length > 0);
    await connection.close();
  });
}
