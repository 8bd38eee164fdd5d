import { type Delivery, type Effect, EFFECTS, isSafeToRepeat } from "../errors/delivery.ts";
import { isClientError } from "../errors/errors.ts";
import { type OptionRules, resolveOptions } from "../errors/misuse.ts";
import { type BackoffOptions, drawBackoffMs } from "./backoff.ts";
import type { RetryBudget } from "./budget.ts";
import { type Clock, MAX_TIMER_MS, systemClock, systemRandom } from "./clock.ts";
import type { Deadline } from "./deadline.ts";

/** What is known of a failed attempt: whether it may be repeated, and whether that is worth it. */
export interface FailedAttempt {
  /** What is proved about the attempt. */
  readonly delivery: Delivery;
  /** Whether the cause is likely to pass by itself. */
  readonly temporary: boolean;
  /** How long the server asked to wait, in milliseconds, >= 0. */
  readonly retryAfterMs?: number | undefined;
  /** Whether the server said "later", with or without a hint. */
  readonly throttled?: boolean;
  /**
   * Whether the failure uses up one of `maxAttempts`.
   *
   * @default {true}
   */
  readonly counts?: boolean;
  /**
   * Whether what failed has been put right, so that the next attempt is free: no wait, no attempt
   * used, also with `maxAttempts: 1`. Who says so bounds how often.
   *
   * @default {false}
   */
  readonly repaired?: boolean;
  /**
   * Whether the next attempt costs nothing, as something else bounds it: the breaker that it will wait
   * in front of. It still waits out what the server asked for.
   *
   * @default {false}
   */
  readonly free?: boolean;
  /**
   * What the next attempt costs of the budget, in tokens, >= 0.
   *
   * @default {0.35 if `throttled`, else 1}
   */
  readonly tokens?: number;
}

/** A wait before another attempt. */
export interface ScheduledRetry {
  /** The error of the failed attempt. */
  readonly error: unknown;
  /** The attempt that failed, counted from 1. */
  readonly attempt: number;
  /** The wait, in milliseconds. */
  readonly waitMs: number;
}

/** The policy values of {@linkcode RetryOptions}: plain data. */
export interface RetryPolicy extends BackoffOptions {
  /**
   * How often to try at most, the first time included, an integer >= 1. With 1 nothing is repeated.
   *
   * @default {3}
   */
  readonly maxAttempts?: number;
  /**
   * `baseDelayMs` for a server that said "later" without saying when, in milliseconds, >= 0.
   *
   * @default {1000}
   */
  readonly throttledBaseDelayMs?: number;
  /**
   * The longest wait that a server may ask for, in milliseconds, >= 0. Beyond it the error is thrown
   * at once, with `retryAfterMs`; the server's wait is never shortened.
   *
   * @default {60000}
   */
  readonly maxRetryAfterMs?: number;
}

/** How {@linkcode retry} repeats. */
export interface RetryOptions extends RetryPolicy {
  /**
   * What repeating does.
   *
   * @default {"unsafe"}
   */
  readonly effect?: Effect;
  /** No attempt and no wait is begun that could not end before it. */
  readonly deadline?: Deadline;
  /** Stops the wait and the loop; its reason is thrown untouched. */
  readonly signal?: AbortSignal;
  /**
   * Says what is known of a failure; `undefined` means that it must not be repeated. By default only
   * a `ClientError` that is `temporary` is repeated, as its `delivery` and `effect` allow.
   */
  readonly classify?: (error: unknown) => FailedAttempt | undefined;
  /** What all repeats may cost together; without it only `maxAttempts` bounds them. */
  readonly budget?: RetryBudget;
  /**
   * Returns the least time that an attempt needs, in milliseconds, >= 0. No repeat is begun, and none
   * is waited for, that would have less before the deadline.
   */
  readonly minRemainingMs?: () => number;
  /** Called before each wait. If it throws, the error is reported in a microtask. */
  readonly onRetry?: (retry: ScheduledRetry) => void;
  /** Called with the error that is thrown as the budget is empty. */
  readonly onBudgetEmpty?: (error: unknown) => void;
  /** The clock of the waits. */
  readonly clock?: Clock;
  /** A source of chance, 0 <= x < 1. */
  readonly random?: () => number;
}

