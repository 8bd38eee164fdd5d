import type { Call } from "./call.ts";
import type { JsonObject } from "./ports.ts";

/** The prefix of AutoMCP's own keys in the metadata of a request. */
const PREFIX = "dev.automcp/";

/** Returns what a server is told beside the request, as its policy says; mostly nothing. */
export function toMeta(call: Call, attempt: number): JsonObject | undefined {
  const { sendAttempt, sendDeadline, idempotency } = call.policy;
  const keyName = idempotency?.place === "meta" ? idempotency.name : undefined;
  if (!sendAttempt && !sendDeadline && keyName === undefined) return undefined;
  const remainingMs = call.deadline.remainingMs();
  return {
    ...(sendAttempt && { [`${PREFIX}attempt`]: attempt }),
    ...(sendDeadline && remainingMs !== Infinity && {
      [`${PREFIX}deadline-ms`]: Math.floor(remainingMs),
    }),
    ...(keyName !== undefined && { [keyName]: call.executionId }),
  };
}
