import type { Effect } from "../errors/delivery.ts";
import { type ClientError, createClientError } from "../errors/errors.ts";
import { checkKeys, checkType } from "../errors/misuse.ts";
import type { ProgressTracker } from "../progress/tracker.ts";
import type { Clock } from "../resilience/clock.ts";
import { Deadline } from "../resilience/deadline.ts";
import { retry, type RetryPolicy } from "../resilience/retry.ts";
import { withTimeout } from "./abort.ts";
import type { FoundOperation } from "./catalog.ts";
import { checkEffect, checkTimeout, type ResolvedGroup } from "./config.ts";
import { resolveEffect } from "./effect.ts";
import type { ClientEvent } from "./events.ts";
import type { Execution, ExecutionResponse } from "./execution.ts";
import type { JsonObject, JsonValue, OperationDescriptor } from "./ports.ts";
import { EXECUTE_KEYS, type ExecuteOptions, type GroupDescription } from "./options.ts";
import { Run } from "./run.ts";
import type { Server, ServerState } from "./server.ts";
import { ExecutionCounter, type ExecutionStats } from "./stats.ts";

/** What a group shares with its client. */
export interface GroupContext {
  readonly server: Server;
  readonly tracker: ProgressTracker;
  readonly clock: Clock;
  readonly random: () => number;
  readonly onEvent: ((event: ClientEvent) => void) | undefined;
  /** Told of each execution that starts. */
  readonly onStart: (run: Run) => void;
}

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
  readonly #counter = new ExecutionCounter();

  /** Groups are made by their client. */
  constructor(group: ResolvedGroup, context: GroupContext) {
    this.name = group.name;
    this.#group = group;
    this.#context = context;
  }

  /** Where the group's server stands. */
  get state(): ServerState {
    return this.#context.server.state;
  }

  /** Why the server could not be reached when last tried; `undefined` once it could. */
  get lastError(): ClientError | undefined {
    return this.#context.server.lastError;
  }

  /** How many operations the server had when last asked; `undefined` before. */
  get operationCount(): number | undefined {
    return this.#context.server.catalog.size;
  }

  /**
   * Returns the time for one execution of an operation, unless the call sets its own.
   *
   * @param operation The operation's name.
   * @returns The operation's `timeoutMs`, else the group's, in milliseconds.
   */
  timeoutMsOf(operation: string): number {
    const { operations, timeoutMs } = this.#group.policy;
    return operations.get(operation)?.timeoutMs ?? timeoutMs;
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
  async describe(
    options: Pick<ExecuteOptions, "timeoutMs" | "signal"> = {},
  ): Promise<GroupDescription> {
    checkKeys("describe", options, ["timeoutMs", "signal"]);
    const { server, clock, random } = this.#context;
    const timeoutMs = checkTimeout("describe", options.timeoutMs ?? this.#group.policy.timeoutMs);
    const { operations, ttlMs } = await withTimeout(
      {
        ...{ timeoutMs, clock, signal: options.signal },
        error: () =>
          createClientError("deadline_exceeded", `'${server.name}' did not list in time`, {
            delivery: "not_sent",
            cause: server.lastError,
          }),
      },
      (signal, deadline) =>
        retry(() => server.catalog.list(signal), {
          ...this.#group.policy.retry,
          ...{ effect: "safe", signal, deadline, clock, random },
        }),
    );
    return {
      name: this.name,
      era: server.era,
      server: server.info,
      operations: operations.filter(({ name }) => this.#has(name))
        .map((operation) => ({ ...operation, effect: this.#effectOf(operation) })),
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
    checkKeys(`start '${operation}'`, options, EXECUTE_KEYS);
    return this.begin(operation, args, options) as Execution as Execution<T>;
  }

  /**
   * Runs an operation to its end.
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
    // A promise of its own: a failure that nobody looks at is reported as unhandled.
    return this.start<T>(operation, args, options).response.then((response) => response);
  }

  /** Counts what became of the group's executions. */
  protected get counts(): ExecutionStats {
    return this.#counter.toStats();
  }

  /** The group's retry policy, with what is known of the operation. */
  protected policyOf(operation: string): Required<RetryPolicy> {
    const { retry, operations } = this.#group.policy;
    const maxAttempts = operations.get(operation)?.maxAttempts;
    return maxAttempts === undefined ? retry : { ...retry, maxAttempts };
  }

  /** Starts an execution whose options are known, with values of its own for the retry policy. */
  protected begin(
    operation: string,
    args: JsonObject,
    options: ExecuteOptions,
    policy?: Required<RetryPolicy>,
  ): Execution {
    const act = `start '${operation}'`;
    checkType(act, "its arguments", args, "object");
    if (options.effect !== undefined) checkEffect(act, options.effect);
    const { server, tracker, clock, random, onEvent, onStart } = this.#context;
    const known = this.#group.policy.operations.get(operation);
    const timeoutMs = options.timeoutMs ?? known?.timeoutMs ?? this.#group.policy.timeoutMs;
    const deadline = Deadline.after(checkTimeout(act, timeoutMs), clock).nearer(options.deadline);
    const controller = new AbortController();
    const run = new Run({
      executionId: options.executionId ?? crypto.randomUUID(),
      operation,
      arguments: args,
      trace: options.trace,
      policy: policy ?? this.policyOf(operation),
      deadline,
      signal: controller.signal,
      ...{ server, clock, random },
      find: (mustBeFresh) => this.#find(operation, mustBeFresh, controller.signal),
      effectOf: ({ operation, fresh }) =>
        this.#effectOf(fresh ? operation : undefined, operation.name, options.effect),
    }, {
      group: this.name,
      counter: this.#counter,
      ...{ tracker, onEvent, controller },
      signal: options.signal,
    });
    onStart(run);
    return run;
  }

  async #find(
    name: string,
    mustBeFresh: boolean | undefined,
    signal: AbortSignal,
  ): Promise<FoundOperation | undefined> {
    if (!this.#has(name)) return undefined;
    const hinted = this.#group.policy.trustAnnotations &&
      this.#group.policy.operations.get(name)?.effect === undefined;
    return await this.#context.server.catalog.find(name, mustBeFresh ?? hinted, signal);
  }

  #has(name: string): boolean {
    const { include, exclude } = this.#group.policy;
    return (include === undefined || include.has(name)) && !exclude.has(name);
  }

  #effectOf(
    descriptor: OperationDescriptor | undefined,
    name: string | undefined = descriptor?.name,
    call?: Effect,
  ): Effect {
    const { operations, trustAnnotations } = this.#group.policy;
    const configured = operations.get(name ?? "")?.effect;
    return resolveEffect({ call, configured, descriptor, trustAnnotations });
  }
}
