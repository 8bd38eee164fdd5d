import { isCallToolResult } from "@modelcontextprotocol/client";
import type { ExecutionRequest, JsonObject } from "../client/ports.ts";
import { findMethod } from "./methods.ts";

/** What the request of an attempt says to its server. */
export interface CallMessage {
  /** The method of the protocol. */
  readonly method: string;
  /** Its parameters, without the request's metadata. */
  readonly params: JsonObject;
  /** What the header `Mcp-Name` repeats, if there is one. */
  readonly name: string | undefined;
  /** Tells whether a result has the shape that the protocol gives it. */
  readonly isResult: (result: Record<string, unknown>) => boolean;
}

/** Returns what a server is to be told. */
export function toMessage({ operation, arguments: args }: ExecutionRequest): CallMessage {
  const method = findMethod(operation);
  if (method === undefined) {
    const { name } = operation;
    const params = { name, arguments: args };
    return { method: "tools/call", params, name, isResult: isToolResult };
  }
  const { namedBy, isResult } = method;
  const name = namedBy && String(args[namedBy]);
  return { method: operation.name, params: args, name, isResult };
}

function isToolResult(result: Record<string, unknown>): boolean {
  // The SDK's guard takes a result without content.
  return Array.isArray(result["content"]) && isCallToolResult(result);
}
