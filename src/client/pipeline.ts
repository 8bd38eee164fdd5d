import { concludeError } from "../errors/conclude.ts";
import type { ErrorCode } from "../errors/codes.ts";
import { executeWithBoundary } from "../errors/boundary.ts";
import {
  type Delivery,
  type Effect,
  isSafeToRepeat,
  strongerDelivery,
} from "../errors/delivery.ts";
import {
  type ClientError,
  createClientError,
  type ErrorFacts,
  isClientError,
} from "../errors/errors.ts";
import type { Deadline } from "../resilience/deadline.ts";
import type { ManagedResource } from "../resilience/managed_resource.ts";
import {
  classifyClientError,
  type FailedAttempt,
  repeat,
  type RetryPolicy,
  type ScheduledRetry,
} from "../resilience/retry.ts";
import type { ProgressReport } from "../progress/events.ts";
import { abortable } from "./abort.ts";
import type { FoundOperation } from "./catalog.ts";
import type { GroupContext } from "./group.ts";
import type {
  Connection,
  ConnectionResult,
  JsonObject,
  OperationDescriptor,
  TraceContext,
} from "./ports.ts";
import type { ExecutionCounter } from "./stats.ts";

/**
 * Errors that stay themselves although an unsafe operation may have run: the server did answer, the
 * caller did not want to know, or it is said already.
 */
const KEPT_CODES: ReadonlySet<ErrorCode> = new Set([
  "operation_failed",
  "invalid_arguments",
  "cancelled",
  "outcome_unknown",
]);

/** One execution: what it does, what it may use, and who is told. */
export interface Call extends GroupContext {
  readonly group: string;
  readonly executionId: string;
  readonly operation: string;
  readonly arguments: JsonObject;
  readonly trace: TraceContext | undefined;
  readonly policy: Required<RetryPolicy>;
  readonly deadline: Deadline;
  readonly counter: ExecutionCounter;
  /** The caller's signal. */
  readonly callerSignal: AbortSignal | undefined;
  /** Aborted by whatever ends the execution early: the caller, the deadline, `cancel()`, `close()`. */
  readonly controller: AbortController;
  /** Finds the operation, or `undefined` if the group has none of this name. */
  find(mustBeFresh?: boolean): Promise<FoundOperation | undefined>;
  /** Resolves what repeating the operation does. */
  effectOf(found: FoundOperation): Effect;
}

/** What the pipeline tells while it works. */
export interface PipelineListener {
  attemptStarted(attempt: number, generation: number, why: ScheduledRetry | undefined): void;
  attemptEnded(attempt: number, delivery: Delivery, error: unknown, elapsedMs: number): void;
  retryScheduled(retry: ScheduledRetry): void;
  attemptProgressed(attempt: number, report: ProgressReport): void;
}

/**
 * Runs one execution through the layers, outermost first: retry ▸ look-up and validation ▸ lease ▸
 * attempt ▸ verdict. What an attempt proved decides whether there is another, never an error's text.
 */
export class Pipeline {
  /** How often the request was sent. */
  attempts = 0;
  /** The strongest claim of all attempts so far. */
  delivery: Delivery = "not_sent";
  /** What repeating the operation does; `undefined` until it has been looked up. */
  effect: Effect | undefined;
  readonly #call: Call;
  readonly #listener: PipelineListener;
  #found: FoundOperation | undefined;
  #scheduled: ScheduledRetry | undefined;
  #lastError: unknown;
  #sessionReplaced = false;

  constructor(call: Call, listener: PipelineListener) {
    this.#call = call;
    this.#listener = listener;
  }

