import { EFFECTS } from "../../src/errors/delivery.ts";
import { CACHE, createHandshake } from "../handshake.ts";
import type { LogicalCall } from "./load.ts";

/** A JSON-RPC message that a client sent. */
export interface ClientMessage {
  readonly id?: number | string;
  readonly method?: string;
  readonly params?: {
    readonly name?: string;
    readonly arguments?: { readonly call?: number };
    readonly _meta?: { readonly progressToken?: number | string };
    readonly requestId?: number | string;
  };
}

const INPUT_SCHEMA = {
  type: "object",
  properties: { call: { type: "integer" } },
  required: ["call"],
};

/** What the server says of itself and its tools, by method. */
export const RESULTS: Readonly<Record<string, unknown>> = {
  ...createHandshake("model"),
  "tools/list": {
    resultType: "complete",
    tools: EFFECTS.map((name) => ({ name, inputSchema: INPUT_SCHEMA })),
    ...CACHE,
  },
  ping: {},
};

/** Makes the request of a logical call, as every client sends it. */
export function toToolCall({ tool, index }: Pick<LogicalCall, "tool" | "index">) {
  return { name: tool, arguments: { call: index } };
}

/** Returns the result of a logical call, made longer. */
export function toToolResult(call: number, padBytes = 0): unknown {
  const content = [{ type: "text", text: `done ${call}` }];
  if (padBytes > 0) content.push({ type: "text", text: "x".repeat(padBytes) });
  return { resultType: "complete", content };
}

/** Throws unless a result is that of the logical call. */
export function checkToolResult(call: number, content: readonly unknown[]): void {
  const text = (content[0] as { text?: unknown } | undefined)?.text;
  if (text !== `done ${call}`) throw new Error(`Expected the result of call ${call}: got ${text}`);
}

/** Frames a message as a server-sent event. */
export function toEvent(message: unknown): string {
  return `event: message\ndata: ${JSON.stringify({ jsonrpc: "2.0", ...Object(message) })}\n\n`;
}
