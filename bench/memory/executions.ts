/** What is measured: executions that have ended, and executions and calls that never will. */
import { Client } from "@modelcontextprotocol/client";
import { AutoMCPClient, type Effect, type GroupConfig } from "../../mod.ts";
import type { Connector } from "../../src/client/ports.ts";
import { ANSWER, createConnector, HANG } from "../connector.ts";
import type { Execute } from "./heap.ts";

/** What is pending has longer than any measurement takes. */
const PENDING_TIMEOUT_MS = 600_000;

/** How many executions there are at once. */
const CALLERS = 10;

function createGroup(
  poolSize: number,
  effect: Effect,
  config: Partial<GroupConfig> = {},
) {
  const client = new AutoMCPClient("bench", {
    poolSize,
    limiter: { initialLimit: poolSize },
    queue: { maxQueue: Infinity },
    groups: {
      nothing: {
        connector: createConnector(),
        operations: { [ANSWER]: { effect }, [HANG]: { effect } },
        ...config,
      },
    },
  });
  return { client, group: client.group("nothing") };
}

/** Returns what makes so many calls, some at once. */
function createCalls(call: () => Promise<unknown>): Execute {
  return async (count) => {
    let left = count;
    const work = async (): Promise<void> => {
      while (left-- > 0) await call();
    };
    await Promise.all(Array.from({ length: CALLERS }, work));
  };
}

/**
 * Returns what makes so many executions through a connector, some at once, each to its end. Each has
 * the usual time: Deno keeps a list for every length of a timer until so long has passed.
 */
export function createExecutions(connector: Connector = createConnector()): Execute {
  const { group } = createGroup(CALLERS, "safe", { connector });
  return createCalls(() => group.execute(ANSWER));
}

/** Returns what calls plain functions as often: what grows with it as well is the runtime's own. */
export function createControl(): Execute {
  const answer = async (name: string) => {
    await Promise.resolve();
    return { name, content: [] };
  };
  const execute = async () => ({ ...await answer(ANSWER), attempts: 1 });
  return createCalls(execute);
}

/** What was started: it is pending as long as this is held. */
export interface Started {
  readonly pending: readonly Promise<unknown>[];
  /** Ends all. */
  end(): Promise<void>;
}

/** Something of which so many can be pending. */
export interface Pending {
  readonly name: string;
  /** Starts so many and returns them once all are where they stay. */
  start(count: number): Promise<Started>;
}

async function startExecutions(count: number, poolSize: number, effect: Effect): Promise<Started> {
  const { client, group } = createGroup(poolSize, effect, { timeoutMs: PENDING_TIMEOUT_MS });
  await group.execute(ANSWER);
  const pending = Array.from({ length: count }, () => {
    const response = group.execute(HANG);
    response.catch(() => {}); // closing ends it
    return response;
  });
  await new Promise((resolve) => setTimeout(resolve));
  const [server] = client.stats().servers;
  const inFlight = Math.min(count, poolSize);
  if (server?.limiter.inFlight !== inFlight || server.queue.waiting !== count - inFlight) {
    throw new Error(`Expected ${inFlight} in flight: got ${JSON.stringify(server)}`);
  }
  return { pending, end: () => client.close({ graceMs: 0 }) };
}

/** A call of the SDK, over a transport that answers nothing but the handshake. */
async function startSdkCalls(count: number): Promise<Started> {
  const client = new Client({ name: "bench", version: "1.0.0" });
  const transport: Parameters<Client["connect"]>[0] = {
    start: () => Promise.resolve(),
    close: () => Promise.resolve(transport.onclose?.()),
    send: (message) => {
      if ("method" in message && message.method === "initialize" && "id" in message) {
        const result = {
          protocolVersion: "2025-11-25",
          capabilities: { tools: {} },
          serverInfo: { name: "nothing", version: "1.0.0" },
        };
        queueMicrotask(() => transport.onmessage?.({ jsonrpc: "2.0", id: message.id, result }));
      }
      return Promise.resolve();
    },
  };
  await client.connect(transport);
  const pending = Array.from({ length: count }, () => {
    const result = client.callTool({ name: HANG, arguments: {} }, { timeout: PENDING_TIMEOUT_MS });
    result.catch(() => {}); // closing ends it
    return result;
  });
  await new Promise((resolve) => setTimeout(resolve));
  return { pending, end: () => client.close() };
}

/** All that can be pending; the last is the control. */
export const PENDING: readonly Pending[] = [
  { name: "in flight, safe", start: (count) => startExecutions(count, count, "safe") },
  { name: "in flight, unsafe", start: (count) => startExecutions(count, count, "unsafe") },
  { name: "queued, safe", start: (count) => startExecutions(count, 1, "safe") },
  { name: "SDK 2.4", start: startSdkCalls },
];
