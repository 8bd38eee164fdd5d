import {
  CLIENT_CAPABILITIES_META_KEY,
  CLIENT_INFO_META_KEY,
  PROTOCOL_VERSION_META_KEY,
} from "@modelcontextprotocol/client";
import type { ExecutionRequest, JsonObject } from "../client/ports.ts";

/** What the protocol itself puts into a request's metadata; in the SDK, what is given would win. */
const PROTOCOL_KEYS: readonly string[] = [
  PROTOCOL_VERSION_META_KEY,
  CLIENT_INFO_META_KEY,
  CLIENT_CAPABILITIES_META_KEY,
  "progressToken",
];

/** Returns the metadata of a request (`_meta`) that the protocol does not set itself. */
export function toRequestMeta({ meta, trace }: ExecutionRequest): JsonObject {
  if (meta === undefined) return { ...trace };
  const merged: Record<string, JsonObject[string]> = { ...meta, ...trace };
  for (const key of PROTOCOL_KEYS) delete merged[key];
  return merged;
}
