import type { Settings } from "./clients.ts";
import { findDefects } from "./defects.ts";
import { computeLimit } from "./limit.ts";
import { measure, type Metrics, toTimeline } from "./metrics.ts";
import { SCENARIOS } from "./scenarios.ts";
import { simulate } from "./simulate.ts";

/** One client in one scenario on one seed. Plain data. */
export interface Task {
  /** The id of a scenario. */
  readonly scenario: string;
  readonly client: string;
  readonly seed: number;
  /** What AutoMCP has in the place of its own settings. */
  readonly settings?: Settings;
}

/** What came of a task. Plain data. */
export interface TaskResult {
  readonly seed: number;
  readonly metrics: Metrics;
  /** The goodput of the calls of each second. */
  readonly timeline: readonly (number | null)[];
  /** What AutoMCP did that it must not do on any seed. */
  readonly defects: readonly string[];
}

/** Simulates a task, and its control if there is one. One at a time: the globals are replaced. */
export async function runTask({ scenario: id, ...options }: Task): Promise<TaskResult> {
  const { client, seed } = options;
  const scenario = SCENARIOS.find((scenario) => scenario.id === id)!;
  const run = await simulate({ scenario, ...options });
  const control = scenario.control && await simulate({ scenario: scenario.control, ...options });
  const limit = computeLimit(scenario, seed);
  return {
    seed,
    metrics: measure(run, scenario, { limit, ...(control && { control }) }),
    timeline: toTimeline(run, scenario),
    defects: client === "automcp" ? findDefects(run, scenario, seed) : [],
  };
}
