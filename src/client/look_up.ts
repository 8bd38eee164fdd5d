import { asClientError, concludeError } from "../errors/conclude.ts";
import { createClientError, isClientError } from "../errors/errors.ts";
import type { FoundOperation } from "./catalog.ts";
import type { Call } from "./call.ts";

/** An operation, if there is one: now or later. */
type Sought = FoundOperation | undefined | Promise<FoundOperation | undefined>;

/**
 * Finds an execution's operation and checks the arguments, at once if its list is there and fresh
 * enough. Whatever fails here, nothing was sent.
 *
 * @throws {OperationError} `operation_not_found`, `invalid_arguments`.
 * @throws {ClientError} What kept the server from listing its operations.
 */
export function lookUp(call: Call): FoundOperation | Promise<FoundOperation> {
  try {
    const sought = find(call);
    const found = sought instanceof Promise ? undefined : accept(call, sought, false);
    return found ?? search(call, sought);
  } catch (error) {
    throw conclude(call, error);
  }
}

async function search(call: Call, sought: Sought): Promise<FoundOperation> {
  try {
    const found = accept(call, await sought, false);
    return found ?? accept(call, await find(call, true), true)!;
  } catch (error) {
    throw conclude(call, error);
  }
}

/** Returns what was found if the arguments match, or nothing if a newer list may say otherwise. */
function accept(
  call: Call,
  found: FoundOperation | undefined,
  isNewest: boolean,
): FoundOperation | undefined {
  if (found === undefined) {
    const message = `'${call.context.group}' has no operation '${call.operation}'`;
    throw createClientError("operation_not_found", message);
  }
  // What is resumed has no arguments here.
  if (call.continuation !== undefined) return found;
  const issues = found.validate?.(found.operation, call.arguments);
  if (issues === undefined || issues.length === 0) return found;
  if (!found.fresh && !isNewest) return undefined;
  throw createClientError("invalid_arguments", "The arguments break the schema", { issues });
}

function conclude(call: Call, error: unknown): unknown {
  if (call.controller.aborted) return error;
  return concludeError(asClientError(error), { delivery: "not_sent" });
}

function find({ context, operation, controller }: Call, mustBeFresh?: true): Sought {
  return context.operations.find(operation, mustBeFresh, controller);
}

/**
 * Returns what an attempt failed with, told apart where servers mix it up: some refuse the arguments
 * of an operation that they do not have. A list that was fresh has told already.
 */
export async function tellApart(
  error: unknown,
  found: FoundOperation,
  call: Call,
): Promise<unknown> {
  const isVague = isClientError(error) && error.code === "invalid_arguments" && !found.fresh;
  if (!isVague || error.delivery !== "unknown") return error;
  try {
    if (await find(call, true) !== undefined) return error;
  } catch {
    return error;
  }
  const message = `'${call.context.group}' has no operation '${call.operation}' any more`;
  return createClientError("operation_not_found", message, { cause: error });
}
