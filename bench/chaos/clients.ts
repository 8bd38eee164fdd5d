import {
  type AuthProvider,
  Client,
  StreamableHTTPClientTransport,
} from "@modelcontextprotocol/client";
import {
  circuitBreaker,
  ConsecutiveBreaker,
  ExponentialBackoff,
  handleAll,
  retry,
  timeout,
  TimeoutStrategy,
  wrap,
} from "cockatiel";
import pRetry from "p-retry";
import { AutoMCPClient, type GroupConfig } from "../../mod.ts";
import { createMcpConnector } from "../../src/mcp/mod.ts";
import type { Clock } from "../../src/resilience/clock.ts";
import type { LogicalCall } from "./load.ts";
import { checkToolResult, toToolCall } from "./protocol.ts";

/** A client that is connected to every server and knows its tools. */
export interface Caller {
  /** Makes one logical call; rejects as the client does. */
  call(call: LogicalCall): Promise<void>;
  close(): Promise<unknown>;
}

/** Settings of AutoMCP. */
export type Settings = Partial<Omit<GroupConfig, "connector" | "operations" | "timeoutMs">>;

/** What a client is given. */
export interface CallerOptions {
  /** Where the servers are. */
  readonly urls: readonly string[];
  readonly fetch: typeof globalThis.fetch;
  readonly clock: Clock;
  readonly random: () => number;
  /** Time for one logical call. */
  readonly deadlineMs: number;
  /** Where credentials come from, if the servers want any. */
  readonly authProvider?: AuthProvider;
  /** Whether the SDK asks for progress, too. */
  readonly watches: boolean;
  /** What AutoMCP has in the place of its own settings. */
  readonly settings: Settings;
}

/** AutoMCP's settings besides the time for a call and the effects of the operations. */
const SETTINGS: Settings = { hedge: true, progressIdleTimeoutMs: 2_500 };

/** The clients by name: ours, then the controls, whose settings are frozen. */
export const CLIENTS: Readonly<Record<string, (options: CallerOptions) => Promise<Caller>>> = {
  automcp: openAutomcp,
  sdk: (options) => openSdk(options, () => (send) => send({})),
  "sdk+timeout": openTimeout,
  "sdk+p-retry": openPRetry,
  "sdk+cockatiel": openCockatiel,
};

async function openAutomcp(options: CallerOptions): Promise<Caller> {
  const { urls, fetch, clock, random, deadlineMs, authProvider, settings } = options;
  const groups = urls.map((url, server): [string, GroupConfig] => [`server-${server}`, {
    connector: createMcpConnector({ url, fetch, clock, ...(authProvider && { authProvider }) }),
    operations: {
      safe: { effect: "safe" },
      idempotent: { effect: "idempotent" },
      unsafe: { effect: "unsafe" },
    },
    ...SETTINGS,
    ...settings,
  }]);
  const client = new AutoMCPClient("chaos", {
    clock,
    random,
    timeoutMs: deadlineMs,
    groups: Object.fromEntries(groups),
  });
  await Promise.all(groups.map(([name]) => client.group(name).describe()));
  return {
    async call(call) {
      const { name, arguments: args } = toToolCall(call);
      const { content } = await client.group(`server-${call.server}`).execute(name, args);
      checkToolResult(call.index, content);
    },
    close: () => client.close(),
  };
}

type Send = (options: { timeout?: number; signal?: AbortSignal }) => Promise<void>;
type Policy = (send: Send) => Promise<void>;

/** Opens a client of the SDK for each server, whose calls a policy of its own makes. */
async function openSdk(options: CallerOptions, createPolicy: () => Policy): Promise<Caller> {
  const { urls, fetch, authProvider, watches } = options;
  const open = async (url: string) => {
    const client = new Client({ name: "chaos", version: "1.0.0" }, {
      versionNegotiation: { mode: "auto" },
    });
    const transport = new StreamableHTTPClientTransport(new URL(url), {
      fetch,
      ...(authProvider && { authProvider }),
    });
    await client.connect(transport);
    await client.listTools();
    return { client, policy: createPolicy() };
  };
  const servers = await Promise.all(urls.map(open));
  const watch = watches ? { onprogress: () => {} } : {};
  return {
    call(call) {
      const { client, policy } = servers[call.server]!;
      return policy(async (options) => {
        const { content } = await client.callTool(toToolCall(call), { ...options, ...watch });
        checkToolResult(call.index, content);
      });
    },
    close: () => Promise.all(servers.map(({ client }) => client.close())),
  };
}

function openTimeout(options: CallerOptions): Promise<Caller> {
  return openSdk(options, () => (send) => send({ timeout: options.deadlineMs }));
}

function openPRetry(options: CallerOptions): Promise<Caller> {
  const { deadlineMs } = options;
  const settings = { retries: 3, maxRetryTime: deadlineMs };
  const policy: Policy = (send) => pRetry(() => send({ timeout: deadlineMs / 4 }), settings);
  return openSdk(options, () => policy);
}

function openCockatiel(options: CallerOptions): Promise<Caller> {
  return openSdk(options, () => {
    const policy = wrap(
      retry(handleAll, { maxAttempts: 3, backoff: new ExponentialBackoff() }),
      circuitBreaker(handleAll, { halfOpenAfter: 5_000, breaker: new ConsecutiveBreaker(5) }),
      timeout(2_500, TimeoutStrategy.Aggressive),
    );
    return (send) => policy.execute(({ signal }) => send({ signal }));
  });
}
