import { concludeError } from "../errors/conclude.ts";
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
    let found = await call.find();
    if (found === undefined) {
      const message = `'${call.group}' has no operation '${call.operation}'`;
      throw createClientError("operation_not_found", message);
    }
    let issues = found.validate?.(found.operation, call.arguments) ?? [];
    if (issues.length > 0 && !found.fresh) {
      found = await call.find(true) ?? found;
      issues = found.validate?.(found.operation, call.arguments) ?? [];
    }
    if (issues.length === 0) return found;
    const message = `The arguments do not match the schema of '${call.operation}'`;
    throw createClientError("invalid_arguments", message, { issues });
  } catch (error) {
    if (call.controller.signal.aborted || !isClientError(error)) throw error;
    throw concludeError(error, { delivery: "not_sent" });
  }
}
