import { assert } from "@std/assert";
import type {
  AttemptOptions,
  ConnectionOptions,
  ExecutionRequest,
  JsonObject,
  OperationDescriptor,
} from "../../src/client/ports.ts";
import { type ClientError, isClientError } from "../../src/errors/errors.ts";
import type { ProgressReport } from "../../src/progress/events.ts";
import { Deadline } from "../../src/resilience/deadline.ts";

/** Limits far above what any test needs: nothing here may end by its deadline. */
export function limits(signal = new AbortController().signal): ConnectionOptions {
  return { signal, deadline: Deadline.after(20_000) };
}

/** Limits of an attempt that keeps its reports. */
export function attempt(
  reports: ProgressReport[] = [],
  signal?: AbortSignal,
): AttemptOptions {
  return { ...limits(signal), onProgress: (report) => void reports.push(report) };
}

/** A request for an attempt. */
export function request(
  operation: OperationDescriptor | string,
  args: JsonObject = {},
  facts: Partial<ExecutionRequest> = {},
): ExecutionRequest {
  return {
    operation: typeof operation === "string"
      ? { name: operation, kind: "tool", inputSchema: { type: "object" }, hints: {} }
      : operation,
    arguments: args,
    effect: "safe",
    attempt: 1,
    ...facts,
  };
}

/** Returns the error that some work fails with. */
export async function failureOf(work: Promise<unknown>): Promise<ClientError> {
  try {
    await work;
  } catch (error) {
    assert(isClientError(error), `Expected a ClientError: got ${error}`);
    return error;
  }
  throw new Error("Expected the work to fail");
}
