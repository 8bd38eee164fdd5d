import { isDuplicate, isMisreported, TICK_MS } from "./metrics.ts";
import { toTrace } from "./report.ts";
import type { Scenario } from "./scenario.ts";
import type { CallRecord, RunRecord } from "./simulate.ts";

/** How many calls of one kind of defect are told in full. */
const MAX_TRACES = 2;

/** Says what in a run must not be on any seed, each with the calls that show it. */
export function findDefects(
  run: RunRecord,
  { id, deadlineMs }: Scenario,
  seed: number,
): string[] {
  const isLate = ({ atMs, settledMs }: CallRecord): boolean =>
    !(settledMs - atMs <= deadlineMs + TICK_MS);
  const tests = { "run twice": isDuplicate, "misreported": isMisreported, "settled late": isLate };
  const defects: string[] = [];
  for (const [what, test] of Object.entries(tests)) {
    const calls = run.calls.filter(test);
    if (calls.length === 0) continue;
    const traces = calls.slice(0, MAX_TRACES).map((call) => toTrace(run, call));
    defects.push([`${id}, seed ${seed}: ${calls.length} ${what}`, ...traces].join("\n"));
  }
  for (const [what, count] of Object.entries(run.rest)) {
    if (count > 0) defects.push(`${id}, seed ${seed}: ${count} ${what} left behind`);
  }
  return defects;
}
