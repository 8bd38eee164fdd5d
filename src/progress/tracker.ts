import { checkNumber, misuse } from "../errors/misuse.ts";
import type {
  ExecutionEvent,
  ExecutionOutcome,
  ProgressReport,
  ProgressSnapshot,
} from "./events.ts";
import { ExecutionProgress, type ExecutionProgressOptions } from "./execution_progress.ts";
import {
  type AttemptReason,
  type ProgressTrackerOptions,
  type ReadEventsOptions,
  resolveProgressTrackerOptions,
  type SubscribeOptions,
} from "./options.ts";
import { readExecution } from "./reader.ts";

/**
 * Tracks how far executions are, for any number of readers.
 *
 * What servers report is untrusted: values that are no number, go back or come too late are dropped
 * and counted, and at most ten reports a second are published, the newest winning. Taking a report
 * never waits for a reader, and an execution that nobody reads needs no timer. Memory is bounded per
 * execution, and executions that have ended are forgotten after a minute.
 *
 * @example Follow an execution to its end
 * ```ts
 * import { ProgressTracker } from "@automcp/client";
 * import { assertEquals } from "@std/assert";
 *
 * const tracker = new ProgressTracker();
 * tracker.startOperation("export-1");
 * tracker.updateProgress("export-1", { progress: 40, total: 100, message: "reading" });
 * tracker.updateProgress("export-1", { progress: 90, total: 100, message: "writing" });
 * const fractions: unknown[] = [];
 * const reading = (async () => {
 *   for await (const { fraction } of tracker.subscribe("export-1")) fractions.push(fraction);
 * })();
 * tracker.completeOperation("export-1", "completed");
 * await reading;
 * assertEquals(fractions, [0.4, 0.9]);
 * ```
 */
export class ProgressTracker {
  readonly #options: ExecutionProgressOptions;
  readonly #endedTtlMs: number;
  readonly #maxEnded: number;
  readonly #running = new Map<string, ExecutionProgress>();
  /** In the order of their ends, so that the oldest comes first. */
  readonly #ended = new Map<string, ExecutionProgress>();

  /**
   * Creates a tracker without executions.
   *
   * @param options How it works and what it keeps.
   * @throws {RangeError} If a bound is out of its range.
   * @throws {TypeError} If an option is unknown.
   */
  constructor(options: ProgressTrackerOptions = {}) {
    const { endedTtlMs, maxEnded, ...shared } = resolveProgressTrackerOptions(options);
    this.#endedTtlMs = endedTtlMs;
    this.#maxEnded = maxEnded;
    this.#options = shared;
  }

  /**
   * Starts to track an execution.
   *
   * @param executionId The id of the execution; may be that of one that has ended.
   * @throws {TypeError} If the execution runs already.
   */
  startOperation(executionId: string): void {
    if (this.#running.has(executionId)) {
      throw new TypeError(misuse("start an execution", "its id", "a new one", executionId));
    }
    this.#ended.delete(executionId);
    this.#running.set(executionId, new ExecutionProgress(executionId, this.#options));
  }

  /**
   * Starts an attempt of an execution. Its progress counts from 0; `fraction` does not go back for
   * that, unless `allowRegress` says so. An execution whose attempts nobody starts is in its first.
   *
   * @param executionId The id of the execution.
   * @param attempt The attempt, counted from 1; grows within an execution.
   * @param why Why it is made.
   * @throws {TypeError} If the execution does not run.
   * @throws {RangeError} If the attempt is no integer or was started already.
   */
  startAttempt(executionId: string, attempt: number, why: AttemptReason = {}): void {
    this.#findRunning("start an attempt", executionId).startAttempt(attempt, why);
  }

  /**
   * Takes what came over the wire. Never throws and never waits; what cannot be used is dropped and
   * counted, also for an execution that has ended or is not known.
   *
   * @param executionId The id of the execution.
   * @param report The report.
   * @param attempt The attempt that it belongs to; the running one if left out.
   */
  updateProgress(executionId: string, report: ProgressReport, attempt?: number): void {
    const execution = this.#find(executionId);
    if (execution === undefined) this.#options.onDropped?.(executionId, "late", 1);
    else execution.update(report, attempt);
  }

