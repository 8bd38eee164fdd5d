import { assert, assertEquals } from "@std/assert";
import { findDefects } from "../../bench/chaos/defects.ts";
import { measure } from "../../bench/chaos/metrics.ts";
import type { Scenario } from "../../bench/chaos/scenario.ts";
import { SCENARIOS } from "../../bench/chaos/scenarios.ts";
import { simulate } from "../../bench/chaos/simulate.ts";

/** A scenario with a lighter load, of which the time of the fault is a part. */
function pick(id: string, change: Partial<Scenario> = {}): Scenario {
  const scenario = SCENARIOS.find((scenario) => scenario.id === id);
  assert(scenario !== undefined);
  return { ...scenario, callsPerSecond: 6, durationMs: 34_000, ...change };
}

const LIGHT: readonly Scenario[] = [
  pick("X3", { instances: 20 }),
  pick("X4"),
  pick("X5", { durationMs: 44_000 }),
  pick("X6"),
  pick("X7", { callsPerSecond: 10 }),
  pick("X8", { callsPerSecond: 30, durationMs: 3_000 }),
];

for (const scenario of LIGHT) {
  for (const client of ["automcp", "sdk"]) {
    const { id } = scenario;
    Deno.test(`simulate is byte-identical when ${client} meets ${id} twice`, async () => {
      const options = { scenario, client, seed: 7 };
      const [first, second] = [await simulate(options), await simulate(options)];
      assertEquals(JSON.stringify(second), JSON.stringify(first));
      if (client === "automcp") assertEquals(findDefects(first, scenario, 7), []);
    });
  }
}

Deno.test("simulate spreads the load of X3 over instances that do not share what they hold", async () => {
  const scenario = pick("X3", { instances: 20, durationMs: 5_000 });
  const { calls, trace } = await simulate({ scenario, client: "automcp", seed: 1 });
  assert(new Set(calls.map(({ instance }) => instance)).size > 10);
  assert(calls.every(({ success }) => success));
  assertEquals(trace.filter(({ what }) => what === "effect").length, calls.length);
});

Deno.test("simulate lets one of four servers of X4 fail, and the others go on", async () => {
  const scenario = pick("X4", { durationMs: 33_000, callsPerSecond: 24 });
  const run = await simulate({ scenario, client: "sdk", seed: 1 });
  const failed = run.calls.filter(({ success }) => !success);
  assert(failed.length > 3);
  assert(failed.every(({ server }) => server === 0));
  const control = await simulate({ scenario: scenario.control!, client: "sdk", seed: 1 });
  const { othersGoodput, controlGoodput } = measure(run, scenario, { control });
  assertEquals([othersGoodput, controlGoodput], [1, 1]);
});

Deno.test("AutoMCP waits in X5 as if the wall clock did not jump", async () => {
  const scenario = pick("X5", { durationMs: 40_000 });
  const options = { client: "automcp", seed: 7 };
  const [globalNow, calm] = [Date.now, { ...scenario, jumps: [] }];
  const run = await simulate({ scenario, ...options });
  const other = await simulate({ scenario: calm, ...options });
  assert(run.trace.some(({ what }) => what.includes("503")), "nobody was told a date");
  assertEquals(run.sendsMs, other.sendsMs);
  assertEquals(Date.now, globalNow);
});

Deno.test("simulate counts the renewals of X6, each of which takes its time", async () => {
  const run = await simulate({ scenario: pick("X6"), client: "automcp", seed: 7 });
  assert(run.renewals >= 1);
  assert(run.calls.every(({ success }) => success));
  const waited = run.calls.filter(({ atMs, settledMs }) => atMs > 29_900 && settledMs - atMs > 200);
  assert(waited.length >= 1);
});

Deno.test("simulate gives a client settings in the place of its own", async () => {
  const scenario = { ...pick("S4"), durationMs: 10_000, callsPerSecond: 30 };
  const options = { scenario, client: "automcp", seed: 7 };
  const sends = async (settings = {}) => (await simulate({ ...options, settings })).sendsMs.length;
  const { length } = (await simulate(options)).calls;
  assert(await sends() > length);
  assertEquals(await sends({ maxAttempts: 1, hedge: false }), length);
});
