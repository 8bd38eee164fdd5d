import type { ErrorCode } from "../errors/codes.ts";
import { asClientError } from "../errors/conclude.ts";
import type { Effect } from "../errors/delivery.ts";
import { type ClientError, createClientError, isClientError } from "../errors/errors.ts";
import type { ExecutionEvent, ExecutionOutcome, ProgressSnapshot } from "../progress/events.ts";
import { type FailedAttempt, repeat, type ScheduledRetry } from "../resilience/retry.ts";
import { withDeadline } from "./abort.ts";
import type { Call } from "./call.ts";
import type { FoundOperation } from "./catalog.ts";
import type { Continuation } from "./continuation.ts";
import type { ClientEvent, EmitOwn } from "./events.ts";
import type { Execution, ExecutionResponse } from "./execution.ts";
import { lookUp, tellApart } from "./look_up.ts";
import type { ConnectionResult } from "./ports.ts";
import { Sender } from "./sender.ts";
import { countCode } from "./stats.ts";
import { classifyAttempt, concludeExecution, type Repair } from "./verdict.ts";

/**
 * One execution from its start to its one last event, through the layers, outermost first: deadline ▸
 * progress ▸ retry and budget ▸ look-up and validation ▸ gate (breaker, limiter, queue) ▸ lease ▸
 * hedge ▸ attempt ▸ verdict.
 */
export class Run implements Execution {
  readonly id: string;
  readonly group: string;
  readonly operation: string;
  readonly startedAt: string;
  readonly response: Promise<ExecutionResponse>;
  readonly #call: Call;
  readonly #startedMs: number;
  readonly #sender: Sender;
  /** Unset if nobody listens, so that no event is made. */
  readonly #emit: EmitOwn | undefined;
  /** Unset until the operation has been looked up. */
  #effect: Effect | undefined;
  #found: FoundOperation | undefined;
  /** Failures that count towards `maxAttempts`. */
  #used = 0;
  readonly #repairs = new Set<Repair>(["session", "connection"]);
  #lastError: unknown;
  /** The one before that. */
  #errorBefore: unknown;
  /** Why there is another attempt. */
  #why: { readonly reason?: ErrorCode; readonly waitMs?: number } = {};
  /** What of ours ended it early; the caller's own abort leaves it unset. */
  #endedBy: ClientError | undefined;

  constructor(call: Call) {
    const { executionId, group, operation, clock, tracker, counts, onEvent, server, trace } = call;
    this.id = executionId;
    this.group = group;
    this.operation = operation;
    this.#call = call;
    this.#startedMs = clock.now();
    this.startedAt = new Date(clock.wall()).toISOString();
    if (onEvent !== undefined) {
      const shared = { executionId, server: server.name };
      this.#emit = (event) => onEvent({ ...shared, atMs: clock.wall(), ...event } as ClientEvent);
    }
    this.#sender = new Sender(call, this.#emit);
    tracker.startOperation(executionId);
    server.budget.deposit();
    counts.started++;
    counts.running++;
    this.#emit?.({ type: "execution.start", group, operation, ...(trace && { trace }) });
    this.response = this.#settle();
    // The handle's events tell a failure too, so nobody has to await the response.
    this.response.catch(() => {});
  }

  get attempts(): number {
    return this.#sender.attempts;
  }

