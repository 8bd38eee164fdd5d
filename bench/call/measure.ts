/**
 * What a call costs: four ways to call the same tool, in turns, in one process. Prints the medians
 * as JSON. Runs in Deno and Bun as it is and, bundled, in Node.
 */
import process from "node:process";
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { Client as ClientV1 } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport as TransportV1 } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { AutoMCPClient } from "../../mod.ts";
import type { Effect } from "../../src/errors/delivery.ts";
import { createMcpConnector } from "../../src/mcp/mod.ts";

/** One way to call the tool, which adds 1 and 2. */
interface Caller {
  /** Returns the sum. */
  call(): Promise<unknown>;
  close(): Promise<unknown>;
}

const CONCURRENCY = 32;
const ROUNDS = 25;
const CALLS_PER_ROUND = 512;
const WARM_UP_CALLS = 3_000;
const TIMEOUT_MS = 30_000;
const INFO = { name: "bench", version: "1.0.0" };
const TOOL_CALL = { name: "add", arguments: { a: 1, b: 2 } };

/** The fair floor: the headers, body, signal and timer that a call has to have. */
function openRawFetch(url: string): Caller {
  let id = 0;
  const headers = {
    accept: "application/json, text/event-stream",
    "content-type": "application/json",
    "mcp-protocol-version": "2026-07-28",
    "mcp-method": "tools/call",
    "mcp-name": TOOL_CALL.name,
  };
  const _meta = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientInfo": INFO,
    "io.modelcontextprotocol/clientCapabilities": {},
  };
  return {
    async call() {
      const params = { ...TOOL_CALL, _meta };
      const body = JSON.stringify({ jsonrpc: "2.0", id: id++, method: "tools/call", params });
      const abort = new AbortController();
      const timer = setTimeout(() => abort.abort(), TIMEOUT_MS);
      const response = await fetch(url, { method: "POST", headers, body, signal: abort.signal });
      const text = await response.text();
      clearTimeout(timer);
      return JSON.parse(text.slice(text.indexOf("{"))).result.structuredContent.sum;
    },
    close: () => Promise.resolve(),
  };
}

async function openSdkV1(url: string): Promise<Caller> {
  const client = new ClientV1(INFO);
  await client.connect(new TransportV1(new URL(url)));
  await client.listTools();
  return {
    call: async () => toSum((await client.callTool(TOOL_CALL)).structuredContent),
    close: () => client.close(),
  };
}

async function openSdkV2(url: string): Promise<Caller> {
  const client = new Client(INFO, { versionNegotiation: { mode: "auto" } });
  await client.connect(new StreamableHTTPClientTransport(new URL(url)));
  await client.listTools();
  return {
    call: async () => toSum((await client.callTool(TOOL_CALL)).structuredContent),
    close: () => client.close(),
  };
}

async function openAutomcp(url: string, effect: Effect): Promise<Caller> {
  const connector = createMcpConnector({ url });
  const operations = { add: { effect } };
  const client = new AutoMCPClient("bench", {
    poolSize: CONCURRENCY,
    timeoutMs: TIMEOUT_MS,
    groups: { canned: { connector, operations } },
  });
  const group = client.group("canned");
  await group.describe();
  return {
    call: async () =>
      toSum((await group.execute(TOOL_CALL.name, TOOL_CALL.arguments)).structuredContent),
    close: () => client.close(),
  };
}

function toSum(structured: unknown): unknown {
  return (structured as { sum: number }).sum;
}

/** Calls many times, so many at once, and returns the wall and the CPU time of one call. */
async function measure({ call }: Caller, calls: number): Promise<[wallUs: number, cpuUs: number]> {
  let left = calls;
  const work = async (): Promise<void> => {
    while (left-- > 0) {
      const sum = await call();
      if (sum !== 3) throw new Error(`Expected the sum 3: got ${sum}`);
    }
  };
  const cpu = process.cpuUsage();
  const startedAt = performance.now();
  await Promise.all(Array.from({ length: CONCURRENCY }, work));
  const wallUs = (performance.now() - startedAt) * 1_000;
  const { user, system } = process.cpuUsage(cpu);
  return [wallUs / calls, (user + system) / calls];
}

function toMedian(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? NaN;
}

async function compare(url: string): Promise<Record<string, unknown>> {
  const callers = {
    rawFetch: openRawFetch(url),
    sdkV1: await openSdkV1(url),
    sdkV2: await openSdkV2(url),
    automcp: await openAutomcp(url, "safe"),
    automcpUnsafe: await openAutomcp(url, "unsafe"),
  };
  const times = Object.entries(callers).map(([name, caller]) => ({
    name,
    caller,
    wallUs: [] as number[],
    cpuUs: [] as number[],
  }));
  for (const { caller } of times) await measure(caller, WARM_UP_CALLS);
  for (let round = 0; round < ROUNDS; round++) {
    for (const { caller, wallUs, cpuUs } of times) {
      const [wall, cpu] = await measure(caller, CALLS_PER_ROUND);
      wallUs.push(wall);
      cpuUs.push(cpu);
    }
    times.push(...times.splice(0, 1)); // nobody is always the first
  }
  for (const { caller } of times) await caller.close();
  const medians = new Map(
    times.map(({ name, wallUs, cpuUs }) => [
      name,
      { wallUs: toMedian(wallUs), cpuUs: toMedian(cpuUs) },
    ]),
  );
  return Object.fromEntries(Object.keys(callers).map((name) => [name, medians.get(name)]));
}

const base = process.argv[2];
console.log(
  JSON.stringify({ json: await compare(`${base}/json`), sse: await compare(`${base}/sse`) }),
);
process.exit(0); // the SDK of version 1 leaves its sockets to the runtime
