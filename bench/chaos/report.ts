import type { Metrics, Summary } from "./metrics.ts";
import type { Scenario } from "./scenario.ts";
import type { CallRecord, RunRecord } from "./simulate.ts";
import type { TaskResult } from "./task.ts";

/** What one client achieved in one scenario: in sum, and on each seed. */
export interface ClientReport {
  readonly summary: Summary;
  readonly runs: readonly TaskResult[];
}

/** What every client achieved in one scenario. */
export interface ScenarioReport {
  readonly scenario: Scenario;
  readonly clients: ReadonlyMap<string, ClientReport>;
}

type Column = readonly [
  title: string,
  key: keyof Summary,
  format: (value: number) => string,
  /** What stands in the place of no value. */
  none?: string,
];

const toCount = (value: number): string => value.toFixed();
/** Figures that no client of a scenario has are left out of its table. */
const COLUMNS: readonly Column[] = [
  ["goodput %", "goodput", toPercent],
  ["worst seed", "worstSeedGoodput", toPercent],
  ["short of limit", "gap", toPercent],
  ["p50 s", "p50Ms", toSeconds],
  ["p99 s", "p99Ms", toSeconds],
  ["p99.9 s", "p999Ms", toSeconds],
  ["duplicates", "duplicates", toCount],
  ["misreported", "misreported", toCount],
  ["sends/call", "amplification", toRatio],
  ["recovery s", "recoveryMs", toSeconds, "never"],
  ["in time %", "settledByDeadline", toPercent],
  ["time to fail s", "failMs", toSeconds],
  ["unknown that ran %", "unknownPrecision", toPercent],
  ["most open", "maxExchanges", toCount],
  ["left", "leftBehind", toCount],
  ["sessions/loss", "sessionsPerLoss", toRatio],
  ["renewals", "renewals", toCount],
  ["most sends in 0.1 s", "burst", toCount],
  ["others %", "othersGoodput", toPercent],
  ["without fault %", "controlGoodput", toPercent],
  ["others p99 s", "othersP99Ms", toExactSeconds],
  ["without fault s", "controlP99Ms", toExactSeconds],
];

/** Returns the table of a scenario, in Markdown. */
export function toTable({ scenario, clients }: ScenarioReport): string {
  const { id, fault, windows, bestKnown } = scenario;
  const summaries = [...clients.values()].map(({ summary }) => summary);
  const columns = COLUMNS.filter(([, key]) =>
    key === "recoveryMs" ? windows.length > 0 : summaries.some((summary) => summary[key] !== null)
  );
  const rows = [["client", ...columns.map(([title]) => title)]];
  for (const [name, { summary }] of clients) {
    rows.push([
      name,
      ...columns.map(([, key, format, none = "–"]) => {
        const value = summary[key];
        return value === null ? none : format(value);
      }),
    ]);
  }
  const limit = toLimit(summaries);
  const notes = [`Best known: ${bestKnown}`, ...limit !== "" ? [`Limit: ${limit} %`] : []];
  return `${id}: ${fault}\n\n${toMarkdown(rows)}\n\n${notes.join(". ")}\n`;
}

/** Returns one table of all scenarios, in Markdown. */
export function toOverview(reports: readonly ScenarioReport[]): string {
  const names = [...reports[0]?.clients.keys() ?? []];
  const rows = reports.map(({ scenario, clients }) => {
    const summaries = [...clients.values()].map(({ summary }) => summary);
    return [scenario.id, ...summaries.map(toCell), scenario.bestKnown, toLimit(summaries)];
  });
  return toMarkdown([["", ...names, "best known", "limit %"], ...rows]);
}

/** The four figures of a client that matter most. */
function toCell({ goodput, p99Ms, duplicates, amplification }: Summary): string {
  const figures = [toPercent(goodput), toSeconds(p99Ms), duplicates, toRatio(amplification)];
  return figures.join(" / ");
}

/** The limit is that of the seeds, whoever runs. */
function toLimit([first]: readonly Metrics[]): string {
  return typeof first?.limit === "number" ? toPercent(first.limit) : "";
}

/** Returns rows as a table in Markdown, the first of them as its head. */
export function toMarkdown(rows: readonly (readonly string[])[]): string {
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
        Object.fromEntries([...clients].map(([name, { summary }]) => [name, round(summary)])),
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

/** Returns a share as a percentage. */
export function toPercent(share: number): string {
  return (100 * share).toFixed(1);
}

/** Returns milliseconds as seconds. */
export function toSeconds(ms: number): string {
  return (ms / 1_000).toFixed(2);
}

/** Returns milliseconds as seconds, all of them. */
export function toExactSeconds(ms: number): string {
  return (ms / 1_000).toFixed(3);
}

function toRatio(value: number): string {
  return value.toFixed(2);
}
