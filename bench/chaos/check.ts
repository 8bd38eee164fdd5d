import type { Summary } from "./metrics.ts";
import { type ScenarioReport, toExactSeconds, toMarkdown, toPercent } from "./report.ts";
import { type Target, TARGETS } from "./targets.ts";

/** How AutoMCP stands to one target. */
export interface Verdict {
  readonly target: Target;
  readonly bound: number;
  /** The median, and the scenario that has it. */
  readonly figure: number;
  readonly scenario: string;
  /** The figure of the worst seed, where that counts. */
  readonly worst: number | undefined;
  readonly result: "met" | "as the prototype" | "missed" | "missed on a seed";
}

/** How far the worst seed may be beyond a target that is a share of calls. */
const SEED_TOLERANCE = 0.02;
/** What binary fractions may add. */
const NOISE = 1e-9;
const HALF_A_TENTH = 0.0005;
const FORMATS: Readonly<Record<Target["unit"], (value: number) => string>> = {
  "%": toPercent,
  s: toExactSeconds,
  "": (value) => Number(value.toFixed(2)).toString(),
};
const PER_SEED: readonly (keyof Summary)[] = ["goodput", "gap"];

/** Holds AutoMCP against the targets of those scenarios that were run. */
export function check(reports: readonly ScenarioReport[], targets = TARGETS): Verdict[] {
  return targets.flatMap((target) => {
    const verdicts = reports
      .filter(({ scenario }) => applies(target, scenario.id))
      .flatMap((report) => judge(target, report) ?? []);
    const isWorse = (a: Verdict, b: Verdict): boolean =>
      target.isFloor ? a.figure < b.figure : a.figure > b.figure;
    if (verdicts.length === 0) return [];
    return [verdicts.reduce((worst, other) => isWorse(other, worst) ? other : worst)];
  });
}

function applies({ scenario, except = [] }: Target, id: string): boolean {
  return scenario === id || (scenario === "every" && !except.includes(id));
}

function judge(target: Target, { scenario, clients }: ScenarioReport): Verdict | undefined {
  const report = clients.get("automcp");
  const bound = typeof target.bound === "number" ? target.bound : toBound(target.bound, clients);
  if (report === undefined || bound === undefined) return undefined;
  const { key, unit, isFloor, prototype } = target;
  const { summary, runs } = report;
  // Only what never comes has no value here, as a recovery.
  const figure = summary[key] ?? Infinity;
  // The targets and the prototype's values are known to a tenth of a percent.
  const noise = unit === "%" ? HALF_A_TENTH : NOISE;
  const reaches = (value: number, bound: number): boolean =>
    isFloor ? value >= bound - noise : value <= bound + noise;
  const values = runs.map(({ metrics }) => metrics[key as keyof typeof metrics] ?? Infinity);
  const worst = PER_SEED.includes(key)
    ? (isFloor ? Math.min(...values) : Math.max(...values))
    : undefined;
  const lenient = isFloor ? bound - SEED_TOLERANCE : bound + SEED_TOLERANCE;
  let result: Verdict["result"] = "missed";
  if (reaches(figure, bound)) result = "met";
  else if (prototype !== undefined && prototype < bound && reaches(figure, prototype)) {
    result = "as the prototype";
  }
  if (result !== "missed" && worst !== undefined && !reaches(worst, lenient)) {
    result = "missed on a seed";
  }
  return { target, bound, figure, scenario: scenario.id, worst, result };
}

function toBound(
  { client, key, factor = 1, plus = 0 }: Exclude<Target["bound"], number>,
  clients: ScenarioReport["clients"],
): number | undefined {
  const value = clients.get(client)?.summary[key];
  return value == null ? undefined : value * factor + plus;
}

/** Whether a target is not reached. */
export function isMiss({ result }: Verdict): boolean {
  return result.startsWith("missed");
}

/** Returns the table of targets, in Markdown. */
export function toVerdictTable(verdicts: readonly Verdict[]): string {
  const rows = verdicts.map(({ target, bound, figure, scenario, worst, result }) => {
    const format = FORMATS[target.unit];
    return [
      target.scenario === "every" ? "every" : scenario,
      target.unit === "" ? target.key : `${target.key}, ${target.unit}`,
      `${target.isFloor ? ">=" : "<="} ${format(bound)}`,
      `${format(figure)}${target.scenario === "every" ? ` (${scenario})` : ""}`,
      worst === undefined ? "" : format(worst),
      result,
    ];
  });
  return toMarkdown([["", "figure", "target", "median", "worst seed", "result"], ...rows]);
}
