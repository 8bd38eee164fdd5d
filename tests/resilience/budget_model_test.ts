import { assert } from "@std/assert";
import fc from "fast-check";
import { type BudgetOptions, RetryBudget } from "../../src/resilience/budget.ts";
import { runs } from "../support/runs.ts";
import { QuickClock } from "./support.ts";

/** What happened: nothing is ever added up, all is read from the list again. */
type Entry = { readonly spent: number } | { readonly executed: true } | {
  readonly passedMs: number;
};

/** A budget as a list of all that happened. */
class BudgetModel {
  readonly #history: Entry[] = [];
  readonly #options: Required<BudgetOptions>;

  constructor(options: Required<BudgetOptions>) {
    this.#options = options;
  }

  get tokens(): number {
    const { capacity, initial, perExecution, perSecond } = this.#options;
    let tokens = Math.min(capacity, initial);
    for (const entry of this.#history) {
      if ("spent" in entry) tokens -= entry.spent;
      else if ("executed" in entry) tokens += perExecution;
      else tokens += perSecond * entry.passedMs / 1_000;
      tokens = Math.min(capacity, tokens);
    }
    return tokens;
  }

  add(entry: Entry): void {
    this.#history.push(entry);
  }

  /** By how much the worst of all windows is over its bound; negative if none is. */
  get worstExcess(): number {
    const { capacity, perExecution, perSecond } = this.#options;
    let worst = -Infinity;
    for (let from = 0; from < this.#history.length; from++) {
      let excess = -capacity;
      for (const entry of this.#history.slice(from)) {
        if ("spent" in entry) excess += entry.spent;
        else if ("executed" in entry) excess -= perExecution;
        else excess -= perSecond * entry.passedMs / 1_000;
        worst = Math.max(worst, excess);
      }
    }
    return worst;
  }
}

const RUNS = runs(10_000);

/** Doubles add up to no more than this in a short history. */
const EPSILON = 1e-9;

Deno.test("R4 RetryBudget: over t seconds and n executions at most 0.2 n + 50 + t tokens are spent", () => {
  const options = fc.constantFrom<Required<BudgetOptions>>(
    { capacity: 50, initial: 50, perExecution: 0.2, perSecond: 1 },
    { capacity: 50, initial: 3, perExecution: 0.2, perSecond: 1 },
    { capacity: 2, initial: 9, perExecution: 0.5, perSecond: 0 },
    { capacity: 1, initial: 0, perExecution: 0, perSecond: 10 },
    // That of hedges (H3).
    { capacity: 10, initial: 1, perExecution: 0.1, perSecond: 0 },
  );
  const command = fc.tuple(
    fc.constantFrom("take", "take", "execute", "wait"),
    fc.constantFrom(0, 0.2, 0.35, 1, 1, 1.5, 7, 20, 49, 400),
  );
  const commands = fc.array(command, { maxLength: 30, size: "max" });
  let [granted, refused] = [0, 0];
  fc.assert(
    fc.property(options, commands, (options, commands) => {
      const clock = new QuickClock();
      const budget = new RetryBudget(options, clock);
      const model = new BudgetModel(options);
      for (const [what, amount] of commands) {
        if (what === "execute") {
          budget.deposit();
          model.add({ executed: true });
        } else if (what === "wait") {
          clock.jump(amount * 100);
          model.add({ passedMs: amount * 100 });
        } else {
          const before = model.tokens;
          const taken = budget.take(amount);
          // So near to a tie either is right.
          assert(taken === before >= amount || Math.abs(before - amount) < EPSILON);
          if (taken) model.add({ spent: amount });
          taken ? granted++ : refused++;
        }
        assert(Math.abs(budget.tokens - model.tokens) < EPSILON);
        assert(budget.tokens >= 0 && budget.tokens <= options.capacity);
      }
      assert(model.worstExcess < EPSILON, `${model.worstExcess}`);
      assert(clock.timers === 0);
    }),
    { numRuns: RUNS },
  );
  assert(granted > RUNS && refused > RUNS / 3, `${granted} granted, ${refused} refused`);
});
