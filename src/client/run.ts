import { executeWithBoundary } from "../errors/boundary.ts";
import type { ErrorCode } from "../errors/codes.ts";
import { type Delivery, type Effect, strongerDelivery } from "../errors/delivery.ts";
import { asClientError } from "../errors/conclude.ts";
import { type ClientError, createClientError, isClientError } from "../errors/errors.ts";
import type {
  ExecutionEvent,
  ExecutionOutcome,
  ProgressReport,
  ProgressSnapshot,
} from "../progress/events.ts";
import type { ManagedResource } from "../resilience/managed_resource.ts";
import { type FailedAttempt, repeat, type ScheduledRetry } from "../resilience/retry.ts";
import { abortable, withDeadline } from "./abort.ts";
import type { Call } from "./call.ts";
import type { FoundOperation } from "./catalog.ts";
import type { ClientEvent } from "./events.ts";
import type { Execution, ExecutionResponse } from "./execution.ts";
import { lookUp } from "./look_up.ts";
import type { Connection, ConnectionResult } from "./ports.ts";
import { countCode } from "./stats.ts";
import { classifyAttempt, concludeExecution } from "./verdict.ts";

/**
 * One execution from its start to its one last event, through the layers, outermost first: deadline ▸
 * progress ▸ retry ▸ look-up and validation ▸ lease ▸ attempt ▸ verdict.
 */
export class Run implements Execution {
  readonly id: string;
  readonly group: string;
  readonly operation: string;
  readonly startedAt: string;
  readonly response: Promise<ExecutionResponse>;
  attempts = 0;
  readonly #call: Call;
  readonly #startedMs: number;
  /** Unset if nobody listens, so that no event is made. */
  readonly #emit: ((event: OwnEvent) => void) | undefined;
  /** What is proved: the strongest claim of all attempts so far. */
  #delivery: Delivery = "not_sent";
  /** Unset until the operation has been looked up. */
  #effect: Effect | undefined;
  #found: FoundOperation | undefined;
  #lastError: unknown;
  /** Why there is another attempt. */
  #why: { readonly reason?: ErrorCode; readonly waitMs?: number } = {};
  #sessionReplaced = false;
  /** What of ours ended it early; the caller's own abort leaves it unset. */
  #endedBy: ClientError | undefined;

  constructor(call: Call) {
    const { executionId, group, operation, clock, tracker, counts, onEvent } = call;
    this.id = executionId;
    this.group = group;
    this.operation = operation;
    this.#call = call;
    this.#startedMs = clock.now();
    this.startedAt = new Date(clock.wall()).toISOString();
    if (onEvent !== undefined) {
      const shared = { executionId, server: call.server.name };
      this.#emit = (event) => onEvent({ ...shared, atMs: clock.wall(), ...event } as ClientEvent);
    }
    tracker.startOperation(executionId);
    counts.started++;
    counts.running++;
    this.#emit?.({ type: "execution.start", group, operation });
    this.response = this.#settle();
    // The handle's events tell a failure too, so nobody has to await the response.
    this.response.catch(() => {});
  }

  get progress(): AsyncIterable<ProgressSnapshot> {
    return this.#call.tracker.subscribe(this.id);
  }

  get events(): AsyncIterable<ExecutionEvent> {
    return this.#call.tracker.events(this.id);
  }

  cancel(): void {
    this.#abort("cancelled", `'${this.operation}' was cancelled`);
  }

  /** Ends the execution because its client is closed. */
  close(): void {
    this.#abort("pool_closed", "The client is closed");
  }

  #abort(code: ErrorCode, message: string, cause?: unknown): void {
    const { controller } = this.#call;
    if (controller.signal.aborted) return;
    this.#endedBy = createClientError(code, message, { delivery: this.#delivery, cause });
    controller.abort(this.#endedBy);
  }

