import type { Evidence } from "../errors/classify.ts";

/** Error codes by which Node, and Bun, prove that no connection came about. */
const REFUSED_CODES: ReadonlySet<unknown> = new Set([
  "ECONNREFUSED",
  "ENOTFOUND",
  "EAI_AGAIN",
  "UND_ERR_CONNECT_TIMEOUT",
  "ConnectionRefused",
  "FailedToOpenSocket",
]);
/** Codes of Node and Bun for a certificate that does not prove who the server is. */
const CERTIFICATE_CODES: ReadonlySet<unknown> = new Set([
  "CERT_HAS_EXPIRED",
  "CERT_NOT_YET_VALID",
  "DEPTH_ZERO_SELF_SIGNED_CERT",
  "ERR_TLS_CERT_ALTNAME_INVALID",
  "SELF_SIGNED_CERT_IN_CHAIN",
  "UNABLE_TO_GET_ISSUER_CERT",
  "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
  "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
]);

/**
 * Reads why `fetch` rejected. Only some runtimes prove that nothing was sent; workerd and browsers
 * give one error for "refused" and for "ran, then reset".
 */
export function readNetworkFailure(error: unknown): Evidence {
  const cause = readProperty(error, "cause");
  const codes = [readProperty(error, "code"), readProperty(cause, "code")];
  if (codes.some((code) => CERTIFICATE_CODES.has(code))) {
    return { kind: "connect_failed", certificateRefused: true };
  }
  if (codes.some((code) => REFUSED_CODES.has(code))) return { kind: "connect_failed" };
  if (!isDeno()) return { kind: "no_answer" };
  // Deno has no code for it. Its text holds the request's URL as well, but a URL holds no spaces.
  const text = String(readProperty(cause, "message"));
  if (!text.includes("client error (Connect)")) return { kind: "no_answer" };
  return { kind: "connect_failed", certificateRefused: text.includes("invalid peer certificate") };
}

/** Whether `fetch` sends a POST again by itself when a kept-alive connection turns out broken. */
export function sendsAgain(): boolean {
  return isDeno();
}

/** Returns what `fetch` needs to send a body at most once: a stream can be read but once. */
export function toSingleUse(init: RequestInit): RequestInit {
  const { body } = init;
  if (!sendsAgain() || typeof body !== "string") return init;
  const stream = new ReadableStream<Uint8Array>({
    pull(controller) {
      controller.enqueue(new TextEncoder().encode(body));
      controller.close();
    },
  }, { highWaterMark: 0 });
  // `duplex` belongs to the fetch standard, but not to the types yet.
  return Object.assign({ ...init }, { body: stream, duplex: "half" });
}

function isDeno(): boolean {
  return "Deno" in globalThis;
}

function readProperty(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null ? Reflect.get(value, name) : undefined;
}
