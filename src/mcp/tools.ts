import type { Implementation, Tool } from "@modelcontextprotocol/client";
import type {
  ConnectionResult,
  ContentBlock,
  JsonObject,
  OperationDescriptor,
  OperationHints,
  ServerInfo,
} from "../client/ports.ts";
import type { ProgressReport } from "../progress/events.ts";

/** Describes a tool as an operation. */
export function toDescriptor(tool: Tool): OperationDescriptor {
  const title = tool.title ?? tool.annotations?.title;
  return {
    name: tool.name,
    kind: "tool",
    ...(title !== undefined && { title }),
    ...(tool.description !== undefined && { description: tool.description }),
    inputSchema: tool.inputSchema as JsonObject,
    ...(tool.outputSchema !== undefined && { outputSchema: tool.outputSchema as JsonObject }),
    hints: toHints(tool.annotations ?? {}),
  };
}

function toHints(annotations: NonNullable<Tool["annotations"]>): OperationHints {
  const { readOnlyHint, idempotentHint, destructiveHint, openWorldHint } = annotations;
  return {
    ...(readOnlyHint !== undefined && { readOnly: readOnlyHint }),
    ...(idempotentHint !== undefined && { idempotent: idempotentHint }),
    ...(destructiveHint !== undefined && { destructive: destructiveHint }),
    ...(openWorldHint !== undefined && { openWorld: openWorldHint }),
  };
}

/** Keeps of a tool's result what the port has a place for. */
export function toResult({ isError, content, structuredContent }: JsonObject): ConnectionResult {
  return {
    status: isError === true ? "error" : "success",
    content: content as readonly ContentBlock[],
    ...(structuredContent !== undefined && { structuredContent }),
  };
}

/** A progress report as the wire or the SDK gives it. */
interface RawProgress {
  readonly progress: number;
  readonly total?: unknown;
  readonly message?: unknown;
}

/** Returns a progress report without what is of no use in it. */
export function toReport({ progress, total, message }: RawProgress): ProgressReport {
  return {
    progress,
    ...(typeof total === "number" && { total }),
    ...(typeof message === "string" && { message }),
  };
}

/** The longest time that a list may claim to be fresh. */
const MAX_LIST_TTL_MS = 24 * 60 * 60_000;

/** Keeps of what a server says of itself what the port has a place for. */
export function toServerInfo(info: Implementation | undefined): ServerInfo | undefined {
  if (info === undefined) return undefined;
  const { name, version, title } = info;
  return { name, version, ...(title !== undefined && { title }) };
}

/** Returns for how long a list is fresh that says so itself, in milliseconds. */
export function toTtlMs(value: unknown): number {
  return typeof value === "number" && value > 0 ? Math.min(value, MAX_LIST_TTL_MS) : 0;
}
