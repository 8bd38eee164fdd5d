import { ProtocolError, SUPPORTED_PROTOCOL_VERSIONS } from "@modelcontextprotocol/client";
import { WireFault } from "./failure.ts";

/** Headers do not fit the body (specification 2026-07-28). */
const HEADER_MISMATCH = -32020;
/** The server does not take this version of the protocol (specification 2026-07-28). */
const UNSUPPORTED_VERSION = -32022;
/** What some legacy servers answer when they have lost a session; others mean something else. */
const SESSION_IN_DOUBT = -32001;

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
  const data = error.cause instanceof ProtocolError ? error.cause.data : undefined;
  const supported: unknown = typeof data === "object" && data !== null
    ? Reflect.get(data, "supported")
    : undefined;
  // Another replica may still take the version that this one refuses.
  const known: readonly unknown[] = [version, ...SUPPORTED_PROTOCOL_VERSIONS];
  return !Array.isArray(supported) || supported.some((one) => known.includes(one));
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
