import { checkNumber, type OptionRules, resolveOptions } from "../errors/misuse.ts";
import { type Clock, systemClock } from "./clock.ts";

/** How much a {@linkcode RetryBudget} holds, and how it fills. Plain data. */
export interface BudgetOptions {
  /**
   * The most tokens, >= 0. With `Infinity` nothing is ever refused.
   *
   * @default {50}
   */
  readonly capacity?: number;
  /**
   * The tokens at the start, >= 0, at most `capacity`.
   *
   * @default {capacity}
   */
  readonly initial?: number;
  /**
   * Tokens that each execution brings, >= 0.
   *
   * @default {0.2}
   */
  readonly perExecution?: number;
  /**
   * Tokens that each second brings, >= 0.
   *
   * @default {1}
   */
  readonly perSecond?: number;
}

/** What a {@linkcode RetryBudget} must be given, and is given by default. */
export const BUDGET_RULES: OptionRules<BudgetOptions> = {
  capacity: { preset: 50, min: 0 },
  initial: { min: 0 },
  perExecution: { preset: 0.2, min: 0 },
  perSecond: { preset: 1, min: 0 },
};

/**
 * Bounds what repeats may cost a server: they spend tokens, executions and time bring them. Over any
 * `t` seconds and `n` executions at most `capacity + perExecution × n + perSecond × t` are spent, so
 * that a server in trouble sees a fifth more load and not three times as much.
 *
 * @example A repeat is refused once the tokens are spent
 * ```ts
 * import { RetryBudget } from "@automcp/client";
 * import { assertEquals } from "@std/assert";
 *
 * const budget = new RetryBudget({ capacity: 2, perSecond: 0 });
 * assertEquals([budget.take(1), budget.take(1), budget.take(1)], [true, true, false]);
 * ```
 */
export class RetryBudget {
  readonly #options: Required<BudgetOptions>;
  readonly #clock: Clock;
  #tokens: number;
  #filledAtMs: number;

  /**
   * Creates a budget.
   *
   * @param options How much it holds, and how it fills.
   * @param clock The clock that fills it.
   * @throws {TypeError} If an option is unknown or of the wrong type.
   * @throws {RangeError} If an option is out of its range.
   */
  constructor(options: BudgetOptions = {}, clock: Clock = systemClock) {
    this.#options = resolveOptions("create a retry budget", options, BUDGET_RULES);
    const { capacity, initial = capacity } = this.#options;
    this.#clock = clock;
    this.#tokens = Math.min(capacity, initial);
    this.#filledAtMs = clock.now();
  }

  /** The tokens at this moment. */
  get tokens(): number {
    this.#fill();
    return this.#tokens;
  }

  /** Adds what an execution brings. */
  deposit(): void {
    this.#tokens = Math.min(this.#options.capacity, this.#tokens + this.#options.perExecution);
  }

  /**
   * Spends tokens, if there are so many.
   *
   * @param tokens How many, >= 0.
   * @returns Whether there were; otherwise nothing is spent.
   * @throws {RangeError} If that is no number, or a negative one.
   */
  take(tokens: number): boolean {
    checkNumber("take from a retry budget", "tokens", tokens, { min: 0 });
    this.#fill();
    if (this.#tokens < tokens) return false;
    if (this.#tokens !== Infinity) this.#tokens -= tokens;
    return true;
  }

  #fill(): void {
    const nowMs = this.#clock.now();
    const seconds = (nowMs - this.#filledAtMs) / 1_000;
    this.#filledAtMs = nowMs;
    // Also because no time at an infinite rate would bring NaN.
    if (seconds <= 0) return;
    this.#tokens = Math.min(
      this.#options.capacity,
      this.#tokens + seconds * this.#options.perSecond,
    );
  }
}
