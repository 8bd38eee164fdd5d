import { assert, assertEquals } from "@std/assert";
import { findDefects } from "../../bench/chaos/defects.ts";
import { measure } from "../../bench/chaos/metrics.ts";
import type { Scenario } from "../../bench/chaos/scenario.ts";
import { SCENARIOS } from "../../bench/chaos/scenarios.ts";
import { type RunRecord, simulate } from "../../bench/chaos/simulate.ts";

/** A scenario with a shorter load. */
function pick(id: string, durationMs: number): Scenario {
  const scenario = SCENARIOS.find((scenario) => scenario.id === id);
  assert(scenario !== undefined);
  return { ...scenario, durationMs };
}

function countUnsafeCuts({ trace, calls }: RunRecord): number {
  return trace.filter(({ call, what }) =>
    calls[call]?.tool === "unsafe" && (what === "reset" || what === "end")
  ).length;
}

for (const client of ["automcp", "sdk+p-retry", "sdk+cockatiel"]) {
  Deno.test(`simulate is byte-identical when ${client} runs twice with a seed`, async () => {
    const options = { scenario: pick("S4", 15_000), client, seed: 7 };
    const [first, second] = [await simulate(options), await simulate(options)];
    assert(first.calls.length > 300);
    assertEquals(JSON.stringify(second), JSON.stringify(first));
    const other = await simulate({ ...options, seed: 8 });
    assert(JSON.stringify(other) !== JSON.stringify(first));
  });
}

for (const id of ["S4", "S5"]) {
  for (const seed of [7, 1]) {
    Deno.test(`AutoMCP does nothing twice and misreports nothing in ${id}, seed ${seed}`, async () => {
      const scenario = pick(id, 45_000);
      const run = await simulate({ scenario, client: "automcp", seed });
      assert(countUnsafeCuts(run) >= 5, "the scenario tempts nobody");
      assertEquals(findDefects(run, scenario, seed), []);
      const { goodput, duplicates, misreported, settledByDeadline } = measure(run, scenario);
      assertEquals({ duplicates, misreported, settledByDeadline }, {
        duplicates: 0,
        misreported: 0,
        settledByDeadline: 1,
      });
      assert(goodput > 0.97);
    });
  }
}

Deno.test("AutoMCP replaces a lost session, where the SDK alone never comes back", async () => {
  const scenario = pick("S6", 36_000);
  const run = await simulate({ scenario, client: "automcp", seed: 2 });
  assertEquals(findDefects(run, scenario, 2), []);
  assert(run.trace.some(({ what }) => what === "crash"), "nothing ran when the server went down");
  assertEquals(measure(run, scenario).recoveryMs, 0);
  const control = await simulate({ scenario, client: "sdk", seed: 2 });
  assertEquals(measure(control, scenario).recoveryMs, null);
});

Deno.test("findDefects finds what a careless client does twice, and tells how", async () => {
  const scenario = pick("S5", 45_000);
  const run = await simulate({ scenario, client: "sdk+p-retry", seed: 7 });
  const { duplicates } = measure(run, scenario);
  const defect = findDefects(run, scenario, 7).find((text) => text.includes("run twice"));
  assert(duplicates > 0);
  assert(defect !== undefined);
  assert(defect.startsWith(`S5, seed 7: ${duplicates} run twice\n`));
  assertEquals(defect.match(/ effect$/gm)?.length, Math.min(2, duplicates) * 2);
});

Deno.test("simulate gives every client the same arrivals and puts the globals back", async () => {
  const globals = [setTimeout, clearTimeout, Date.now, performance.now, Math.random];
  const scenario = pick("S1", 5_000);
  const arrivals: unknown[] = [];
  for (const client of ["automcp", "sdk"]) {
    const { calls } = await simulate({ scenario, client, seed: 3 });
    arrivals.push(calls.map(({ index, atMs, tool }) => ({ index, atMs, tool })));
    assert(calls.every(({ success, effects }) => success && effects === 1));
  }
  assertEquals(arrivals[0], arrivals[1]);
  assertEquals([setTimeout, clearTimeout, Date.now, performance.now, Math.random], globals);
});

Deno.test("simulate stops when its signal is aborted", async () => {
  const options = { scenario: pick("S1", 5_000), client: "automcp", seed: 3 };
  const reason = new Error("enough");
  const stopped = await simulate({ ...options, signal: AbortSignal.abort(reason) })
    .catch((error) => error);
  assertEquals(stopped, reason);
});
