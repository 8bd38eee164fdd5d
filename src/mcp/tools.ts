import type { Tool } from "@modelcontextprotocol/client";
import type {
  ConnectionResult,
  ContentBlock,
  JsonObject,
  OperationDescriptor,
  OperationHints,
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
