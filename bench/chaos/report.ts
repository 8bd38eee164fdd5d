import type { Summary } from "./metrics.ts";
import type { Scenario } from "./scenarios.ts";
import type { CallRecord, RunRecord } from "./simulate.ts";

/** What every client achieved in one scenario. */
export interface ScenarioReport {
  readonly scenario: Scenario;
  readonly clients: ReadonlyMap<string, Summary>;
}

type Column = readonly [title: string, cell: (summary: Summary) => string];

const COLUMNS: readonly Column[] = [
  ["goodput %", ({ goodput }) => toPercent(goodput)],
  ["worst seed", ({ worstSeedGoodput }) => toPercent(worstSeedGoodput)],
  ["p50 s", ({ p50Ms }) => toSeconds(p50Ms)],
  ["p99 s", ({ p99Ms }) => toSeconds(p99Ms)],
  ["p99.9 s", ({ p999Ms }) => toSeconds(p999Ms)],
  ["duplicates", ({ duplicates }) => duplicates.toFixed()],
  ["misreported", ({ misreported }) => misreported.toFixed()],
  ["sends/call", ({ amplification }) => amplification.toFixed(2)],
  ["recovery s", ({ recoveryMs }) => recoveryMs === null ? "never" : toSeconds(recoveryMs)],
  ["in time %", ({ settledByDeadline }) => toPercent(settledByDeadline)],
];
const RECOVERY_TITLE = "recovery s";

/** Returns the table of a scenario, in Markdown. */
export function toTable({ scenario, clients }: ScenarioReport): string {
  const { id, fault, bestKnown, faultEndMs } = scenario;
  const columns = COLUMNS.filter(([title]) => faultEndMs !== undefined || title !== RECOVERY_TITLE);
  const rows = [["client", ...columns.map(([title]) => title)]];
  for (const [name, summary] of clients) {
    rows.push([name, ...columns.map(([, cell]) => cell(summary))]);
  }
  return `${id}: ${fault}\n\n${toMarkdown(rows)}\n\nBest known: ${bestKnown}\n`;
}

/** Returns one table of all scenarios, in Markdown. */
export function toOverview(reports: readonly ScenarioReport[]): string {
  const names = [...reports[0]?.clients.keys() ?? []];
  const rows = reports.map(({ scenario, clients }) => [
    scenario.id,
    ...[...clients.values()].map(toCell),
    scenario.bestKnown,
  ]);
  return toMarkdown([["", ...names, "best known"], ...rows]);
}

/** The four figures of a client that matter most. */
function toCell({ goodput, p99Ms, duplicates, amplification }: Summary): string {
  const figures = [toPercent(goodput), toSeconds(p99Ms), duplicates, amplification.toFixed(2)];
  return figures.join(" / ");
}

function toMarkdown(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]!.map((_, at) => Math.max(3, ...rows.map((row) => row[at]!.length)));
  const lines = rows.map((row) => row.map((cell, at) => cell.padEnd(widths[at]!)));
  lines.splice(1, 0, widths.map((width) => "-".repeat(width)));
  return lines.map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

/** Returns the document that `--json` writes. */
export function toDocument(reports: readonly ScenarioReport[], seeds: readonly number[]): unknown {
  return {
    seeds,
    scenarios: Object.fromEntries(
      reports.map(({ scenario, clients }) => [
        scenario.id,
        Object.fromEntries([...clients].map(([name, summary]) => [name, round(summary)])),
      ]),
    ),
  };
}

/** Sums of virtual milliseconds carry the noise of binary fractions. */
function round(summary: Summary): unknown {
  const entries = Object.entries(summary).map(([key, value]) => [
    key,
    value === null ? null : Number(value.toFixed(key.endsWith("Ms") ? 3 : 6)),
  ]);
  return Object.fromEntries(entries);
}

/** Returns all that happened to one call, line by line. */
export function toTrace({ trace }: RunRecord, { index }: CallRecord): string {
  return trace.filter(({ call }) => call === index)
    .map(({ atMs, what }) => `${atMs.toFixed(3).padStart(12)} ms  call ${index}  ${what}`)
    .join("\n");
}

function toPercent(share: number): string {
  return (100 * share).toFixed(1);
}

function toSeconds(ms: number): string {
  return (ms / 1_000).toFixed(2);
}
