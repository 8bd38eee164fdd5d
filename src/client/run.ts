import type { ErrorCode } from "../errors/codes.ts";
import type { Delivery } from "../errors/delivery.ts";
import { type ClientError, createClientError, isClientError } from "../errors/errors.ts";
import { notify } from "../errors/notify.ts";
import type {
  ExecutionEvent,
  ExecutionOutcome,
  ProgressReport,
  ProgressSnapshot,
} from "../progress/events.ts";
import type { ScheduledRetry } from "../resilience/retry.ts";
import { linkAbort } from "./abort.ts";
import type { ClientEvent } from "./events.ts";
import type { Execution, ExecutionResponse } from "./execution.ts";
import { type Call, Pipeline, type PipelineListener } from "./pipeline.ts";

/** One execution from its start to its one last event. */
export class Run implements Execution, PipelineListener {
  readonly id: string;
  readonly group: string;
  readonly operation: string;
  readonly startedAt: string;
  readonly response: Promise<ExecutionResponse>;
  readonly #call: Call;
  readonly #pipeline: Pipeline;
  readonly #startedMs: number;
  /** What of ours ended it early; the caller's own abort leaves it unset. */
  #endedBy: ClientError | undefined;

  constructor(call: Call) {
    this.id = call.executionId;
    this.group = call.group;
    this.operation = call.operation;
    this.#call = call;
    this.#pipeline = new Pipeline(call, this);
    this.#startedMs = call.clock.now();
    this.startedAt = new Date(call.clock.wall()).toISOString();
    call.tracker.startOperation(this.id);
    call.counter.start();
    if (call.onEvent !== undefined) {
      this.#emit({ type: "execution.start", group: this.group, operation: this.operation });
    }
    this.response = this.#settle();
    // The handle's events tell a failure too, so nobody has to await the response.
    this.response.catch(() => {});
  }

  get attempts(): number {
    return this.#pipeline.attempts;
  }

  get progress(): AsyncIterable<ProgressSnapshot> {
    return this.#call.tracker.subscribe(this.id);
  }

  get events(): AsyncIterable<ExecutionEvent> {
    return this.#call.tracker.events(this.id);
  }

  cancel(): void {
    const message = `The execution of '${this.operation}' was cancelled`;
    this.abort(createClientError("cancelled", message, { delivery: this.#pipeline.delivery }));
  }

  /** Ends the execution early with an error, completed by what is proved until then. */
  abort(error: ClientError): void {
    const { controller } = this.#call;
    if (controller.signal.aborted) return;
    this.#endedBy = error;
    controller.abort(error);
  }

  attemptStarted(attempt: number, generation: number, why: ScheduledRetry | undefined): void {
    const { tracker, counter, onEvent } = this.#call;
    counter.attempt();
    if (why === undefined) tracker.startAttempt(this.id, attempt);
    else tracker.startAttempt(this.id, attempt, { reason: codeOf(why.error), waitMs: why.waitMs });
    if (onEvent !== undefined) this.#emit({ type: "attempt.start", attempt, generation });
  }

  attemptProgressed(attempt: number, report: ProgressReport): void {
    this.#call.tracker.updateProgress(this.id, report, attempt);
  }

  attemptEnded(attempt: number, delivery: Delivery, error: unknown, elapsedMs: number): void {
    if (this.#call.onEvent === undefined) return;
    const code = isClientError(error) ? { code: error.code } : undefined;
    this.#emit({ type: "attempt.end", attempt, delivery, ...code, elapsedMs });
  }

  retryScheduled({ error, waitMs }: ScheduledRetry): void {
    const reason = codeOf(error);
    this.#call.counter.retry(reason, waitMs);
    if (this.#call.onEvent !== undefined) {
      this.#emit({ type: "retry.scheduled", reason, waitMs });
    }
  }

  async #settle(): Promise<ExecutionResponse> {
    const { callerSignal, controller, clock, deadline } = this.#call;
    const unlink = linkAbort(callerSignal, controller);
    const undoTimer = deadline.atMs === Infinity
      ? () => {}
      : clock.setTimer(deadline.remainingMs(), () => this.abort(this.#deadlineError()));
    try {
      const result = await this.#pipeline.run();
      this.#end("completed", "completed");
      return {
        executionId: this.id,
        group: this.group,
        operation: this.operation,
        status: result.status,
        success: result.status === "success",
        content: result.content,
        ...(result.structuredContent !== undefined &&
          { structuredContent: result.structuredContent }),
        attempts: this.#pipeline.attempts,
        elapsedMs: this.#elapsedMs(),
        startedAt: this.startedAt,
      };
    } catch (error) {
      throw this.#fail(error);
    } finally {
      undoTimer();
      unlink();
    }
  }

  /** Returns what the caller gets to see, after the last event that tells the same. */
  #fail(error: unknown): unknown {
    const { signal } = this.#call.controller;
    if (signal.aborted && this.#endedBy === undefined) {
      this.#end("cancelled", "aborted");
      return signal.reason;
    }
    const ended = this.#endedBy === undefined ? error : this.#pipeline.conclude(this.#endedBy);
    const known = isClientError(ended)
      ? ended
      : createClientError("internal", "AutoMCP failed on its own", { cause: ended });
    this.#end(outcomeOf(known), known.code);
    return known;
  }

  #end(outcome: ExecutionOutcome, end: "completed" | "aborted" | ErrorCode): void {
    const { counter, tracker, onEvent } = this.#call;
    const { effect, delivery, attempts } = this.#pipeline;
    counter.end(end);
    tracker.completeOperation(this.id, outcome);
    if (onEvent === undefined) return;
    this.#emit({
      type: "execution.end",
      outcome,
      ...(effect !== undefined && { effect }),
      ...(end !== "completed" && end !== "aborted" && { code: end }),
      ...{ delivery, attempts, elapsedMs: this.#elapsedMs() },
    });
  }

  #deadlineError(): ClientError {
    const { delivery, lastError } = this.#pipeline;
    const message = `'${this.operation}' did not end by its deadline`;
    return createClientError("deadline_exceeded", message, { delivery, cause: lastError });
  }

  #elapsedMs(): number {
    return Math.max(0, this.#call.clock.now() - this.#startedMs);
  }

  #emit(event: OwnEvent): void {
    const { server, clock } = this.#call;
    const shared = { executionId: this.id, server: server.name, atMs: clock.wall() };
    notify(this.#call.onEvent, { ...shared, ...event } as ClientEvent);
  }
}

/** An event of an execution without what all of them carry. */
type OwnEvent<E = ClientEvent> = E extends { executionId: string; server: string; atMs: number }
  ? Omit<E, "executionId" | "server" | "atMs">
  : never;

function outcomeOf(error: ClientError): ExecutionOutcome {
  if (error.code === "outcome_unknown") return "outcome_unknown";
  return error.code === "cancelled" ? "cancelled" : "failed";
}

function codeOf(error: unknown): ErrorCode {
  return isClientError(error) ? error.code : "internal";
}
