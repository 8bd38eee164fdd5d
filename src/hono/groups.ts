import type { RetryableClientGroup } from "../client/retryable_group.ts";
import type { Era, OperationDescriptor, ServerInfo } from "../client/ports.ts";
import type { Effect } from "../errors/delivery.ts";
import type { ClientError } from "../errors/errors.ts";
import { type ProblemDocument, toProblem } from "./problem.ts";

/** How long the list of groups waits for a server, in milliseconds. */
const LIST_TIMEOUT_MS = 2_000;

/** A group as the list of groups shows it. */
export interface GroupDocument {
  /** The group. */
  readonly name: string;
  /** A name for people, if the server has one. */
  readonly title?: string;
  /** How its server stands: `ready`, `connecting`, `open` (connected) or `failed`. */
  readonly state: string;
  /** What the server says of itself. */
  readonly server?: ServerInfo;
  /** How the server is talked to. */
  readonly era?: Era;
  /** How many operations the group has. */
  readonly operations?: number;
  /** Why nothing more is known. */
  readonly problem?: ProblemDocument;
}

/** The operations of a group. */
export interface OperationsDocument {
  /** The group. */
  readonly group: string;
  /** Its operations, each with what repeating it does. */
  readonly operations: readonly OperationDocument[];
}

/** An operation of a group. */
export interface OperationDocument extends OperationDescriptor {
  /** What repeating it does. */
  readonly effect: Effect;
  /** The longest time that a caller may ask for, in milliseconds. */
  readonly timeoutMs: number;
}

/** Describes a group for the list; a server that is dead or silent gives a problem, not a failure. */
export async function describeGroup(
  group: RetryableClientGroup,
  signal: AbortSignal,
  toFailure: (error: unknown) => ClientError,
): Promise<GroupDocument> {
  const { name } = group;
  try {
    const { server, era, operations } = await group.describe({
      signal,
      timeoutMs: LIST_TIMEOUT_MS,
    });
    return {
      name,
      ...(server?.title !== undefined && { title: server.title }),
      state: group.state,
      ...(server !== undefined && { server }),
      ...(era !== undefined && { era }),
      operations: operations.length,
    };
  } catch (error) {
    if (signal.aborted) throw error;
    const state = group.state === "connecting" ? "connecting" : "failed";
    return { name, state, problem: toProblem(toFailure(group.lastError ?? error)) };
  }
}

/** Describes the operations of a group, and for how long the answer may be kept. */
export async function describeOperations(
  group: RetryableClientGroup,
  signal: AbortSignal,
): Promise<{ document: OperationsDocument; cacheControl: string }> {
  const { operations, ttlMs } = await group.describe({ signal });
  const maxAge = Math.floor(ttlMs / 1_000);
  return {
    document: {
      group: group.name,
      operations: operations.map((operation) => ({
        ...operation,
        timeoutMs: group.timeoutMsOf(operation.name),
      })),
    },
    // Private, because what a server lists may depend on whose credentials the endpoint holds.
    cacheControl: maxAge > 0 ? `private, max-age=${maxAge}` : "private, no-cache",
  };
}
