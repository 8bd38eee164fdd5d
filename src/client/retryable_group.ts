import { checkOptions, type OptionRules } from "../errors/misuse.ts";
import { RETRY_POLICY_RULES } from "../resilience/retry.ts";
import type { ExecutionResponse } from "./execution.ts";
import { ClientGroup } from "./group.ts";
import { EXECUTE_RULES, type RetryExecuteOptions } from "./options.ts";
import type { JsonObject, JsonValue } from "./ports.ts";
import type { ExecutionStats } from "./stats.ts";

const RULES: OptionRules<RetryExecuteOptions> = { ...EXECUTE_RULES, ...RETRY_POLICY_RULES };

/**
 * A {@linkcode ClientGroup} whose executions can have a retry policy of their own, and that counts
 * what became of them.
 *
 * @example Try a call more often than the group does
 * ```ts
 * import { AutoMCPClient } from "@automcp/client";
 * import { createMcpConnector } from "@automcp/client/mcp";
 * import { assertEquals } from "@std/assert";
 *
 * const connector = createMcpConnector({ url: "http://localhost:9200/mcp" });
 * const client = new AutoMCPClient("calculator", { groups: { demo: { connector } } });
 * const demo = client.group("demo");
 * await demo.executeWithRetry("add", { a: 1, b: 2 }, { maxAttempts: 5, baseDelayMs: 50 });
 * assertEquals(demo.retryStats.retries, 0);
 * await client.close();
 * ```
 */
export class RetryableClientGroup extends ClientGroup {
  /** What became of the group's executions so far; the numbers add up. */
  get retryStats(): ExecutionStats {
    return this.counts;
  }

  /**
   * Runs an operation to its end with a retry policy of its own.
   *
   * The policy says how often and how long; it cannot make a call repeatable that may have run:
   * only its effect can.
   *
   * @typeParam T The type of the structured result.
   * @param operation The operation's name.
   * @param args Its arguments; they are checked against the operation's input schema.
   * @param retryOptions The policy's values, and how else this execution differs from the group's.
   * @returns The response. `status: "error"` means that the operation ran and said no.
   * @throws {ClientError} As {@linkcode ClientGroup.execute} does.
   * @throws {TypeError} If an option is unknown or of the wrong type, at once.
   * @throws {RangeError} If an option is out of its range, at once.
   * @throws The reason of the signal, untouched.
   *
   * @example One attempt only
   * ```ts
   * import { AutoMCPClient } from "@automcp/client";
   * import { createMcpConnector } from "@automcp/client/mcp";
   * import { assertEquals } from "@std/assert";
   *
   * const connector = createMcpConnector({ url: "http://localhost:9200/mcp" });
   * const client = new AutoMCPClient("calculator", { groups: { demo: { connector } } });
   * const { attempts } = await client.group("demo")
   *   .executeWithRetry("add", { a: 1, b: 2 }, { maxAttempts: 1 });
   * assertEquals(attempts, 1);
   * await client.close();
   * ```
   */
  executeWithRetry<T = JsonValue>(
    operation: string,
    args: JsonObject,
    retryOptions: RetryExecuteOptions,
  ): Promise<ExecutionResponse<T>> {
    checkOptions(`start '${operation}'`, retryOptions, RULES);
    return this.begin(operation, args, retryOptions).response as Promise<ExecutionResponse<T>>;
  }
}