/** The values of a {@linkcode RetryPolicy}, all known and checked. */
export type ResolvedRetryPolicy = Required<RetryPolicy>;

/** What {@linkcode repeat} works with besides a policy: all of {@linkcode RetryOptions}, checked. */
export interface RetryContext {
  readonly effect: Effect;
  readonly deadline: Deadline | undefined;
  readonly signal: AbortSignal | undefined;
  readonly classify: (error: unknown) => FailedAttempt | undefined;
  readonly budget: RetryBudget | undefined;
  readonly minRemainingMs: (() => number) | undefined;
  readonly onRetry: ((retry: ScheduledRetry) => void) | undefined;
  readonly onBudgetEmpty: ((error: unknown) => void) | undefined;
  readonly clock: Clock;
  readonly random: () => number;
}

/** What each value of a {@linkcode RetryPolicy} must be, and is by default. */
export const RETRY_POLICY_RULES: OptionRules<RetryPolicy> = {
  maxAttempts: { preset: 3, min: 1, integer: true },
  baseDelayMs: { preset: 100, min: 0 },
  throttledBaseDelayMs: { preset: 1_000, min: 0 },
  backoffFactor: { preset: 1.5, min: 1 },
  maxDelayMs: { preset: 2_000, min: 0 },
  maxRetryAfterMs: { preset: 60_000, min: 0 },
};

/** What a repeat after "later" costs: the server did nothing but refuse. */
const THROTTLED_TOKENS = 0.35;

const RULES: OptionRules<RetryOptions> = {
  ...RETRY_POLICY_RULES,
  effect: { preset: "unsafe", oneOf: EFFECTS },
  deadline: {},
  signal: {},
  classify: { preset: classifyClientError, type: "function" },
  budget: { type: "object" },
  minRemainingMs: { type: "function" },
  onRetry: { type: "function", listener: true },
  onBudgetEmpty: { type: "function", listener: true },
  clock: { preset: systemClock },
  random: { preset: systemRandom, type: "function" },
};

/** Judges an error of AutoMCP by what it carries; a foreign one proves nothing. */
export function classifyClientError(error: unknown): FailedAttempt | undefined {
  if (!isClientError(error)) return undefined;
  const { delivery, temporary, retryAfterMs, code } = error;
  return { delivery, temporary, retryAfterMs, throttled: code === "rate_limited" };
}

/**
 * Runs a function and repeats it after failures that may be repeated and are worth it.
 *
 * Waits with full jitter, never shorter than the server asked, and never beyond the deadline: a
 * repeat that could not end in time is not waited for.
 *
 * @typeParam T What the function returns.
 * @param fn The function; takes the attempt, counted from 1. Never called once the signal is aborted.
 * @param options How often, how long, and what may be repeated.
 * @returns What the function returned.
 * @throws The last attempt's error, untouched; or the reason of the signal.
 * @throws {RangeError} If an option is out of its range.
 *
 * @example Repeat a read that a server refused for a moment
 * ```ts
 * import { retry, RetryableError } from "@automcp/client";
 * import { assertEquals } from "@std/assert";
 *
 * const result = await retry((attempt) => {
 *   if (attempt < 3) throw new RetryableError("rate_limited", "Later");
 *   return "done";
 * }, { maxAttempts: 3, throttledBaseDelayMs: 1 });
 * assertEquals(result, "done");
 * ```
 */
export async function retry<T>(
  fn: (attempt: number) => T | PromiseLike<T>,
  options: RetryOptions = {},
): Promise<T> {
  const resolved: ResolvedRetryPolicy & RetryContext = resolveOptions("retry", options, RULES);
  return await repeat(fn, resolved, resolved);
}

