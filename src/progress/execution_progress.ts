import type { ErrorCode } from "../errors/codes.ts";
import { checkNumber } from "../errors/misuse.ts";
import { type Estimate, PaceEstimate } from "./estimate.ts";
import { EventLog, type NumberedEvent } from "./event_log.ts";
import type {
  ExecutionOutcome,
  ProgressDropReason,
  ProgressReport,
  ProgressSnapshot,
} from "./events.ts";
import { cutMessage } from "./message.ts";
import type { ResolvedProgressTrackerOptions } from "./options.ts";

const MIN_INTERVAL_MS = 100;

/** What all executions of a tracker share. */
export type ExecutionProgressOptions = Omit<
  ResolvedProgressTrackerOptions,
  "endedTtlMs" | "maxEnded"
>;

/**
 * What is known of one execution. The newest report waits for its turn, ten turns a second, and is
 * then published: numbered, logged and told to whoever waits. When that happens depends on the
 * reports alone and not on the readers, so a timer is needed only while somebody waits.
 */
export class ExecutionProgress {
  readonly #id: string;
  readonly #options: ExecutionProgressOptions;
  /** The published events. */
  readonly log: EventLog;
  /** The newest published snapshot. */
  latest: ProgressSnapshot | undefined;
  /** When it ended, on the monotonic clock. */
  endedMs: number | undefined;

  #seq = 0;
  #attempt = 1;
  #attemptStarted = false;
  #reported = false;
  #progress = 0;
  #total: number | undefined;
  #message: string | undefined;
  #fraction: number | undefined;
  #maxFraction = 0;
  #atMs: number;
  #reportedMs = 0;
  #pace: PaceEstimate | undefined;

  #unpublished = false;
  #nextTurnMs = -Infinity;
  #undoTimer: (() => void) | undefined;
  #waiting: Set<() => void> | undefined;

  #dropped: Map<ProgressDropReason, number> | undefined;

  constructor(id: string, options: ExecutionProgressOptions) {
    this.#id = id;
    this.#options = options;
    this.#atMs = options.clock.wall();
    this.log = new EventLog(options.maxLogEvents, options.maxLogBytes);
  }

  /** Whether the execution has ended. */
  get ended(): boolean {
    return this.endedMs !== undefined;
  }

