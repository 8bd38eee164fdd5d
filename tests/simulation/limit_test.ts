import { assert, assertEquals } from "@std/assert";
import { computeLimit } from "../../bench/chaos/limit.ts";
import { measure } from "../../bench/chaos/metrics.ts";
import { define, type Scenario, type ServerBehaviour } from "../../bench/chaos/scenario.ts";
import { SCENARIOS } from "../../bench/chaos/scenarios.ts";
import { type RunRecord, simulate } from "../../bench/chaos/simulate.ts";

function pick(id: string, durationMs: number): Scenario {
  const scenario = SCENARIOS.find((scenario) => scenario.id === id);
  assert(scenario !== undefined);
  return { ...scenario, durationMs };
}

/** What a schedule can do with a load on a server with calls of 100 ms. */
function schedule(server: Partial<ServerBehaviour>, load: Partial<Scenario>): number | null {
  const drawFate = () => ({ serviceMs: 100 });
  const scenario = define("T", "a test", "", { drawFate, ...server }, {
    limit: "schedule",
    durationMs: 20_000,
    ...load,
  });
  return computeLimit(scenario, 1);
}

Deno.test("computeLimit is what the servers have time for", () => {
  assertEquals(schedule({}, {}), 1);
  assertEquals(schedule({ down: { startMs: -1_000, endMs: 60_000 } }, {}), 0);
  // One worker ends 10 calls in a second, and 30 are asked for; the last have their time after it.
  const overload = schedule({ workers: 1 }, { deadlineMs: 1_000 }) ?? NaN;
  assert(Math.abs(overload - 1 / 3) < 0.05, String(overload));
  // Nothing that the server would lose is begun.
  const half = schedule({ down: { startMs: 10_000, endMs: 60_000 } }, { deadlineMs: 1_000 }) ?? NaN;
  assert(Math.abs(half - 0.5) < 0.05, String(half));
  assertEquals(computeLimit(define("T", "a test", "", {}), 1), null);
});

for (const [id, callsPerSecond] of [["S9", 20], ["S10", 5]] as const) {
  Deno.test(`computeLimit is beyond what any client reaches in ${id}`, async () => {
    const scenario = { ...pick(id, 42_000), callsPerSecond };
    const limit = computeLimit(scenario, 7);
    assert(limit !== null && limit < 1);
    for (const client of ["automcp", "sdk+timeout", "sdk+cockatiel"]) {
      const { goodput } = measure(await simulate({ scenario, client, seed: 7 }), scenario);
      assert(goodput <= limit, `${client} reaches ${goodput}, over ${limit}`);
    }
  });
}

Deno.test("computeLimit leaves out the unsafe calls that are cut after their send", async () => {
  const scenario = pick("S4", 30_000);
  const run: RunRecord = await simulate({ scenario, client: "automcp", seed: 7 });
  const cut = run.trace.filter(({ call, what }) =>
    what === "reset" && run.calls[call]?.tool === "unsafe"
  );
  assert(cut.length > 3);
  assertEquals(computeLimit(scenario, 7), 1 - cut.length / run.calls.length);
});