/** Runs a function as {@linkcode retry} does, with options that are known to be right. */
export async function repeat<T>(
  fn: (attempt: number) => T | PromiseLike<T>,
  policy: ResolvedRetryPolicy,
  context: RetryContext,
): Promise<T> {
  const { signal } = context;
  let repeats: Repeats | undefined;
  for (let attempt = 1;; attempt++) {
    signal?.throwIfAborted();
    try {
      return await fn(attempt);
    } catch (error) {
      repeats ??= new Repeats(policy, context);
      await repeats.wait(error);
    }
  }
}

/** The repeats of one piece of work; without a failure nobody needs them. */
export class Repeats {
  readonly #policy: ResolvedRetryPolicy;
  readonly #context: RetryContext;
  #failures = 0;
  /** Failures that count towards `maxAttempts`. */
  #used = 0;

  constructor(policy: ResolvedRetryPolicy, context: RetryContext) {
    this.#policy = policy;
    this.#context = context;
  }

  /**
   * Waits until what has failed may be tried again.
   *
   * @throws The error, if it may not; or the reason of the signal.
   */
  async wait(error: unknown): Promise<void> {
    const { effect, signal, classify, clock } = this.#context;
    if (signal?.aborted) throw signal.reason;
    const failed = classify(error);
    if (failed === undefined || !failed.temporary) throw error;
    if (!isSafeToRepeat(effect, failed.delivery)) throw error;
    const attempt = ++this.#failures;
    const waitMs = this.#drawWaitMs(failed);
    if (waitMs === undefined || waitMs >= usableMs(this.#context)) throw error;
    if (!isAffordable(failed, this.#context)) {
      this.#context.onBudgetEmpty?.(error);
      throw error;
    }
    this.#context.onRetry?.({ error, attempt, waitMs });
    if (waitMs === 0) return;
    await clock.sleep(waitMs, signal);
    // A timer may come late, and what an attempt needs may have grown.
    if (usableMs(this.#context) <= 0) throw error;
  }

  /** Returns the wait in milliseconds, or `undefined` if there is no other attempt. */
  #drawWaitMs(failed: FailedAttempt): number | undefined {
    if (failed.repaired === true) return 0;
    const { maxAttempts } = this.#policy;
    if (failed.counts !== false && failed.free !== true) this.#used++;
    if (maxAttempts === 1 || this.#used >= maxAttempts) return undefined;
    return drawWaitMs(failed, this.#failures, this.#policy, this.#context.random);
  }
}

/** How long a wait may be so that an attempt after it can still end in time. */
function usableMs({ deadline, minRemainingMs }: RetryContext): number {
  return (deadline?.remainingMs() ?? Infinity) - (minRemainingMs?.() ?? 0);
}

/** Takes what the next attempt costs; what is repaired or free costs nothing. */
function isAffordable(failed: FailedAttempt, { budget }: RetryContext): boolean {
  if (budget === undefined || failed.repaired === true || failed.free === true) return true;
  return budget.take(failed.tokens ?? (failed.throttled ? THROTTLED_TOKENS : 1));
}

/** Returns the wait in milliseconds, or `undefined` if the server asked for too long a one. */
function drawWaitMs(
  failed: FailedAttempt,
  failures: number,
  policy: ResolvedRetryPolicy,
  random: () => number,
): number | undefined {
  const { retryAfterMs, throttled, free } = failed;
  const { maxRetryAfterMs, throttledBaseDelayMs, backoffFactor, maxDelayMs } = policy;
  if (retryAfterMs !== undefined && retryAfterMs >= 0) {
    // No timer is longer, and a wait that is cut short would be a send before its hint.
    if (retryAfterMs > Math.min(maxRetryAfterMs, MAX_TIMER_MS)) return undefined;
    // Spread, so that the clients that were refused together do not come back together.
    return retryAfterMs + random() * Math.min(1_000, retryAfterMs / 2);
  }
  if (free) return 0;
  const baseDelayMs = throttled ? throttledBaseDelayMs : policy.baseDelayMs;
  return drawBackoffMs(failures, { baseDelayMs, backoffFactor, maxDelayMs }, random);
}