  /**
   * Ends an execution: publishes the last progress, then the one last event.
   *
   * @param executionId The id of the execution.
   * @param outcome How it ended.
   * @throws {TypeError} If the execution does not run.
   */
  completeOperation(executionId: string, outcome: ExecutionOutcome): void {
    const execution = this.#findRunning("end an execution", executionId);
    this.#running.delete(executionId);
    this.#ended.set(executionId, execution);
    execution.end(outcome);
    this.#forgetEnded();
  }

  /**
   * Returns how far an execution is by its newest report, published or not. Its `seq` is that of
   * the execution's newest event (0 before the first): reading the events after it misses nothing.
   * The expected time counts from now, and is absent during a stall.
   *
   * @param executionId The id of the execution.
   * @returns The snapshot; `undefined` if the execution is not known, or not any more.
   */
  getProgress(executionId: string): ProgressSnapshot | undefined {
    return this.#find(executionId)?.current();
  }

  /**
   * Reads the progress of an execution, the newest first to come: at most ten snapshots a second,
   * and always the last one. A slow reader misses what was replaced meanwhile. Ends with the
   * execution, and at once if it is not known.
   *
   * @param executionId The id of the execution.
   * @param options How it is read.
   * @returns The snapshots, for each `for await` anew; readable as long as it is held.
   */
  subscribe(executionId: string, options: SubscribeOptions = {}): AsyncIterable<ProgressSnapshot> {
    return this.#read(executionId, options.signal, (execution) => {
      let seq = 0;
      return () => {
        const { latest } = execution;
        if (latest === undefined || latest.seq <= seq) return undefined;
        seq = latest.seq;
        return latest;
      };
    });
  }

  /**
   * Reads the numbered events of an execution: none lost and none twice, but for a `gap` that says
   * which ones the bounded log had to drop. Ends after the one last event, and at once if the
   * execution is not known.
   *
   * @param executionId The id of the execution.
   * @param options Where to start, and how it is read.
   * @returns The events, for each `for await` anew; readable as long as it is held.
   * @throws {RangeError} If `after` is no integer >= 0.
   *
   * @example Go on where another reader stopped
   * ```ts
   * import { ProgressTracker } from "@automcp/client";
   * import { assertEquals } from "@std/assert";
   *
   * const tracker = new ProgressTracker();
   * tracker.startOperation("export-2");
   * tracker.startAttempt("export-2", 1);
   * tracker.startAttempt("export-2", 2, { reason: "connection_lost", waitMs: 200 });
   * tracker.completeOperation("export-2", "completed");
   * const events: unknown[] = [];
   * for await (const event of tracker.events("export-2", { after: 1 })) events.push(event.type);
   * assertEquals(events, ["attempt", "completed"]);
   * ```
   */
  events(executionId: string, options: ReadEventsOptions = {}): AsyncIterable<ExecutionEvent> {
    const rule = { min: 0, integer: true };
    const after = checkNumber("read events", "after", options.after ?? 0, rule);
    return this.#read(executionId, options.signal, (execution) => {
      let seq = after;
      return () => {
        const event = execution.log.after(seq);
        if (event !== undefined) seq = event.type === "gap" ? event.to : event.seq;
        return event;
      };
    });
  }

  #read<T>(
    executionId: string,
    signal: AbortSignal | undefined,
    start: (execution: ExecutionProgress) => () => T | undefined,
  ): AsyncIterable<T> {
    const execution = this.#find(executionId);
    if (execution === undefined) return { [Symbol.asyncIterator]: nothing };
    return readExecution(execution, () => start(execution), signal);
  }

  #find(executionId: string): ExecutionProgress | undefined {
    const running = this.#running.get(executionId);
    if (running !== undefined) return running;
    this.#forgetEnded();
    return this.#ended.get(executionId);
  }

  #findRunning(action: string, executionId: string): ExecutionProgress {
    const execution = this.#running.get(executionId);
    if (execution !== undefined) return execution;
    throw new TypeError(misuse(action, "its id", "that of a running one", executionId));
  }

  /** Forgets on access what is too old: a timer for it would keep an idle process awake. */
  #forgetEnded(): void {
    const oldestMs = this.#options.clock.now() - this.#endedTtlMs;
    for (const [executionId, execution] of this.#ended) {
      if (this.#ended.size <= this.#maxEnded && execution.endedMs! > oldestMs) return;
      this.#ended.delete(executionId);
    }
  }
}

async function* nothing(): AsyncGenerator<never> {}
