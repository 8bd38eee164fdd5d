import { assert, assertEquals, assertThrows } from "@std/assert";
import { ABLATIONS, toAblationTable } from "../../bench/chaos/ablations.ts";
import { toChart } from "../../bench/chaos/chart.ts";
import { check, isMiss, toVerdictTable } from "../../bench/chaos/check.ts";
import { CLIENTS } from "../../bench/chaos/clients.ts";
import { measure, type Metrics, summarise } from "../../bench/chaos/metrics.ts";
import { parseOptions } from "../../bench/chaos/options.ts";
import { type ScenarioReport, toDocument, toTable } from "../../bench/chaos/report.ts";
import { SCENARIOS } from "../../bench/chaos/scenarios.ts";
import { TARGETS } from "../../bench/chaos/targets.ts";

const PERFECT: Metrics = {
  ...measure({
    calls: [],
    sendsMs: [],
    maxExchanges: 1,
    sessionsPerLoss: null,
    renewals: 0,
    rest: { timers: 0, exchanges: 0, jobs: 0, listeners: 0, rejections: 0 },
    trace: [],
  }, SCENARIOS[0]!),
  goodput: 1,
  p50Ms: 70,
  p99Ms: 200,
  p999Ms: 300,
  amplification: 1,
  recoveryMs: 0,
  settledByDeadline: 1,
};

/** A report of runs, one for each seed, that differ from a perfect one. */
function createReport(id: string, clients: Record<string, Partial<Metrics>[]>): ScenarioReport {
  const scenario = SCENARIOS.find((scenario) => scenario.id === id)!;
  const entries = Object.entries(clients).map(([name, changes]) => {
    const runs = changes.map((change, seed) => ({
      seed,
      metrics: { ...PERFECT, ...change },
      timeline: Array.from({ length: 90 }, (_, second) => second === 1 ? null : 1 - seed / 10),
      defects: [],
    }));
    return [name, { summary: summarise(runs.map(({ metrics }) => metrics)), runs }] as const;
  });
  return { scenario, clients: new Map(entries) };
}

/** What the check says of one figure. */
function verdictOf(report: ScenarioReport, key: string) {
  const verdict = check([report]).find(({ target }) => target.key === key);
  assert(verdict !== undefined);
  return verdict;
}

Deno.test("check meets a target at its bound, to a tenth of a percent, and misses it below", () => {
  for (const [goodput, result] of [[0.94, "met"], [0.9395, "met"], [0.9394, "missed"]] as const) {
    const verdict = verdictOf(createReport("S3", { automcp: [{ goodput }] }), "goodput");
    assertEquals([verdict.result, verdict.worst], [result, goodput]);
  }
  for (const [p99Ms, result] of [[350, "met"], [350.1, "missed"]] as const) {
    assertEquals(verdictOf(createReport("S2", { automcp: [{ p99Ms }] }), "p99Ms").result, result);
  }
});

Deno.test("check lets one seed be 2 points below, not more", () => {
  for (const [goodput, result] of [[0.92, "met"], [0.919, "missed on a seed"]] as const) {
    const report = createReport("S3", { automcp: [{}, {}, { goodput }] });
    assertEquals(verdictOf(report, "goodput").result, result);
  }
  for (const [gap, result] of [[0.025, "met"], [0.026, "missed on a seed"]] as const) {
    const report = createReport("S4", { automcp: [{ gap: 0 }, { gap: 0 }, { gap }] });
    assertEquals(verdictOf(report, "gap").result, result);
  }
});

Deno.test("check is content with the prototype's figure where the target is beyond it", () => {
  for (
    const [id, goodput, result] of [
      ["S7b", 0.898, "as the prototype"],
      ["S7b", 0.897, "missed"],
      ["S7", 0.985, "met"],
      ["S7c", 0.884, "missed"],
    ] as const
  ) {
    assertEquals(verdictOf(createReport(id, { automcp: [{ goodput }] }), "goodput").result, result);
  }
});

Deno.test("check takes the worst of every scenario, and bounds from other figures", () => {
  const reports = [
    createReport("S1", { automcp: [{ p99Ms: 211 }], sdk: [{ p99Ms: 200 }] }),
    createReport("S6", {
      automcp: [{ duplicates: 1, amplification: 1.3, recoveryMs: null, sessionsPerLoss: 1 }],
    }),
    createReport("X4", { automcp: [{ othersP99Ms: 105, controlP99Ms: 100 }] }),
  ];
  const verdicts = check(reports);
  const missed = verdicts.filter(isMiss).map(({ target, scenario }) => `${scenario} ${target.key}`);
  assertEquals(missed, ["S6 duplicates", "S6 amplification", "S1 p99Ms", "S6 recoveryMs"]);
  const table = toVerdictTable(verdicts);
  assert(table.includes("| every | duplicates"), table);
  assert(table.includes("1.3 (S6)"), table);
});

