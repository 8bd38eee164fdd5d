import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import type { HealthEvidence } from "../../src/errors/health.ts";
import { CircuitBreaker } from "../../src/resilience/breaker.ts";
import type { BreakerTransition } from "../../src/resilience/breaker_options.ts";
import { createRandom } from "../support/random.ts";
import { runs } from "../support/runs.ts";
import { BreakerModel } from "./breaker_model.ts";
import { QuickClock } from "./support.ts";

const RUNS = runs(10_000);
const EVIDENCE: HealthEvidence[] = ["hard", "hard", "overload", "pushback", "answered", "none"];
const HINTS_MS = [0, 0, 700, 5_000, 90_000];
const WAITS_MS = [1, 250, 400, 999, 1_000, 3_000, 10_000, 31_000];

Deno.test("B1–B8 CircuitBreaker does what a naive model does, on seeded runs", () => {
  const command = fc.tuple(fc.nat(11), fc.nat(255), fc.constantFrom(1, 1, 2, 4, 5, 12));
  const commands = fc.array(command, { maxLength: 30, size: "max" });
  const reached: Record<string, number> = { closed: 0, paused: 0, open: 0, half_open: 0 };
  fc.assert(
    fc.property(fc.nat(), commands, (seed, commands) => {
      const clock = new QuickClock();
      clock.jump(seed % 3_000);
      const transitions: BreakerTransition[] = [];
      const breaker = new CircuitBreaker({}, {
        clock,
        random: createRandom(seed),
        onTransition: (transition) => void transitions.push(transition),
      });
      const model = new BreakerModel(createRandom(seed));
      for (const [what, pick, times] of commands) {
        const evidence = EVIDENCE[pick % 6]!;
        const hintMs = HINTS_MS[pick % 5]!;
        const nowMs = clock.now();
        if (what < 5) {
          // Now and then a result of an earlier generation.
          const generation = breaker.generation - Number(pick > 220);
          for (let i = 0; i < times; i++) {
            breaker.record(evidence, generation, hintMs);
            model.record(evidence, generation, hintMs, nowMs);
          }
        } else if (what < 8) clock.jump(pick % 3 === 0 ? WAITS_MS[pick % 8]! : untilDue(breaker));
        else if (what === 8) {
          const due = model.state === "open" && nowMs >= model.untilMs;
          assert(breaker.beginCheck() === due);
          if (due) model.move("half_open", nowMs);
        } else if (what === 9) {
          breaker.endCheck(evidence, hintMs);
          model.endCheck(evidence, hintMs, nowMs);
        } else if (what === 10 && pick < 64) {
          breaker.recover();
          if (/open/.test(model.state)) model.move("closed", nowMs);
        } else if (what === 11 && pick < 32) {
          breaker.isolate();
          if (model.state !== "isolated") model.move("isolated", nowMs);
        } else if (what === 11 && pick < 128) {
          breaker.close();
          model.close(nowMs);
        }
        if (model.state === "paused" && clock.now() >= model.untilMs) {
          model.move("closed", clock.now());
        }
        reached[model.state] = (reached[model.state] ?? 0) + 1;
        compare(breaker, model, clock);
      }
      // Each transition leads from the state before it, and none is told twice.
      for (const [at, { from, to, generation }] of transitions.entries()) {
        assert(from === (transitions[at - 1]?.to ?? "closed") && from !== to);
        assert(generation === at + 2);
      }
    }),
    { numRuns: RUNS },
  );
  for (const state of ["closed", "paused", "open", "half_open", "isolated"]) {
    assert(reached[state]! > RUNS / 10, `${state}: ${reached[state]}`);
  }
});

/** The wait, in whole milliseconds, until time changes something, or a short one. */
function untilDue({ waitMs }: CircuitBreaker): number {
  return waitMs === Infinity ? 100 : Math.ceil(waitMs);
}

function compare(breaker: CircuitBreaker, model: BreakerModel, clock: QuickClock): void {
  const nowMs = clock.now();
  const { state, generation, trips, pauses } = model;
  const { results, failures } = model.recent(nowMs);
  const expected = { state, generation, results, failures, trips, pauses };
  const actual = breaker.stats();
  const isTimed = state === "open" || state === "paused";
  const waitMs = isTimed ? Math.max(0, model.untilMs - nowMs) : Infinity;
  const holds =
    Object.entries(expected).every(([key, value]) =>
      actual[key as keyof typeof actual] === value
    ) && (waitMs === breaker.waitMs || Math.abs(waitMs - breaker.waitMs) < 1e-6) &&
    breaker.isShut === (state !== "closed");
  if (!holds) assertEquals({ ...actual, waitMs: breaker.waitMs }, { ...expected, waitMs });
  assert(clock.timers === 0);
}
