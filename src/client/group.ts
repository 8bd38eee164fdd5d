import { type ClientError, createClientError } from "../errors/errors.ts";
import { checkOptions, checkValue } from "../errors/misuse.ts";
import type { CircuitBreaker } from "../resilience/breaker.ts";
import { Deadline } from "../resilience/deadline.ts";
import { repeat } from "../resilience/retry.ts";
import { OwnController, withDeadline } from "./abort.ts";
import {
  type ClientContext,
  createExecutionId,
  type GroupContext,
  inherit,
  withKey,
} from "./call.ts";
import type { ResolvedGroup } from "./config.ts";
import { checkContinuation, type Continuation } from "./continuation.ts";
import { GroupOperations } from "./group_operations.ts";
import type { Execution, ExecutionResponse } from "./execution.ts";
import type { JsonObject, JsonValue } from "./ports.ts";
import {
  DESCRIBE_RULES,
  type DescribeOptions,
  EXECUTE_RULES,
  type ExecuteOptions,
  type GroupDescription,
  type RetryExecuteOptions,
} from "./options.ts";
import { Run } from "./run.ts";
import type { ServerState } from "./server.ts";
import { createExecutionCounts, type ExecutionStats } from "./stats.ts";
import { type AttemptSituation, classifyAttempt } from "./verdict.ts";

/**
 * A named set of operations on one server, with its policy. Groups belong to an
 * {@linkcode AutoMCPClient}, which makes them from its configuration.
 *
 * @example Call an operation and look at its answer
 * ```ts
 * import { AutoMCPClient } from "@automcp/client";
 * import { createMcpConnector } from "@automcp/client/mcp";
 * import { assertEquals } from "@std/assert";
 *
 * const connector = createMcpConnector({ url: "http://localhost:9200/mcp" });
 * const client = new AutoMCPClient("calculator", { groups: { demo: { connector } } });
 * const response = await client.group("demo").execute("add", { a: 1, b: 2 });
 * assertEquals(response.structuredContent, { sum: 3 });
 * await client.close();
 * ```
 */
export class ClientGroup {
  /** The group's name. */
  readonly name: string;
  readonly #group: ResolvedGroup;
  readonly #context: GroupContext;