  async #settle(): Promise<ExecutionResponse> {
    const { callerSignal, controller, clock, deadline, random, policy } = this.#call;
    const { signal } = controller;
    const onTimeout = (): void => this.#expire();
    try {
      const { status, content, structuredContent } = await withDeadline(
        { controller, signal: callerSignal, deadline, clock, onTimeout },
        () =>
          repeat(() => this.#attempt(), {
            ...policy,
            // Which failures may be repeated depends on an effect that the look-up makes known.
            effect: "safe",
            classify: (error) => this.#classify(error),
            onRetry: (scheduled) => this.#onRetry(scheduled),
            ...{ signal, deadline, clock, random },
          }),
      );
      this.#end("completed", "completed");
      return {
        executionId: this.id,
        group: this.group,
        operation: this.operation,
        status,
        success: status === "success",
        content,
        ...(structuredContent !== undefined && { structuredContent }),
        attempts: this.attempts,
        elapsedMs: this.#elapsedMs(),
        startedAt: this.startedAt,
      };
    } catch (error) {
      throw this.#fail(error);
    }
  }

  async #attempt(): Promise<ConnectionResult> {
    const { server, controller: { signal }, deadline, clock, counts, tracker } = this.#call;
    if (this.#found === undefined) {
      this.#found = await lookUp(this.#call);
      this.#effect = this.#call.effectOf(this.#found);
    }
    const lease = await server.pool.acquire({ signal, deadline });
    const attempt = ++this.attempts;
    const before = this.#delivery;
    const startedMs = clock.now();
    let delivery: Delivery = "not_sent";
    let code: ErrorCode | undefined;
    counts.attempts++;
    tracker.startAttempt(this.id, attempt, this.#why);
    this.#emit?.({ type: "attempt.start", attempt, generation: lease.generation });
    // Until the connection has proved otherwise, what it was given may be on its way.
    const onSend = (): void => void (this.#delivery = delivery = "unknown");
    try {
      const result = await abortable(this.#send(lease, this.#found, attempt, onSend), signal);
      delivery = "executed";
      return result;
    } catch (error) {
      if (!signal.aborted && isClientError(error)) ({ delivery, code } = error);
      throw error;
    } finally {
      this.#delivery = strongerDelivery(before, delivery);
      const elapsedMs = clock.now() - startedMs;
      this.#emit?.({ type: "attempt.end", attempt, delivery, ...(code && { code }), elapsedMs });
    }
  }

  /** Sends, and gives the lease back when the connection is done, which an abort does not wait for. */
  async #send(
    lease: ManagedResource<Connection>,
    { operation }: FoundOperation,
    attempt: number,
    onSend: () => void,
  ): Promise<ConnectionResult> {
    const { controller: { signal }, deadline, trace, tracker, arguments: args } = this.#call;
    const effect = this.#effect ?? "unsafe";
    const request = { operation, arguments: args, effect, attempt, ...(trace && { trace }) };
    const onProgress = (report: ProgressReport): void =>
      tracker.updateProgress(this.id, report, attempt);
    try {
      signal.throwIfAborted();
      onSend();
      return await executeWithBoundary(
        () => lease.value.execute(request, { signal, deadline, onProgress }),
        { action: `execute '${operation.name}'`, effect, signal, code: "internal" },
      );
    } catch (error) {
      if (codeOf(error) === "session_lost" || lease.value.closed.aborted) lease.fail(error);
      throw error;
    } finally {
      lease.release();
    }
  }

  #classify(error: unknown): FailedAttempt | undefined {
    this.#lastError = error;
    const failed = classifyAttempt(error, this.#effect ?? "unsafe", this.#sessionReplaced);
    this.#sessionReplaced ||= codeOf(error) === "session_lost";
    return failed;
  }

  #onRetry({ error, waitMs }: ScheduledRetry): void {
    const { counts } = this.#call;
    const reason = codeOf(error);
    this.#why = { reason, waitMs };
    counts.retries++;
    counts.waitMs += waitMs;
    countCode(counts.retriesByCode, reason);
    this.#emit?.({ type: "retry.scheduled", reason, waitMs });
  }

  #expire(): void {
    const message = `'${this.operation}' did not end by its deadline`;
    this.#abort("deadline_exceeded", message, this.#lastError);
  }

  /** Returns what the caller gets to see, after the last event that tells the same. */
  #fail(error: unknown): unknown {
    const { signal } = this.#call.controller;
    if (signal.aborted && this.#endedBy === undefined) {
      this.#end("cancelled", "aborted");
      return signal.reason;
    }
    const concluded = concludeExecution(asClientError(this.#endedBy ?? error), this.operation, {
      effect: this.#effect ?? "unsafe",
      delivery: this.#delivery,
      attempts: this.attempts,
      executionId: this.id,
    });
    const { code } = concluded;
    this.#end(code === "outcome_unknown" || code === "cancelled" ? code : "failed", code);
    return concluded;
  }

  #end(outcome: ExecutionOutcome, end: "completed" | "aborted" | ErrorCode): void {
    const { counts, tracker } = this.#call;
    counts.running--;
    if (end === "completed" || end === "aborted") counts[end]++;
    else {
      counts.failed++;
      countCode(counts.failedByCode, end);
    }
    tracker.completeOperation(this.id, outcome);
    this.#emit?.({
      type: "execution.end",
      outcome,
      ...(this.#effect !== undefined && { effect: this.#effect }),
      ...(end !== "completed" && end !== "aborted" && { code: end }),
      delivery: this.#delivery,
      attempts: this.attempts,
      elapsedMs: this.#elapsedMs(),
    });
  }

  #elapsedMs(): number {
    return Math.max(0, this.#call.clock.now() - this.#startedMs);
  }
}

/** An event of an execution without what all of them carry. */
type OwnEvent<E = ClientEvent> = E extends { executionId: string; server: string; atMs: number }
  ? Omit<E, "executionId" | "server" | "atMs">
  : never;

function codeOf(error: unknown): ErrorCode {
  return isClientError(error) ? error.code : "internal";
}
