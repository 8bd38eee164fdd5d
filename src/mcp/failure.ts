import { concludeError } from "../errors/conclude.ts";
import {
  InsufficientScopeError,
  OAuthError,
  ProtocolError,
  SdkError,
  SdkErrorCode,
  SdkHttpError,
  UnauthorizedError,
} from "@modelcontextprotocol/client";
import { type Evidence, toClientError } from "../errors/classify.ts";
import type { Delivery, Effect } from "../errors/delivery.ts";
import { type ClientError, createClientError, isClientError } from "../errors/errors.ts";
import { type HealthEvidence, healthOf } from "../errors/health.ts";

/** What the wire showed of a failed request. The SDK hands it through as it is. */
export class WireFault extends Error {
  override readonly name: string = "WireFault";
  readonly evidence: Evidence;
  /** What is proved, where that is not what the evidence alone would prove. */
  readonly delivery: Delivery | undefined;

  constructor(evidence: Evidence, cause?: unknown, delivery?: Delivery) {
    super(`The exchange failed: ${evidence.kind}`, { cause });
    this.evidence = evidence;
    this.delivery = delivery;
  }
}

/** What belongs to a failure besides the error. */
export interface FailureContext {
  /** What was done: `"ask"` is a request about the server itself, as a list of its tools. */
  readonly act: "connect" | "ask" | "call";
  /** What repeating it does. */
  readonly effect: Effect;
  readonly treat503AsNotExecuted: boolean;
  /** Whether it asked for a resource. */
  readonly ofResource?: boolean;
}

/** Turns what the SDK or the wire threw into the error of the port: by type, status and code. */
export function toFailure(error: unknown, context: FailureContext): ClientError {
  const failure = isClientError(error) ? error : judge(error, context);
  if (context.act !== "connect") return failure;
  // Until there is a connection, no operation can have been sent. A server that answers the
  // handshake with something else is no MCP server, and waiting does not make it one.
  const temporary = failure.temporary && failure.code !== "protocol_error";
  return concludeError(failure, {
    effect: context.effect,
    delivery: "not_sent",
    temporary,
    health: toConnectHealth(healthOf(failure), temporary),
  });
}

/** What cannot be connected to is down, however it shows it, unless it says "later" or is not meant. */
function toConnectHealth(health: HealthEvidence, temporary: boolean): HealthEvidence {
  if (!temporary) return "none";
  return health === "pushback" || health === "overload" ? health : "hard";
}

function judge(error: unknown, context: FailureContext): ClientError {
  const { act, effect, treat503AsNotExecuted, ofResource } = context;
  if (SdkError.isInstance(error)) {
    if (error.code === SdkErrorCode.RequestTimeout) {
      const message = "The deadline passed before the server answered";
      return createClientError("deadline_exceeded", message, { effect, cause: error });
    }
    if (UNSUPPORTED_RESULTS.has(error.code)) {
      const message =
        "The operation ran and asks for input or answers later, which is not supported";
      return createClientError("operation_failed", message, {
        delivery: "executed",
        effect,
        cause: error,
      });
    }
  }
  const evidence = toEvidence(error);
  const failure = toClientError(
    evidence.kind === "invalid_result" && act !== "call" ? { kind: "unusable_answer" } : evidence,
    { effect, treat503AsNotExecuted, cause: error },
  );
  if (ofResource && lacksResource(failure, evidence)) {
    const message = "The server has no such resource";
    return createClientError("operation_not_found", message, { effect, cause: error });
  }
  const delivery = error instanceof WireFault ? error.delivery : undefined;
  return delivery === undefined ? failure : concludeError(failure, { effect, delivery });
}

/**
 * What says that there is no such resource: -32002 until 2025-11-25, then -32602. A read has no other
 * argument that could be invalid.
 */
const NO_RESOURCE_CODES: ReadonlySet<number | undefined> = new Set([-32002, -32602]);

/** Whether a server answers that it has no such resource, rather than that it serves nobody now. */
function lacksResource({ code }: ClientError, evidence: Evidence): boolean {
  const rpcCode = evidence.kind === "rpc"
    ? evidence.code
    : evidence.kind === "http"
    ? evidence.rpcCode
    : undefined;
  return (code === "invalid_arguments" || code === "operation_failed") &&
    NO_RESOURCE_CODES.has(rpcCode);
}

/** The SDK's codes for `input_required` and `task` results. */
const UNSUPPORTED_RESULTS: ReadonlySet<SdkErrorCode> = new Set([
  SdkErrorCode.CapabilityNotSupported,
  SdkErrorCode.UnsupportedResultType,
  SdkErrorCode.InputRequiredRoundsExceeded,
]);
const LOST_CODES: ReadonlySet<SdkErrorCode> = new Set([
  SdkErrorCode.ConnectionClosed,
  SdkErrorCode.NotConnected,
  SdkErrorCode.SendFailed,
]);
/** The SDK's mark on whatever escapes from obtaining credentials. */
const AUTH_MARK = Symbol.for("mcp.authSeamEscape");

function toEvidence(error: unknown): Evidence {
  if (error instanceof WireFault) return error.evidence;
  if (InsufficientScopeError.isInstance(error)) return { kind: "http", status: 403 };
  if (SdkHttpError.isInstance(error)) return { kind: "http", status: error.status };
  if (
    UnauthorizedError.isInstance(error) || OAuthError.isInstance(error) ||
    (error instanceof Error && AUTH_MARK in error)
  ) {
    return { kind: "http", status: 401 };
  }
  if (ProtocolError.isInstance(error)) return { kind: "rpc", code: error.code };
  if (SdkError.isInstance(error)) {
    if (error.code === SdkErrorCode.InvalidResult) return { kind: "invalid_result" };
    if (LOST_CODES.has(error.code)) return { kind: "no_answer" };
    if (error.cause !== undefined) return toEvidence(error.cause);
  }
  return { kind: "unusable_answer" };
}