  /** Starts an attempt; its progress counts from 0 again. */
  startAttempt(attempt: number, why: { reason?: ErrorCode; waitMs?: number }): void {
    const min = this.#attemptStarted ? this.#attempt + 1 : 1;
    checkNumber("start an attempt", "attempt", attempt, { min, integer: true });
    this.#publishNow();
    this.#attempt = attempt;
    this.#attemptStarted = true;
    this.#reported = false;
    this.#progress = 0;
    this.#total = undefined;
    this.#message = undefined;
    this.#fraction = undefined;
    this.#pace = undefined;
    this.#atMs = this.#options.clock.wall();
    this.#append({
      type: "attempt",
      seq: this.#seq + 1,
      attempt,
      ...(why.reason !== undefined && { reason: why.reason }),
      ...(why.waitMs !== undefined && { waitMs: why.waitMs }),
      atMs: this.#atMs,
    });
  }

  /** Takes a report, or drops and counts it. */
  update(report: ProgressReport, attempt: number | undefined): void {
    const { progress, total, message } = report;
    if (this.ended || (attempt !== undefined && attempt !== this.#attempt)) {
      return this.#drop("late");
    }
    if (!Number.isFinite(progress)) return this.#drop("not_finite");
    if (progress < this.#progress) return this.#drop("regress");
    if (progress === this.#progress && this.#reported) return this.#drop("duplicate");

    const nowMs = this.#options.clock.now();
    this.publishDue(nowMs);
    this.#reported = true;
    this.#progress = progress;
    this.#total = Number.isFinite(total) ? total : undefined;
    this.#message = typeof message === "string" ? cutMessage(message) : undefined;
    this.#fraction = this.#publicFraction();
    this.#atMs = this.#options.clock.wall();
    this.#reportedMs = nowMs;
    this.#unpublished = true;
    if (nowMs >= this.#nextTurnMs) this.#publish(nowMs);
    else this.#setTimer();
  }

  /** Ends the execution with its one last event. */
  end(outcome: ExecutionOutcome): void {
    this.#publishNow();
    const { clock } = this.#options;
    this.endedMs = clock.now();
    this.#pace = undefined;
    this.#append({ type: outcome, seq: this.#seq + 1, atMs: clock.wall() });
    for (const [reason, count] of this.#dropped ?? []) {
      this.#options.onDropped?.(this.#id, reason, count);
    }
  }

  /** Returns what is known now, be it published or not, under the newest event's number. */
  current(): ProgressSnapshot {
    const nowMs = this.#options.clock.now();
    this.publishDue(nowMs);
    return this.#snapshot(this.#seq, nowMs);
  }

  /** Publishes the newest report if its turn has come. */
  publishDue(nowMs: number = this.#options.clock.now()): void {
    // The turn counts from when it was due, so that a late look changes nothing in the log.
    if (this.#unpublished && nowMs >= this.#nextTurnMs) this.#publish(this.#nextTurnMs);
  }

  /** Registers somebody who waits; called back after each event, with no user code in between. */
  addWaiting(wake: () => void): void {
    this.#waiting ??= new Set();
    this.#waiting.add(wake);
    if (this.#unpublished) this.#setTimer();
  }

  /** Undoes {@linkcode addWaiting}. */
  deleteWaiting(wake: () => void): void {
    if (this.#waiting?.delete(wake) && this.#waiting.size === 0) this.#clearTimer();
  }

  #publishNow(): void {
    if (!this.#unpublished) return;
    const nowMs = this.#options.clock.now();
    this.publishDue(nowMs);
    if (this.#unpublished) this.#publish(nowMs);
  }

  #publish(turnMs: number): void {
    this.#clearTimer();
    this.#unpublished = false;
    this.#nextTurnMs = turnMs + MIN_INTERVAL_MS;
    this.#pace ??= new PaceEstimate();
    this.#pace.sample(this.#progress, this.#reportedMs);
    this.latest = this.#snapshot(this.#seq + 1, this.#reportedMs);
    this.#append({ type: "progress", ...this.latest });
  }

  #append(event: NumberedEvent): void {
    this.#seq = event.seq;
    this.log.append(event);
    for (const wake of this.#waiting ?? []) wake();
  }

  #snapshot(seq: number, nowMs: number): ProgressSnapshot {
    // Assigned one by one: conditional spreads make a published report half as dear again.
    const snapshot: { -readonly [K in keyof ProgressSnapshot]: ProgressSnapshot[K] } = {
      seq,
      attempt: this.#attempt,
      progress: this.#progress,
      atMs: this.#atMs,
    };
    if (this.#total !== undefined) snapshot.total = this.#total;
    if (this.#fraction !== undefined) snapshot.fraction = this.#fraction;
    if (this.#message !== undefined) snapshot.message = this.#message;
    const eta = this.#estimate(nowMs);
    if (eta !== undefined) {
      snapshot.etaMs = eta.etaMs;
      snapshot.etaLowMs = eta.lowMs;
      snapshot.etaHighMs = eta.highMs;
    }
    return snapshot;
  }

  #estimate(nowMs: number): Estimate | undefined {
    return this.#fraction === undefined ? undefined : this.#pace?.estimate(this.#total!, nowMs);
  }

  #publicFraction(): number | undefined {
    if (this.#total === undefined || this.#total <= 0) return undefined;
    const fraction = Math.min(1, this.#progress / this.#total);
    if (this.#options.allowRegress) return fraction;
    return this.#maxFraction = Math.max(this.#maxFraction, fraction);
  }

  #setTimer(): void {
    if (this.#undoTimer !== undefined || !this.#waiting?.size) return;
    const { clock } = this.#options;
    this.#undoTimer = clock.setTimer(this.#nextTurnMs - clock.now(), () => {
      this.#undoTimer = undefined;
      this.#publish(this.#nextTurnMs);
    });
  }

  #clearTimer(): void {
    this.#undoTimer?.();
    this.#undoTimer = undefined;
  }

  /** Counts what is dropped: a flood of a million must not become a million calls. */
  #drop(reason: ProgressDropReason): void {
    if (this.#options.onDropped === undefined) return;
    if (this.ended) return this.#options.onDropped(this.#id, reason, 1);
    this.#dropped ??= new Map();
    this.#dropped.set(reason, (this.#dropped.get(reason) ?? 0) + 1);
  }
}
