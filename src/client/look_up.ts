import { asClientError, concludeError } from "../errors/conclude.ts";
import { createClientError, isClientError } from "../errors/errors.ts";
import type { FoundOperation } from "./catalog.ts";
import type { Call } from "./call.ts";

/**
 * Finds an execution's operation and checks the arguments. Whatever fails here, nothing was sent.
 *
 * @throws {OperationError} `operation_not_found`, `invalid_arguments`.
 * @throws {ClientError} What kept the server from listing its operations.
 */
export async function lookUp(call: Call): Promise<FoundOperation> {
  try {
    for (let mustBeFresh: true | undefined;; mustBeFresh = true) {
      const found = await call.find(mustBeFresh);
      if (found === undefined) {
        const message = `'${call.group}' has no operation '${call.operation}'`;
        throw createClientError("operation_not_found", message);
      }
      // What is resumed has no arguments here.
      const issues = call.continuation
        ? []
        : found.validate?.(found.operation, call.arguments) ?? [];
      if (issues.length === 0) return found;
      if (found.fresh || mustBeFresh) {
        const message = "The arguments break the schema";
        throw createClientError("invalid_arguments", message, { issues });
      }
    }
  } catch (error) {
    if (call.controller.signal.aborted) throw error;
    throw concludeError(asClientError(error), { delivery: "not_sent" });
  }
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
    if (await call.find(true) !== undefined) return error;
  } catch {
    return error;
  }
  const message = `'${call.group}' has no operation '${call.operation}' any more`;
  return createClientError("operation_not_found", message, { cause: error });
}
