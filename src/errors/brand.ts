import type { ClientError } from "./errors.ts";

/** Marks errors of every copy of this package, so that two copies recognise each other's. */
export const BRAND: unique symbol = Symbol.for("@automcp/client/error");

/** Where an error keeps what it says of its server, unseen by loops, copies and JSON. */
export const HEALTH: unique symbol = Symbol.for("@automcp/client/health");

/**
 * Tells whether a value is an error of AutoMCP, also one of another copy of this package.
 *
 * @param value Anything that was thrown.
 * @returns `true` for a {@linkcode ClientError}.
 *
 * @example A foreign error is none of ours
 * ```ts
 * import { isClientError } from "@automcp/client";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(isClientError(new TypeError("fetch failed")), false);
 * ```
 */
export function isClientError(value: unknown): value is ClientError {
  return typeof value === "object" && value !== null && BRAND in value;
}
