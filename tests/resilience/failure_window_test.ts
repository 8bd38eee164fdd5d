import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { FailureWindow } from "../../src/resilience/failure_window.ts";
import { runs } from "../support/runs.ts";
import { QuickClock } from "./support.ts";

const RUNS = runs(10_000);

Deno.test("B2 FailureWindow counts what a naive list of the last ten seconds counts", () => {
  const command = fc.tuple(
    fc.constantFrom("failure", "success", "wait", "wait", "clear"),
    fc.constantFrom(0, 1, 499, 500, 999, 1_000, 1_001, 8_999, 9_000, 10_000, 3_600_000),
  );
  const commands = fc.array(command, { maxLength: 30, size: "max" });
  let [counted, dropped] = [0, 0];
  fc.assert(
    fc.property(fc.nat(2_000), commands, (startMs, commands) => {
      const clock = new QuickClock();
      clock.jump(startMs);
      const window = new FailureWindow(10_000, clock);
      let list: { second: number; isFailure: boolean }[] = [];
      for (const [what, ms] of commands) {
        const second = Math.floor(clock.now() / 1_000);
        if (what === "wait") clock.jump(ms);
        else if (what === "clear" && ms === 0) {
          window.clear();
          list = [];
        } else if (what !== "clear") {
          window.add(what === "failure");
          list.push({ second, isFailure: what === "failure" });
        }
        // Every other time nobody looks: writing alone must drop what is too old.
        if (ms % 2 === 1) continue;
        const oldest = Math.floor(clock.now() / 1_000) - 9;
        const recent = list.filter(({ second }) => second >= oldest);
        const failures = recent.filter(({ isFailure }) => isFailure).length;
        const { counts } = window;
        assert(counts.results === recent.length && counts.failures === failures);
        counted += recent.length;
        dropped += list.length - recent.length;
      }
    }),
    { numRuns: RUNS },
  );
  assert(counted > RUNS && dropped > RUNS, `${counted} counted, ${dropped} dropped`);
});

Deno.test("B2 FailureWindow drops what is too old on reading and on writing", () => {
  for (const read of [true, false]) {
    const clock = new QuickClock();
    const window = new FailureWindow(10_000, clock);
    for (let i = 0; i < 9; i++) window.add(true);
    clock.jump(3_600_000);
    if (read) assertEquals(window.counts, { results: 0, failures: 0 });
    window.add(true);
    assertEquals(window.counts, { results: 1, failures: 1 });
  }
});

Deno.test("F2 FailureWindow takes a clock that goes back for one that stands", () => {
  const clock = new QuickClock();
  clock.jump(60_000);
  const window = new FailureWindow(10_000, clock);
  window.add(true);
  clock.jump(-100_000);
  window.add(false);
  assertEquals(window.counts, { results: 2, failures: 1 });
  clock.jump(109_000);
  assertEquals(window.counts, { results: 2, failures: 1 });
  clock.jump(1_000);
  assertEquals(window.counts, { results: 0, failures: 0 });
});
