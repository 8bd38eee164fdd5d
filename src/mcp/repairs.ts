import {
  ProtocolError,
  SdkError,
  SdkErrorCode,
  SdkHttpError,
  SUPPORTED_PROTOCOL_VERSIONS,
} from "@modelcontextprotocol/client";
import type { Era } from "../client/ports.ts";
import type { ErrorCode } from "../errors/codes.ts";
import { type ClientError, isClientError } from "../errors/errors.ts";
import { WireFault } from "./failure.ts";

/** Headers do not fit the body (specification 2026-07-28). */
const HEADER_MISMATCH = -32020;
/** The server does not take this version of the protocol (specification 2026-07-28). */
const UNSUPPORTED_VERSION = -32022;
/** The last of the codes that revision 2026-07-28 keeps for itself, the first is `HEADER_MISMATCH`. */
const LAST_MODERN_CODE = -32099;
const METHOD_NOT_FOUND = -32601;
/** What servers of the official SDK of the legacy era answer with to all that does not fit a session. */
const LEGACY_REFUSAL = -32000;
/** What some legacy servers answer when they have lost a session; others mean something else. */
const SESSION_IN_DOUBT = -32001;
/** What a request fails with that the server has read and not taken. */
const REFUSAL_CODES: ReadonlySet<ErrorCode> = new Set([
  "protocol_error",
  "operation_failed",
  "operation_not_found",
  "invalid_arguments",
]);
/** How servers of the legacy era refuse what they do not understand. */
const REFUSING_STATUSES: ReadonlySet<number> = new Set([400, 404, 405, 406, 410, 415]);

/** Whether a modern server wants headers that the tool's definition here does not ask for. */
export function isHeaderMismatch(error: unknown): boolean {
  return isModernRefusal(error, HEADER_MISMATCH);
}

/**
 * Whether a modern server refuses the version that was agreed on, so that a new connection may agree
 * on another one: not if it names those that it takes and knows none of ours.
 *
 * @param version The version that was agreed on.
 */
export function isVersionRefused(error: unknown, version: string | undefined): boolean {
  if (!isModernRefusal(error, UNSUPPORTED_VERSION)) return false;
  const supported = readVersions(error.cause)?.supported;
  // Another replica may still take the version that this one refuses.
  const known: readonly unknown[] = [version, ...SUPPORTED_PROTOCOL_VERSIONS];
  return supported === undefined || supported.some((one) => known.includes(one));
}

/**
 * Whether an answer gives reason to ask the server for its era again. It need not prove that the era
 * has changed: to ask costs one request, not to ask every call from now on.
 *
 * @param era The era of the connection that it came on.
 */
export function isEraInDoubt(error: unknown, era: Era): boolean {
  // A server of the legacy era that takes anything leaves out what a modern result must have.
  if (isInvalidResult(error)) return era === "modern";
  if (SdkHttpError.isInstance(error)) {
    return era === "modern" && REFUSING_STATUSES.has(error.status);
  }
  if (!(error instanceof WireFault) || error.evidence.kind !== "http") return false;
  const { evidence } = error;
  const { status, rpcCode, unread, sessionHeld } = evidence;
  if (era === "modern") return REFUSING_STATUSES.has(status) && !isModernCode(rpcCode);
  // Without a session: the server has come to want one, which takes another handshake.
  return isModernRefusal(error, UNSUPPORTED_VERSION) ||
    (status === 400 && unread === true && sessionHeld !== true);
}

/**
 * Whether an answer is what servers of the other era refuse everything with, before they read it. One
 * of several replicas may answer so while the server is upgraded, and the next one take the request.
 *
 * @param era The era of the connection that it came on.
 */
export function isOfOtherEra(error: unknown, era: Era): boolean {
  if (!(error instanceof WireFault) || error.evidence.kind !== "http") return false;
  const { status, rpcCode, unread } = error.evidence;
  return era === "modern"
    ? status === 400 && unread === true && rpcCode === LEGACY_REFUSAL
    : isModernRefusal(error, UNSUPPORTED_VERSION);
}

/**
 * Whether an error is what a modern server answers to an earlier version of the protocol. The code
 * alone says nothing on a connection of the legacy era, but no server makes up the versions by chance.
 */
export function isOfModernServer(error: ProtocolError): boolean {
  if (error.code !== UNSUPPORTED_VERSION) return false;
  const { supported, requested } = readVersions(error) ?? {};
  return supported !== undefined && typeof requested === "string" &&
    !supported.includes(requested);
}

/** Whether the server is there, but does not take what belongs to its era. */
export function isRefusal(error: unknown): error is ClientError {
  return isClientError(error) && !error.temporary && REFUSAL_CODES.has(error.code);
}

/** Whether a legacy server may have lost the session: the code alone does not tell. */
export function isSessionInDoubt(error: unknown): boolean {
  return ProtocolError.isInstance(error) && error.code === SESSION_IN_DOUBT;
}

/** Only a modern server's 400 proves that the call was refused; else the code may mean anything. */
function isModernRefusal(error: unknown, rpcCode: number): error is WireFault {
  if (!(error instanceof WireFault)) return false;
  const { evidence } = error;
  return evidence.kind === "http" && evidence.modern === true && evidence.status === 400 &&
    evidence.rpcCode === rpcCode;
}

function isInvalidResult(error: unknown): boolean {
  return error instanceof WireFault
    ? error.evidence.kind === "invalid_result"
    : SdkError.isInstance(error) && error.code === SdkErrorCode.InvalidResult;
}

function isModernCode(code: number | undefined): boolean {
  return code === METHOD_NOT_FOUND ||
    (code !== undefined && code <= HEADER_MISMATCH && code >= LAST_MODERN_CODE);
}

/** Returns the versions in the data of an error, as far as it names any. */
function readVersions(
  error: unknown,
): { readonly supported: readonly unknown[]; readonly requested: unknown } | undefined {
  const data: unknown = ProtocolError.isInstance(error) ? error.data : undefined;
  if (typeof data !== "object" || data === null) return undefined;
  const supported: unknown = Reflect.get(data, "supported");
  return Array.isArray(supported)
    ? { supported, requested: Reflect.get(data, "requested") }
    : undefined;
}