  /**
   * Runs the execution.
   *
   * @returns The operation's answer.
   * @throws {ClientError} As the error of the whole execution.
   * @throws The signal's reason, if that ended it.
   */
  async run(): Promise<ConnectionResult> {
    const { controller: { signal }, deadline, clock, random, policy } = this.#call;
    try {
      return await repeat(() => this.#attempt(), {
        ...policy,
        // Which failures may be repeated depends on an effect that is known only after the look-up.
        effect: "safe",
        classify: (error) => this.#classify(error),
        onRetry: (scheduled) => this.#onRetry(scheduled),
        ...{ signal, deadline, clock, random },
      });
    } catch (error) {
      if (signal.aborted || !isClientError(error)) throw error;
      throw this.conclude(error);
    }
  }

  /** Returns an error as that of the whole execution: what nobody can know becomes "unknown". */
  conclude(error: ClientError): ClientError {
    const { executionId } = this.#call;
    const effect = this.effect ?? "unsafe";
    const delivery = strongerDelivery(this.delivery, error.delivery);
    const facts: ErrorFacts = { executionId, effect, delivery, attempts: this.attempts };
    if (effect !== "unsafe" || delivery !== "unknown" || KEPT_CODES.has(error.code)) {
      return concludeError(error, facts);
    }
    const message = `It is not known whether '${this.#call.operation}' ran: ${error.message}`;
    return createClientError("outcome_unknown", message, { ...facts, cause: error });
  }

  /** The error of the last failed attempt. */
  get lastError(): unknown {
    return this.#lastError;
  }

  async #attempt(): Promise<ConnectionResult> {
    const { server, controller: { signal }, deadline, clock } = this.#call;
    this.#found ??= await this.#lookUp();
    const lease = await server.pool.acquire({ signal, deadline });
    if (signal.aborted) {
      lease.release();
      throw signal.reason;
    }
    const attempt = ++this.attempts;
    const before = this.delivery;
    const startedMs = clock.now();
    this.#listener.attemptStarted(attempt, lease.generation, this.#scheduled);
    // Until the connection has proved otherwise, what it was given may be on its way.
    this.delivery = strongerDelivery(before, "unknown");
    const ended = (delivery: Delivery, error?: unknown): void => {
      this.delivery = strongerDelivery(before, delivery);
      this.#listener.attemptEnded(attempt, delivery, error, clock.now() - startedMs);
    };
    try {
      const result = await abortable(this.#send(lease, this.#found.operation, attempt), signal);
      ended("executed");
      return result;
    } catch (error) {
      ended(isClientError(error) && !signal.aborted ? error.delivery : "unknown", error);
      throw error;
    }
  }

  /** Sends, and gives the lease back when the connection is done, which an abort does not wait for. */
  async #send(
    lease: ManagedResource<Connection>,
    operation: OperationDescriptor,
    attempt: number,
  ): Promise<ConnectionResult> {
    const { controller: { signal }, deadline, trace } = this.#call;
    const effect = this.effect ?? "unsafe";
    const request = { operation, arguments: this.#call.arguments, effect, attempt };
    const onProgress = (report: ProgressReport): void =>
      this.#listener.attemptProgressed(attempt, report);
    try {
      return await executeWithBoundary(
        () =>
          lease.value.execute(trace === undefined ? request : { ...request, trace }, {
            signal,
            deadline,
            onProgress,
          }),
        { action: `execute '${operation.name}'`, effect, signal, code: "internal" },
      );
    } catch (error) {
      if (isClientError(error) && error.code === "session_lost") lease.fail(error);
      throw error;
    } finally {
      lease.release();
    }
  }

  /** Finds the operation and checks the arguments. Whatever fails here, nothing was sent. */
  async #lookUp(): Promise<FoundOperation> {
    const call = this.#call;
    try {
      let found = await call.find();
      if (found === undefined) {
        throw createClientError(
          "operation_not_found",
          `The server '${call.server.name}' has no operation '${call.operation}' for this group`,
        );
      }
      let issues = found.validate?.(found.operation, call.arguments) ?? [];
      if (issues.length > 0 && !found.fresh) {
        found = await call.find(true) ?? found;
        issues = found.validate?.(found.operation, call.arguments) ?? [];
      }
      if (issues.length > 0) {
        const message = `The arguments of '${call.operation}' do not match its input schema`;
        throw createClientError("invalid_arguments", message, { issues });
      }
      this.effect = call.effectOf(found);
      return found;
    } catch (error) {
      if (call.controller.signal.aborted || !isClientError(error)) throw error;
      throw concludeError(error, { delivery: "not_sent" });
    }
  }

  #classify(error: unknown): FailedAttempt | undefined {
    this.#lastError = error;
    const failed = classifyClientError(error);
    if (failed === undefined || !isClientError(error)) return undefined;
    if (!isSafeToRepeat(this.effect ?? "unsafe", failed.delivery)) return undefined;
    switch (error.code) {
      case "pool_timeout":
        // A busy pool is final; a server that cannot be reached now is waited for until the deadline.
        return isClientError(error.cause) && error.cause.temporary
          ? { ...failed, repaired: true }
          : undefined;
      case "pool_full":
      case "shed":
        return undefined;
      case "session_lost":
        if (this.#sessionReplaced) return undefined;
        this.#sessionReplaced = true;
        return { ...failed, repaired: true };
      case "connection_refused":
        return { ...failed, counts: false };
      default:
        return failed;
    }
  }

  #onRetry(scheduled: ScheduledRetry): void {
    this.#scheduled = scheduled;
    this.#listener.retryScheduled(scheduled);
  }
}
