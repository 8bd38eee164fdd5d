import type { Settings } from "./clients.ts";
import type { Summary } from "./metrics.ts";
import { type ScenarioReport, toMarkdown, toPercent, toSeconds } from "./report.ts";

/** AutoMCP with one mechanism turned off. */
export interface Ablation {
  readonly name: string;
  readonly config: Settings;
}

/** Every mechanism that can be turned off. */
export const ABLATIONS: readonly Ablation[] = [
  { name: "one attempt", config: { maxAttempts: 1 } },
  { name: "no budget", config: { retryBudget: { capacity: Infinity } } },
  { name: "no outage", config: { breaker: { tripAfter: Infinity, tripShare: Infinity } } },
  { name: "no pause", config: { breaker: { pauseAfter: Infinity } } },
  { name: "no breaker", config: { breaker: { metricsOnly: true } } },
  { name: "fixed limit", config: { limiter: { decreaseFactor: 1 } } },
  { name: "no shedding", config: { queue: { shedFactor: 0 } } },
  { name: "no hedge", config: { hedge: false } },
  { name: "no idle limit", config: { progressIdleTimeoutMs: Infinity } },
  { name: "sessions not replaced", config: { onSessionLoss: "error" } },
  { name: "no limit of places", config: { poolSize: 10_000 } },
];

/** Returns the table of what turning off changes, in Markdown: the first client has all. */
export function toAblationTable(reports: readonly ScenarioReport[]): string {
  const names = [...reports[0]?.clients.keys() ?? []];
  const rows = reports.map(({ scenario, clients }) => {
    const [full, ...without] = [...clients.values()].map(({ summary }) => summary);
    if (full === undefined) return [scenario.id];
    return [scenario.id, toCell(full), ...without.map((summary) => toDifference(summary, full))];
  });
  return toMarkdown([["", ...names], ...rows]);
}

function toCell({ goodput, p99Ms, amplification, duplicates }: Summary): string {
  const figures = [toPercent(goodput), toSeconds(p99Ms), amplification.toFixed(2)];
  return `${figures.join(" / ")}${duplicates > 0 ? `, ${duplicates} twice` : ""}`;
}

function toDifference(summary: Summary, full: Summary): string {
  const figures = [
    toSigned(100 * (summary.goodput - full.goodput), 1),
    toSigned((summary.p99Ms - full.p99Ms) / 1_000, 2),
    toSigned(summary.amplification - full.amplification, 2),
  ];
  const { duplicates } = summary;
  return `${figures.join(" / ")}${duplicates > 0 ? `, ${duplicates} twice` : ""}`;
}

/** A difference that rounds to nothing has no sign. */
function toSigned(value: number, digits: number): string {
  const text = value.toFixed(digits);
  if (Number(text) === 0) return (0).toFixed(digits);
  return value > 0 ? `+${text}` : text;
}
