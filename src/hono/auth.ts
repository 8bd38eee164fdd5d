import type { MiddlewareHandler } from "hono";
import { sha256Hex } from "./digest.ts";
import { refusal } from "./problem.ts";

/** A key that a caller may present, known here by its digest alone. */
export interface AuthKey {
  /** Whose key it is. Several keys may belong to one principal. */
  readonly principal: string;
  /** The SHA-256 digest of the key, 64 hexadecimal digits. */
  readonly sha256: string;
}

/**
 * Who may call the endpoint.
 *
 * - `{ keys }`: whoever presents one of the keys as a bearer token.
 * - `"none"`: everybody, as the principal `anonymous`.
 * - `{ principal }`: everybody, as this principal; for a host behind a front that has checked already.
 */
export type Auth =
  | "none"
  | { readonly keys: readonly AuthKey[] }
  | { readonly principal: string };

/** What the middleware puts on Hono's context. */
export interface AuthEnv {
  /** The context's variables. */
  Variables: {
    /** Who calls. */
    principal: string;
  };
}

/**
 * Creates the middleware that finds out who calls and refuses everybody else. Fails closed: without
 * any authentication it refuses all.
 *
 * @typeParam E The environment of the app that it is used in.
 * @param auth Who may call; `undefined` if nobody has decided it.
 * @returns The middleware; it sets `principal`.
 */
export function requireAuth<E extends AuthEnv = AuthEnv>(
  auth: Auth | undefined,
): MiddlewareHandler<E> {
  return async (c, next) => {
    c.set("principal", await findPrincipal(auth, c.req.raw));
    await next();
  };
}

async function findPrincipal(auth: Auth | undefined, request: Request): Promise<string> {
  if (auth === undefined) {
    throw refusal("authentication_not_configured", "The endpoint has no authentication configured");
  }
  if (auth === "none") {
    refuseForeignPage(request);
    return "anonymous";
  }
  if ("principal" in auth) return auth.principal;
  const authorization = request.headers.get("authorization") ?? "";
  const token = /^Bearer +([\w.~+/-]+=*) *$/i.exec(authorization)?.[1];
  if (token === undefined) {
    throw unauthorized("A bearer key is required", `Bearer realm="automcp"`);
  }
  const principal = await findKeyOwner(auth.keys, token);
  if (principal === undefined) {
    throw unauthorized("The key is not valid", `Bearer realm="automcp", error="invalid_token"`);
  }
  return principal;
}

/** Without keys, a page of another site could call with the visitor's reach (CSRF). */
function refuseForeignPage({ headers, url }: Request): void {
  const origin = headers.get("origin");
  if (origin !== null && URL.parse(origin)?.host !== new URL(url).host) {
    throw refusal("forbidden", "Pages of other sites may not call this endpoint");
  }
}

function unauthorized(detail: string, challenge: string) {
  return refusal("unauthorized", detail, { headers: { "www-authenticate": challenge } });
}

/** Looks at every key and every byte, so that the time it takes tells nothing. */
async function findKeyOwner(keys: readonly AuthKey[], token: string): Promise<string | undefined> {
  const hex = await sha256Hex(token);
  let owner: string | undefined;
  for (const { principal, sha256 } of keys) {
    if (isSameText(hex, sha256.toLowerCase())) owner = principal;
  }
  return owner;
}

function isSameText(a: string, b: string): boolean {
  let difference = a.length ^ b.length;
  for (let i = 0; i < a.length; i++) difference |= a.charCodeAt(i) ^ b.charCodeAt(i);
  return difference === 0;
}