Deno.test("TARGETS name scenarios and clients that exist", () => {
  const ids = [...SCENARIOS.map(({ id }) => id), "every"];
  for (const { scenario, bound } of TARGETS) {
    assert(ids.includes(scenario), scenario);
    if (typeof bound === "object") assert(bound.client in CLIENTS, bound.client);
  }
});

Deno.test("toChart draws the same bytes for the same report, with a title and what it shows", () => {
  const draw = () =>
    toChart(createReport("S9", { automcp: [{}, { goodput: 0.5 }], "sdk & <more>": [{}, {}] }));
  const chart = draw();
  assertEquals(draw(), chart);
  assert(chart.startsWith("<svg "));
  assert(chart.includes('<title id="title">S9: 85 % used'));
  assert(chart.includes("automcp: 75.0 %, p99 0.20 s; sdk &amp; &lt;more&gt;: 100.0 %"));
  assert(chart.includes("prefers-color-scheme:dark"));
  assertEquals(chart.match(/class="fault"/g)?.length, 1);
  assert(!/NaN|Infinity|undefined/.test(chart), chart);
});

Deno.test("toTable leaves out what no client has, and names the limit", () => {
  const report = createReport("S9", { automcp: [{ limit: 0.95, gap: -0.05, recoveryMs: null }] });
  const table = toTable(report);
  assert(table.includes("short of limit") && table.includes("never") && table.includes("95.0 %"));
  assert(!table.includes("renewals"));
  assert(!toTable(createReport("S1", { automcp: [{}] })).includes("recovery"));
});

Deno.test("toDocument holds ratios and milliseconds, by scenario and client", () => {
  const reports = [
    createReport("S1", { automcp: [{ goodput: 0.5, p99Ms: 200.00049 }], sdk: [{}] }),
  ];
  const { seeds, scenarios } = toDocument(reports, [7]) as {
    seeds: number[];
    scenarios: Record<string, Record<string, Record<string, number | null>>>;
  };
  assertEquals([seeds, Object.keys(scenarios["S1"]!)], [[7], ["automcp", "sdk"]]);
  const { goodput, worstSeedGoodput, p99Ms, failMs } = scenarios["S1"]!["automcp"]!;
  assertEquals([goodput, worstSeedGoodput, p99Ms, failMs], [0.5, 0.5, 200, null]);
});

Deno.test("toAblationTable tells what each mechanism is worth", () => {
  const report = createReport("S3", {
    all: [{}],
    "one attempt": [{ goodput: 0.9, p99Ms: 1_200, amplification: 0.99, duplicates: 3 }],
    nothing: [{}],
  });
  const lines = toAblationTable([report]).split("\n").map((line) =>
    line.split(/ *\| */).slice(1, -1)
  );
  assertEquals(lines[0], ["", "all", "one attempt", "nothing"]);
  assertEquals(lines[2], [
    "S3",
    "100.0 / 0.20 / 1.00",
    "-10.0 / +1.00 / -0.01, 3 twice",
    "0.0 / 0.00 / 0.00",
  ]);
  const names = ABLATIONS.map(({ name }) => name);
  assertEquals(new Set(names).size, names.length);
});

Deno.test("parseOptions takes lists and ranges, and refuses what it does not know", () => {
  const options = parseOptions(["--scenario", "S3,X4", "--seeds", "7,1-3", "--clients", "automcp"]);
  assertEquals(options?.scenarios.map(({ id }) => id), ["S3", "X4"]);
  assertEquals([options?.seeds, options?.clients], [[7, 1, 2, 3], ["automcp"]]);
  assertEquals(parseOptions([])?.scenarios.length, SCENARIOS.length);
  assertEquals(parseOptions(["--help"]), undefined);
  for (
    const args of [
      ["--scenario", "S0"],
      ["--clients", "sdk,other"],
      ["--seeds", "3-1"],
      ["--seeds", "x"],
      ["--jobs", "0"],
      ["--ablate", "--check"],
    ]
  ) assertThrows(() => parseOptions(args), TypeError, args[0]);
});