  get continuation(): Continuation | undefined {
    return this.#sender.continuation;
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
    const { delivery } = this.#sender;
    this.#endedBy = createClientError(code, message, { delivery, cause });
    controller.abort(this.#endedBy);
  }

  async #settle(): Promise<ExecutionResponse> {
    const { callerSignal, controller, clock, deadline, random, policy, server } = this.#call;
    const { signal } = controller;
    const onTimeout = (): void => this.#expire();
    try {
      const { status, content, structuredContent } = await withDeadline(
        { controller, signal: callerSignal, deadline, timer: server.timer, onTimeout },
        () =>
          repeat(() => this.#attempt(), policy, {
            // Which failures may be repeated depends on an effect that the look-up makes known.
            effect: "safe",
            budget: server.budget,
            // A first send is never hopeless: a stale estimate must not lock the operation out.
            // Nor is it hopeless to ask for an answer that may be there already.
            minRemainingMs: () =>
              this.continuation ? 0 : this.attempts && server.gate.estimates.p50Ms(this.operation),
            classify: (error) => this.#classify(error),
            onRetry: (scheduled) => this.#onRetry(scheduled),
            onBudgetEmpty: (error) => this.#onBudgetEmpty(error),
            signal,
            deadline,
            clock,
            random,
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
    const { server, policy } = this.#call;
    if (policy.failFast) server.gate.refuseIfShut();
    if (this.#found === undefined) {
      this.#found = await lookUp(this.#call);
      this.#effect = this.#call.effectOf(this.#found);
      if (this.#effect === "safe" && policy.hedge) server.hedgeBudget.deposit();
    }
    try {
      return await this.#sender.send({
        operation: this.#found.operation,
        effect: this.#effect ?? "unsafe",
        attemptsLeft: Math.max(1, policy.maxAttempts - this.#used),
        why: this.#why,
      });
    } catch (error) {
      const told = await tellApart(error, this.#found, this.#call);
      if (told !== error) this.#sender.noteNotExecuted();
      throw told;
    }
  }

  #classify(error: unknown): FailedAttempt | undefined {
    this.#errorBefore = this.#lastError;
    this.#lastError = error;
    const { server, policy } = this.#call;
    const failed = classifyAttempt(error, {
      effect: this.#effect ?? "unsafe",
      repairs: this.#repairs,
      replacesSession: policy.onSessionLoss === "transparent",
      resumes: this.continuation !== undefined,
      connectionEnded: this.#sender.connection?.closed.aborted ?? false,
      gateIsShut: server.gate.breaker.isShut,
    });
    if (failed?.counts !== false && failed?.free !== true && failed?.repaired !== true) {
      this.#used++;
    }
    return this.#sender.canSend ? failed : undefined;
  }

  #onRetry({ error, waitMs }: ScheduledRetry): void {
    const { counts, server } = this.#call;
    const reason = codeOf(error);
    this.#why = { reason, waitMs };
    counts.retries++;
    counts.waitMs += waitMs;
    countCode(counts.retriesByCode, reason);
    this.#emit?.({ type: "retry.scheduled", reason, waitMs, tokens: server.budget.tokens });
  }

  #onBudgetEmpty(error: unknown): void {
    const { server } = this.#call;
    this.#emit?.({ type: "budget.empty", reason: codeOf(error), tokens: server.budget.tokens });
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
    const ended = asClientError(this.#endedBy ?? error);
    const { code: endCode, cause } = ended;
    const isFinalLoss = endCode === "session_lost" && this.#call.policy.onSessionLoss === "error";
    const concluded = concludeExecution(ended, this.operation, {
      effect: this.#effect ?? "unsafe",
      delivery: this.#sender.delivery,
      attempts: this.attempts,
      executionId: this.id,
      ...(isFinalLoss && { temporary: false }),
      // What kept a repeat from being sent says less than why there was to be one.
      ...(LOCAL_REFUSALS.has(endCode) && cause === undefined && { cause: this.#errorBefore }),
    });
    const { code } = concluded;
    this.#end(code === "outcome_unknown" || code === "cancelled" ? code : "failed", code);
    return concluded;
  }

  #end(outcome: ExecutionOutcome, end: "completed" | "aborted" | ErrorCode): void {
    const { counts, tracker } = this.#call;
    this.#sender.forget();
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
      delivery: this.#sender.delivery,
      attempts: this.attempts,
      elapsedMs: this.#elapsedMs(),
    });
  }

  #elapsedMs(): number {
    return Math.max(0, this.#call.clock.now() - this.#startedMs);
  }
}

/** Codes with which an attempt is refused here, before a send. */
const LOCAL_REFUSALS: ReadonlySet<ErrorCode> = new Set([
  "circuit_open",
  "pool_full",
  "pool_timeout",
  "shed",
]);

function codeOf(error: unknown): ErrorCode {
  return isClientError(error) ? error.code : "internal";
}
