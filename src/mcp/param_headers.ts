import type { JsonObject, JsonValue } from "../client/ports.ts";

/**
 * Returns the headers that repeat arguments for proxies on the way (specification 2026-07-28,
 * `x-mcp-header`). The SDK leaves tools with an invalid declaration out of the list.
 */
export function toParamHeaders(schema: JsonObject, args: JsonObject): Record<string, string> {
  const headers: Record<string, string> = {};
  addHeaders(schema, args, headers);
  return headers;
}

function addHeaders(
  schema: JsonObject,
  args: JsonObject,
  headers: Record<string, string>,
): void {
  const properties = schema["properties"];
  if (!isObject(properties)) return;
  for (const [key, property] of Object.entries(properties)) {
    const value = Object.hasOwn(args, key) ? args[key] : undefined;
    if (!isObject(property) || value === undefined || value === null) continue;
    const name = property["x-mcp-header"];
    if (typeof name === "string" && typeof value !== "object") {
      headers[`mcp-param-${name.toLowerCase()}`] = encodeHeader(String(value));
    }
    if (isObject(value)) addHeaders(property, value, headers);
  }
}

/** Keeps plain text; what a header could change or refuse travels as Base64 of its UTF-8. */
export function encodeHeader(text: string): string {
  const plain = /^[\x21-\x7e](?:[\t\x20-\x7e]*[\x21-\x7e])?$/.test(text);
  if (plain && !(text.startsWith("=?base64?") && text.endsWith("?="))) return text;
  const bytes = new TextEncoder().encode(text);
  return `=?base64?${btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""))}?=`;
}

function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
