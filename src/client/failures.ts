import type { ErrorCode } from "../errors/codes.ts";
import { isClientError } from "../errors/errors.ts";
import type { AttemptReason } from "../progress/options.ts";
import { type FailedAttempt, Repeats, type ScheduledRetry } from "../resilience/retry.ts";
import type { Call } from "./call.ts";
import type { EmitOwn } from "./events.ts";
import type { Sender } from "./sender.ts";
import { countCode } from "./stats.ts";
import { classifyAttempt, type Repair } from "./verdict.ts";

/** What has failed of one execution, and what follows from that. Nobody needs it before a failure. */
export class Failures {
  /** Failures that count towards `maxAttempts`. */
  used = 0;
  lastError: unknown;
  /** The one before that. */
  errorBefore: unknown;
  /** Why there is another attempt. */
  why: AttemptReason | undefined;
  readonly #call: Call;
  readonly #sender: Sender;
  readonly #emit: EmitOwn | undefined;
  readonly #repairs = new Set<Repair>(["session", "connection"]);
  readonly #repeats: Repeats;

  constructor(call: Call, sender: Sender, emit: EmitOwn | undefined) {
    const { context: { server, clock, random }, controller, deadline, policy } = call;
    this.#call = call;
    this.#sender = sender;
    this.#emit = emit;
    this.#repeats = new Repeats(policy, {
      // Which failures may be repeated depends on an effect that the look-up makes known.
      effect: "safe",
      budget: server.budget,
      // A first send is never hopeless: a stale estimate must not lock the operation out.
      // Nor is it hopeless to ask for an answer that may be there already.
      minRemainingMs: () =>
        sender.continuation ? 0 : sender.attempts && server.gate.estimates.p50Ms(call.operation),
      classify: (error) => this.#classify(error),
      onRetry: (scheduled) => this.#onRetry(scheduled),
      onBudgetEmpty: (error) => this.#onBudgetEmpty(error),
      ...{ signal: controller.signal, deadline, clock, random },
    });
  }

  /**
   * Waits until the execution may go on after a failure.
   *
   * @throws The error, if it is final; or why the execution was ended.
   */
  wait(error: unknown): Promise<void> {
    return this.#repeats.wait(error);
  }

  #classify(error: unknown): FailedAttempt | undefined {
    this.errorBefore = this.lastError;
    this.lastError = error;
    const { context: { server }, policy } = this.#call;
    const failed = classifyAttempt(error, {
      effect: this.#sender.effect ?? "unsafe",
      repairs: this.#repairs,
      replacesSession: policy.onSessionLoss === "transparent",
      resumes: this.#sender.continuation !== undefined,
      connectionEnded: this.#sender.connection?.closed.aborted ?? false,
      gateIsShut: server.gate.breaker.isShut,
    });
    if (failed?.counts !== false && failed?.free !== true && failed?.repaired !== true) {
      this.used++;
    }
    return this.#sender.canSend ? failed : undefined;
  }

  #onRetry({ error, waitMs }: ScheduledRetry): void {
    const { counts, server } = this.#call.context;
    const reason = codeOf(error);
    this.why = { reason, waitMs };
    counts.retries++;
    counts.waitMs += waitMs;
    countCode(counts.retriesByCode, reason);
    this.#emit?.({ type: "retry.scheduled", reason, waitMs, tokens: server.budget.tokens });
  }

  #onBudgetEmpty(error: unknown): void {
    const { tokens } = this.#call.context.server.budget;
    this.#emit?.({ type: "budget.empty", reason: codeOf(error), tokens });
  }
}

function codeOf(error: unknown): ErrorCode {
  return isClientError(error) ? error.code : "internal";
}
