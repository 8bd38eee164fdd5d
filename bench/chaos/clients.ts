import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
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
import { AutoMCPClient } from "../../mod.ts";
import { createMcpConnector } from "../../src/mcp/mod.ts";
import type { Clock } from "../../src/resilience/clock.ts";
import { MODEL_URL } from "./http.ts";
import type { LogicalCall } from "./load.ts";
import { checkToolResult, toToolCall } from "./protocol.ts";

/** A client that is connected and knows the tools. */
export interface Caller {
  /** Makes one logical call; rejects as the client does. */
  call(call: LogicalCall): Promise<void>;
  close(): Promise<unknown>;
}

/** What a client is given. */
export interface CallerOptions {
  readonly fetch: typeof globalThis.fetch;
  readonly clock: Clock;
  readonly random: () => number;
  /** Time for one logical call. */
  readonly deadlineMs: number;
}

/** The clients by name: ours, then the controls, whose settings are frozen. */
export const CLIENTS: Readonly<Record<string, (options: CallerOptions) => Promise<Caller>>> = {
  automcp: openAutomcp,
  sdk: (options) => openSdk(options, (send) => send({})),
  "sdk+timeout": (options) => openSdk(options, (send) => send({ timeout: options.deadlineMs })),
  "sdk+p-retry": openPRetry,
  "sdk+cockatiel": openCockatiel,
};

async function openAutomcp(options: CallerOptions): Promise<Caller> {
  const { fetch, clock, random, deadlineMs } = options;
  const client = new AutoMCPClient("chaos", {
    clock,
    random,
    timeoutMs: deadlineMs,
    groups: {
      model: {
        connector: createMcpConnector({ url: MODEL_URL, fetch, clock }),
        hedge: true,
        progressIdleTimeoutMs: 2_500,
        operations: {
          safe: { effect: "safe" },
          idempotent: { effect: "idempotent" },
          unsafe: { effect: "unsafe" },
        },
      },
    },
  });
  const group = client.group("model");
  await group.describe();
  return {
    async call(call) {
      const { name, arguments: args } = toToolCall(call);
      checkToolResult(call.index, (await group.execute(name, args)).content);
    },
    close: () => client.close(),
  };
}

type Send = (options: { timeout?: number; signal?: AbortSignal }) => Promise<void>;

/** Opens a client of the SDK, whose calls a policy makes. */
async function openSdk(
  { fetch }: CallerOptions,
  policy: (send: Send) => Promise<void>,
): Promise<Caller> {
  const client = new Client({ name: "chaos", version: "1.0.0" }, {
    versionNegotiation: { mode: "auto" },
  });
  await client.connect(new StreamableHTTPClientTransport(new URL(MODEL_URL), { fetch }));
  await client.listTools();
  return {
    call: (call) =>
      policy(async (options) => {
        const { content } = await client.callTool(toToolCall(call), options);
        checkToolResult(call.index, content);
      }),
    close: () => client.close(),
  };
}

function openPRetry(options: CallerOptions): Promise<Caller> {
  const { deadlineMs } = options;
  const settings = { retries: 3, maxRetryTime: deadlineMs };
  return openSdk(options, (send) => pRetry(() => send({ timeout: deadlineMs / 4 }), settings));
}

function openCockatiel(options: CallerOptions): Promise<Caller> {
  const policy = wrap(
    retry(handleAll, { maxAttempts: 3, backoff: new ExponentialBackoff() }),
    circuitBreaker(handleAll, { halfOpenAfter: 5_000, breaker: new ConsecutiveBreaker(5) }),
    timeout(2_500, TimeoutStrategy.Aggressive),
  );
  return openSdk(options, (send) => policy.execute(({ signal }) => send({ signal })));
}