  /** Groups are made by their client. */
  constructor(group: ResolvedGroup, context: ClientContext) {
    this.name = group.name;
    this.#group = group;
    this.#context = {
      ...context,
      group: group.name,
      counts: createExecutionCounts(),
      operations: new GroupOperations(group, context.server.catalog),
    };
  }

  /** Where the group's server stands. */
  get state(): ServerState {
    return this.#context.server.state;
  }

  /** Why the server could not be reached when last tried; `undefined` once it could. */
  get lastError(): ClientError | undefined {
    return this.#context.server.lastError;
  }

  /**
   * The breaker in front of the group's server, which all groups with the same connector share: to
   * look at it, to isolate the server by hand, to carry its state into another process.
   *
   * @example Take a server out of use for a while
   * ```ts
   * import { AutoMCPClient } from "@automcp/client";
   * import { createMcpConnector } from "@automcp/client/mcp";
   * import { assertEquals } from "@std/assert";
   *
   * const connector = createMcpConnector({ url: "http://localhost:9200/mcp" });
   * const client = new AutoMCPClient("calculator", { groups: { demo: { connector } } });
   * const { breaker } = client.group("demo");
   * breaker.isolate(); // calls fail with `circuit_open`
   * assertEquals(breaker.state, "isolated");
   * breaker.close();
   * await client.close();
   * ```
   */
  get breaker(): CircuitBreaker {
    return this.#context.server.gate.breaker;
  }

  /**
   * Returns the time for one execution of an operation, unless the call sets its own.
   *
   * @param operation The operation's name.
   * @returns The operation's `timeoutMs`, else the group's, in milliseconds.
   */
  timeoutMsOf(operation: string): number {
    return this.#context.operations.policyOf(operation).timeoutMs;
  }

  /**
   * Lists what the group can do. Connects if need be, and asks the server again only once the list is
   * no longer fresh.
   *
   * @param options How long to wait, and what ends the wait.
   * @returns The operations, with what repeating them does, and what the server says of itself.
   * @throws {ClientError} If the server cannot be reached or cannot list.
   *
   * @example Print what can be called
   * ```ts
   * import { AutoMCPClient } from "@automcp/client";
   * import { createMcpConnector } from "@automcp/client/mcp";
   *
   * const connector = createMcpConnector({ url: "http://localhost:9200/mcp" });
   * const client = new AutoMCPClient("calculator", { groups: { demo: { connector } } });
   * const { operations } = await client.group("demo").describe();
   * for (const { name, effect } of operations) console.log(name, effect);
   * await client.close();
   * ```
   */
  async describe(options: DescribeOptions = {}): Promise<GroupDescription> {
    checkOptions("describe", options, DESCRIBE_RULES);
    const { server, operations, clock, random } = this.#context;
    const deadline = Deadline.after(options.timeoutMs ?? this.#group.timeoutMs, clock);
    const controller = new AbortController();
    const onTimeout = (): void => {
      const facts = { delivery: "not_sent", cause: server.lastError } as const;
      const message = `'${this.name}' did not end by its deadline`;
      controller.abort(createClientError("deadline_exceeded", message, facts));
    };
    const situation: AttemptSituation = {
      effect: "safe",
      repairs: new Set(["session"]),
      replacesSession: true,
      resumes: false,
      connectionEnded: false,
      gateIsShut: false,
    };
    const { operations: listed, ttlMs } = await withDeadline(
      { controller, signal: options.signal, deadline, timer: server.timer, onTimeout },
      () =>
        repeat(() => server.catalog.list(controller.signal), this.#group, {
          effect: "safe",
          classify: (error) => classifyAttempt(error, situation),
          budget: server.budget,
          minRemainingMs: undefined,
          onRetry: undefined,
          onBudgetEmpty: undefined,
          ...{ signal: controller.signal, deadline, clock, random },
        }),
    );
    return {
      name: this.name,
      era: server.era,
      server: server.info,
      operations: listed.filter(({ name }) => operations.has(name))
        .map((operation) => ({
          ...operation,
          effect: operations.effectOf({ operation, fresh: true }),
        })),
      ttlMs,
    };
  }

  /**
   * Starts an operation and returns at once, for progress, events and cancelling.
   *
   * @typeParam T The type of the structured result.
   * @param operation The operation's name.
   * @param args Its arguments.
   * @param options How this execution differs from the group's policy.
   * @returns The running execution. Its response rejects as that of {@linkcode ClientGroup.execute}.
   * @throws {TypeError} If an option is unknown or of the wrong type.
   * @throws {RangeError} If an option is out of its range.
   *
   * @example Watch the progress of a long operation
   * ```ts
   * import { AutoMCPClient } from "@automcp/client";
   * import { createMcpConnector } from "@automcp/client/mcp";
   *
   * const connector = createMcpConnector({ url: "http://localhost:9200/mcp" });
   * const client = new AutoMCPClient("calculator", { groups: { demo: { connector } } });
   * const execution = client.group("demo").start("count", { steps: 3 });
   * for await (const { fraction, message } of execution.progress) console.log(fraction, message);
   * console.log((await execution.response).content);
   * await client.close();
   * ```
   */
  start<T = JsonValue>(
    operation: string,
    args: JsonObject = {},
    options: ExecuteOptions = {},
  ): Execution<T> {
    checkOptions(`start '${operation}'`, options, EXECUTE_RULES);
    return this.#hand<T>(this.begin(operation, args, options));
  }

  /**
   * Runs an operation to its end. Misuse throws at once, as with {@linkcode ClientGroup.start}, not by
   * rejecting.
   *
   * @typeParam T The type of the structured result.
   * @param operation The operation's name.
   * @param args Its arguments; they are checked against the operation's input schema.
   * @param options How this execution differs from the group's policy.
   * @returns The response. `status: "error"` means that the operation ran and said no.
   * @throws {OperationError} `operation_not_found` and `invalid_arguments` before anything is sent;
   * `operation_failed` and `invalid_result`.
   * @throws {OutcomeUnknownError} `outcome_unknown` if an unsafe operation may have run.
   * @throws {DeadlineExceededError} `deadline_exceeded`.
   * @throws {ClientError} Any other code of a server or a connection that failed for good.
   * @throws The reason of the signal, untouched.
   *
   * @example Call an operation
   * ```ts
   * import { AutoMCPClient } from "@automcp/client";
   * import { createMcpConnector } from "@automcp/client/mcp";
   * import { assertEquals } from "@std/assert";
   *
   * const connector = createMcpConnector({ url: "http://localhost:9200/mcp" });
   * const client = new AutoMCPClient("calculator", { groups: { demo: { connector } } });
   * const response = await client.group("demo").execute<{ sum: number }>("add", { a: 1, b: 2 });
   * assertEquals(response.structuredContent?.sum, 3);
   * await client.close();
   * ```
   */
  execute<T = JsonValue>(
    operation: string,
    args: JsonObject = {},
    options: ExecuteOptions = {},
  ): Promise<ExecutionResponse<T>> {
    checkOptions(`start '${operation}'`, options, EXECUTE_RULES);
    return this.begin(operation, args, options).response as Promise<ExecutionResponse<T>>;
  }

  /**
   * Takes up an execution that its server has taken on to answer later: of a client that was closed
   * or of a process that is gone. It only asks for the answer and never sends the operation, so to
   * resume is harmless whatever the operation does, also more than once.
   *
   * @typeParam T The type of the structured result.
   * @param continuation What {@linkcode Execution.continuation} or the event `execution.deferred` gave.
   * @param options How this execution differs from the group's policy; `hedge` does nothing here.
   * @returns The running execution, with an id, a deadline and progress of its own. Its response
   * rejects as that of {@linkcode ClientGroup.execute}; a failure that leaves the outcome open leaves
   * `delivery` at `unknown`, and the continuation good for another try.
   * @throws {TypeError} If the continuation is malformed or of another server, or an option is wrong.
   * @throws {RangeError} If an option is out of its range.
   *
   * @example Take up where another process stopped
   * ```ts
   * import { AutoMCPClient, type Continuation } from "@automcp/client";
   * import { createMcpConnector } from "@automcp/client/mcp";
   *
   * async function takeUp(stored: string): Promise<void> {
   *   const continuation: Continuation = JSON.parse(stored);
   *   const connector = createMcpConnector({ url: "http://localhost:9200/mcp" });
   *   const client = new AutoMCPClient("reports", { groups: { demo: { connector } } });
   *   const execution = client.group("demo").resume(continuation, { timeoutMs: 600_000 });
   *   console.log((await execution.response).structuredContent);
   *   await client.close();
   * }
   * ```
   */
  resume<T = JsonValue>(continuation: Continuation, options: ExecuteOptions = {}): Execution<T> {
    checkContinuation(continuation, this.#context.server.name);
    const { operation } = continuation;
    checkOptions(`resume '${operation}'`, options, EXECUTE_RULES);
    return this.#hand<T>(this.begin(operation, {}, options, continuation));
  }

  /** Counts what became of the group's executions. */
  protected get counts(): ExecutionStats {
    return structuredClone(this.#context.counts);
  }

  /** Starts an execution, with options that may overrule all that the group's policy says. */
  protected begin(
    operation: string,
    args: JsonObject,
    options: RetryExecuteOptions,
    continuation?: Continuation,
  ): Execution {
    checkValue(`start '${operation}'`, "its arguments", args, { type: "object" });
    const policy = inherit(this.#context.operations.policyOf(operation), options);
    const executionId = policy.executionId ?? createExecutionId();
    const deadline = Deadline.after(policy.timeoutMs, this.#context.clock);
    return new Run({
      context: this.#context,
      executionId,
      operation,
      arguments: withKey(args, executionId, policy.idempotency),
      continuation,
      policy,
      deadline: deadline.nearer(policy.deadline),
      controller: new OwnController(),
    });
  }

  /** Returns an execution as a handle: its events tell a failure too, so nobody has to await it. */
  #hand<T>(execution: Execution): Execution<T> {
    execution.response.catch(() => {});
    return execution as Execution<T>;
  }
}
