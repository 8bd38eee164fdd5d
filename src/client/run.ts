import type { ErrorCode } from "../errors/codes.ts";
import { asClientError } from "../errors/conclude.ts";
import { type ClientError, createClientError } from "../errors/errors.ts";
import type { ExecutionEvent, ExecutionOutcome, ProgressSnapshot } from "../progress/events.ts";
import type { Timed } from "../resilience/deadline_timer.ts";
import type { Call } from "./call.ts";
import type { FoundOperation } from "./catalog.ts";
import type { Continuation } from "./continuation.ts";
import type { ClientEvent, EmitOwn } from "./events.ts";
import type { Execution, ExecutionResponse } from "./execution.ts";
import { Failures } from "./failures.ts";
import { lookUp, tellApart } from "./look_up.ts";
import type { ConnectionResult } from "./ports.ts";
import { Sender } from "./sender.ts";
import { countCode } from "./stats.ts";
import { concludeExecution } from "./verdict.ts";

/**
 * One execution from its start to its one last event, through the layers, outermost first: deadline ▸
 * progress ▸ retry and budget ▸ look-up and validation ▸ gate (breaker, limiter, queue) ▸ lease ▸
 * hedge ▸ attempt ▸ verdict.
 */
export class Run implements Execution, Timed {
  readonly response: Promise<ExecutionResponse>;
  readonly #call: Call;
  readonly #startedMs: number;
  readonly #startedWallMs: number;
  readonly #sender: Sender;
  /** Its deadline, on the clock of all timers. */
  readonly atMs: number;
  /** Follows the caller's signal; unset without one. */
  readonly #onCallerAbort: (() => void) | undefined;
  /** Unset if nobody listens, so that no event is made. */
  readonly #emit: EmitOwn | undefined;
  /** Unset until the operation has been looked up. */
  #found: FoundOperation | undefined;
  /** Unset until something has failed. */
  #failures: Failures | undefined;
  /** What of ours ended it early; the caller's own abort leaves it unset. */
  #endedBy: ClientError | undefined;

