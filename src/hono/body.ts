import type { JsonObject } from "../client/ports.ts";
import { refusal } from "./problem.ts";

/** The longest body that is read, in bytes. */
const MAX_BODY_BYTES = 2 ** 20;
/** How deep arrays and objects may be nested. */
const MAX_DEPTH = 64;

/**
 * The media types that a body of JSON may come under. The second is what `curl -d` says of whatever
 * it sends; that pages of other sites can say it too is why those are refused by their `Origin`.
 */
const MEDIA_TYPE_REGEXP = /^application\/(?:json|x-www-form-urlencoded)\s*(?:;|$)/i;

/**
 * Reads the arguments from a request's body; no body at all are no arguments.
 *
 * @throws {HTTPException} 413, 415 or 400 with `invalid_request`.
 */
export async function readArguments(request: Request): Promise<JsonObject> {
  const type = request.headers.get("content-type");
  if (type !== null && !MEDIA_TYPE_REGEXP.test(type.trim())) {
    throw refusal("invalid_request", "The body must be application/json", { status: 415 });
  }
  const text = decode(await readBytes(request));
  if (text === "") return {};
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    throw refusal("invalid_request", "The body is not valid JSON");
  }
  if (typeof body !== "object" || body === null || Array.isArray(body)) {
    throw refusal("invalid_request", "The body must be a JSON object: the arguments themselves");
  }
  if (isDeeperThan(MAX_DEPTH, body)) {
    throw refusal("invalid_request", `The body is nested deeper than ${MAX_DEPTH} levels`);
  }
  return body as JsonObject;
}

async function readBytes(request: Request): Promise<Uint8Array> {
  const tooLarge = () =>
    refusal("invalid_request", `The body is larger than ${MAX_BODY_BYTES} bytes`, { status: 413 });
  if (Number(request.headers.get("content-length")) > MAX_BODY_BYTES) throw tooLarge();
  const reader = request.body?.getReader();
  const chunks: Uint8Array[] = [];
  let size = 0;
  for (let next = await reader?.read(); next?.done === false; next = await reader?.read()) {
    size += next.value.byteLength;
    if (size > MAX_BODY_BYTES) {
      void reader?.cancel().catch(() => {});
      throw tooLarge();
    }
    chunks.push(next.value);
  }
  const bytes = new Uint8Array(size);
  let offset = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, offset);
    offset += chunk.byteLength;
  }
  return bytes;
}

function decode(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw refusal("invalid_request", "The body is not valid UTF-8");
  }
}

function isDeeperThan(levels: number, value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  return levels === 0 || Object.values(value).some((part) => isDeeperThan(levels - 1, part));
}
