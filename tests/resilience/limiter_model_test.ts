import { assert } from "@std/assert";
import fc from "fast-check";
import { ConcurrencyLimiter, type LimiterSample } from "../../src/resilience/limiter.ts";
import { runs } from "../support/runs.ts";
import { QuickClock } from "./support.ts";

const RUNS = runs(10_000);

/** A limiter that knows every attempt and when each ended. */
class LimiterModel {
  readonly samples: LimiterSample[] = [];
  readonly decreasesMs: number[] = [];
  limit: number;
  inFlight = 0;
  readonly #max: number;

  constructor(max: number) {
    this.#max = max;
    this.limit = Math.min(20, max);
  }

  /** The weight of a drop is a tenth, and nine tenths of that with each attempt after it. */
  get dropShare(): number {
    const finished = this.samples.filter((sample) => sample !== "none").reverse();
    return finished.reduce(
      (sum, sample, age) => sum + (sample === "drop" ? 0.1 * 0.9 ** age : 0),
      0,
    );
  }

  leave(sample: LimiterSample, p50Ms: number, nowMs: number): void {
    const isHalfUsed = this.inFlight >= this.limit / 2;
    this.inFlight--;
    this.samples.push(sample);
    if (sample === "success" && isHalfUsed) this.#set(this.limit + 1 / this.limit);
    if (sample !== "drop" || this.dropShare < 0.15) return;
    if (this.decreasesMs.some((atMs) => nowMs - atMs < Math.max(p50Ms, 50))) return;
    this.decreasesMs.push(nowMs);
    this.#set(this.limit * 0.9);
  }

  ramp(): void {
    this.#set(Math.min(this.limit, 8));
  }

  #set(limit: number): void {
    this.limit = Math.max(Math.min(2, this.#max), Math.min(this.#max, limit));
  }
}

Deno.test("A1 A2 ConcurrencyLimiter does what a naive model does, within its bounds at every step", () => {
  const command = fc.tuple(
    fc.constantFrom("enter", "enter", "fill", "success", "success", "drop", "drop", "none", "wait"),
    fc.constantFrom(0, 1, 20, 49, 50, 120),
  );
  const commands = fc.array(command, { maxLength: 40, size: "max" });
  const maxima = fc.constantFrom(1, 2, 3, 8, 10, 30);
  let [entered, lowered, ramps] = [0, 0, 0];
  fc.assert(
    fc.property(maxima, commands, fc.nat(60), (max, commands, rampAt) => {
      const clock = new QuickClock();
      const changes: number[] = [];
      const limiter = new ConcurrencyLimiter(max, {}, clock, (limit) => void changes.push(limit));
      const model = new LimiterModel(max);
      const enter = (): void => {
        // In flight it is never above the limit at an entry.
        assert(limiter.inFlight < limiter.limit);
        limiter.enter();
        model.inFlight++;
        entered++;
      };
      for (const [step, [what, ms]] of commands.entries()) {
        const before = limiter.limit;
        changes.length = 0;
        if (step === rampAt) {
          limiter.ramp();
          model.ramp();
          ramps++;
        }
        if (what === "wait") clock.jump(ms);
        else if (what === "fill") { while (limiter.hasRoom) enter(); }
        else if (what === "enter") limiter.hasRoom && enter();
        else if (limiter.inFlight > 0) {
          limiter.leave(what as LimiterSample, ms);
          model.leave(what as LimiterSample, ms, clock.now());
        }
        assert(limiter.limit === Math.floor(model.limit + 1e-9), `${limiter.limit} ${model.limit}`);
        assert(limiter.inFlight === model.inFlight && limiter.inFlight >= 0);
        assert(limiter.hasRoom === model.inFlight < limiter.limit);
        assert(limiter.limit >= Math.min(2, max) && limiter.limit <= max);
        assert(before === limiter.limit ? changes.length !== 1 : changes.at(-1) === limiter.limit);
      }
      lowered += model.decreasesMs.length;
      assert(clock.timers === 0);
    }),
    { numRuns: RUNS },
  );
  assert(
    entered > RUNS && lowered > RUNS / 2 && ramps > RUNS / 10,
    `${entered} ${lowered} ${ramps}`,
  );
});