  constructor(call: Call) {
    const { executionId, operation, context, policy, controller, deadline } = call;
    const { group, clock, tracker, counts, onEvent, server, running } = context;
    const { trace, signal } = policy;
    this.#call = call;
    this.#startedMs = clock.now();
    this.#startedWallMs = clock.wall();
    if (onEvent !== undefined) {
      const shared = { executionId, server: server.name };
      this.#emit = (event) => onEvent({ ...shared, atMs: clock.wall(), ...event } as ClientEvent);
    }
    this.#sender = new Sender(call, this.#emit);
    this.atMs = deadline.atMsOn(clock);
    running.add(this);
    tracker.startOperation(executionId);
    server.budget.deposit();
    counts.started++;
    counts.running++;
    this.#emit?.({ type: "execution.start", group, operation, ...(trace && { trace }) });
    if (signal !== undefined) {
      this.#onCallerAbort = () => controller.abort(signal.reason);
      if (signal.aborted) this.#onCallerAbort();
      signal.addEventListener("abort", this.#onCallerAbort, { once: true });
    }
    if (this.atMs <= this.#startedMs) this.onTimeout();
    server.timer.add(this);
    this.response = this.#settle();
  }

  get id(): string {
    return this.#call.executionId;
  }

  get operation(): string {
    return this.#call.operation;
  }

  get group(): string {
    return this.#call.context.group;
  }

  get startedAt(): string {
    return new Date(this.#startedWallMs).toISOString();
  }

  get attempts(): number {
    return this.#sender.attempts;
  }

  get continuation(): Continuation | undefined {
    return this.#sender.continuation;
  }

  get progress(): AsyncIterable<ProgressSnapshot> {
    return this.#call.context.tracker.subscribe(this.id);
  }

  get events(): AsyncIterable<ExecutionEvent> {
    return this.#call.context.tracker.events(this.id);
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
    if (controller.aborted) return;
    const { delivery } = this.#sender;
    this.#endedBy = createClientError(code, message, { delivery, cause });
    controller.abort(this.#endedBy);
  }

  async #settle(): Promise<ExecutionResponse> {
    let result: ConnectionResult | undefined;
    while (result === undefined) {
      try {
        result = await this.#attempt();
      } catch (error) {
        await this.#wait(error);
      }
    }
    return this.#succeed(result);
  }

  #attempt(): Promise<ConnectionResult> {
    const { context: { server }, controller, policy } = this.#call;
    if (controller.aborted) throw controller.reason;
    if (policy.failFast) server.gate.refuseIfShut();
    const found = this.#found ?? lookUp(this.#call);
    return found instanceof Promise ? found.then((found) => this.#send(found)) : this.#send(found);
  }

  #send(found: FoundOperation): Promise<ConnectionResult> {
    const { context, policy } = this.#call;
    if (this.#found === undefined) {
      this.#found = found;
      this.#sender.effect = context.operations.effectOf(found, policy);
      if (this.#sender.effect === "safe" && policy.hedge) context.server.hedgeBudget.deposit();
    }
    const { used = 0, why } = this.#failures ?? {};
    return this.#sender.send(found.operation, Math.max(1, policy.maxAttempts - used), why);
  }

  /** Waits until there may be another attempt, or throws what the caller gets to see. */
  async #wait(error: unknown): Promise<void> {
    try {
      const found = this.#found;
      const told = found === undefined ? error : await tellApart(error, found, this.#call);
      if (told !== error) this.#sender.noteNotExecuted();
      this.#failures ??= new Failures(this.#call, this.#sender, this.#emit);
      await this.#failures.wait(told);
    } catch (final) {
      throw this.#fail(final);
    }
  }

  /** Ends the execution because its time is over. */
  onTimeout(): void {
    const message = `'${this.operation}' did not end by its deadline`;
    this.#abort("deadline_exceeded", message, this.#failures?.lastError);
  }

  #succeed({ status, content, structuredContent }: ConnectionResult): ExecutionResponse {
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
  }

  /** Returns what the caller gets to see, after the last event that tells the same. */
  #fail(error: unknown): unknown {
    const { controller } = this.#call;
    if (controller.aborted && this.#endedBy === undefined) {
      this.#end("cancelled", "aborted");
      return controller.reason;
    }
    const ended = asClientError(this.#endedBy ?? error);
    const { code: endCode, cause } = ended;
    const isFinalLoss = endCode === "session_lost" && this.#call.policy.onSessionLoss === "error";
    const concluded = concludeExecution(ended, this.operation, {
      effect: this.#sender.effect ?? "unsafe",
      delivery: this.#sender.delivery,
      attempts: this.attempts,
      executionId: this.id,
      ...(isFinalLoss && { temporary: false }),
      // What kept a repeat from being sent says less than why there was to be one.
      ...(LOCAL_REFUSALS.has(endCode) && cause === undefined &&
        { cause: this.#failures?.errorBefore }),
    });
    const { code } = concluded;
    this.#end(code === "outcome_unknown" || code === "cancelled" ? code : "failed", code);
    return concluded;
  }

  #end(outcome: ExecutionOutcome, end: "completed" | "aborted" | ErrorCode): void {
    const { context: { counts, running, server, tracker }, policy: { signal } } = this.#call;
    const { delivery, effect } = this.#sender;
    this.#sender.forget();
    server.timer.delete(this);
    if (this.#onCallerAbort) signal?.removeEventListener("abort", this.#onCallerAbort);
    running.delete(this);
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
      ...(effect !== undefined && { effect }),
      ...(end !== "completed" && end !== "aborted" && { code: end }),
      delivery,
      attempts: this.attempts,
      elapsedMs: this.#elapsedMs(),
    });
  }

  #elapsedMs(): number {
    return Math.max(0, this.#call.context.clock.now() - this.#startedMs);
  }
}

/** Codes with which an attempt is refused here, before a send. */
const LOCAL_REFUSALS: ReadonlySet<ErrorCode> = new Set([
  "circuit_open",
  "pool_full",
  "pool_timeout",
  "shed",
]);
