import { parseArgs } from "node:util";
import { ABLATIONS } from "./ablations.ts";
import { CLIENTS } from "./clients.ts";
import type { Scenario } from "./scenario.ts";
import { SCENARIOS } from "./scenarios.ts";

/** What the program says of itself. */
export const HELP =
  `Usage: deno task chaos [--scenario S3,S4] [--seeds 7,1,2,3 | 1-30] [--clients automcp,sdk]
                       [--jobs 2] [--json FILE] [--charts DIR] [--check] [--ablate]

Lets AutoMCP and what people use today meet the same faults in virtual time. The same seed gives the
same figures, byte by byte.

  --scenario  some of ${SCENARIOS.map(({ id }) => id).join(", ")}; without it, all
  --seeds     seeds or a range of them; without it, 7,1,2,3
  --clients   some of ${Object.keys(CLIENTS).join(", ")}; without it, all
  --jobs      how many simulations at once; without it, as many as there are processors
  --json      a file for the figures: ratios 0 to 1, times in milliseconds
  --charts    a directory for a picture of each scenario
  --check     holds AutoMCP against the release targets, which are for the seeds 1-30
  --ablate    instead of all this, AutoMCP alone, whole and with each of these turned off:
              ${ABLATIONS.map(({ name }) => name).join(", ")};
              takes --scenario, --seeds, --jobs and --json

Figures are medians over the seeds; duplicates, misreported, left and settledByDeadline are the worst
of them. Ends with 1 if AutoMCP does anything twice, misreports it, misses a deadline, leaves anything
behind or, with --check, misses a target.`;

/** What is to be simulated, and what is to be made of it. */
export interface Options {
  readonly scenarios: readonly Scenario[];
  readonly seeds: readonly number[];
  readonly clients: readonly string[];
  readonly jobs: number;
  /** Where the figures go. */
  readonly file: string | undefined;
  /** Where the pictures go. */
  readonly folder: string | undefined;
  readonly check: boolean;
  readonly ablate: boolean;
}

/** Reads the arguments of the program; `undefined` if it is asked for help. */
export function parseOptions(args: string[]): Options | undefined {
  const { values } = parseArgs({
    args,
    options: {
      scenario: { type: "string" },
      seeds: { type: "string", default: "7,1,2,3" },
      clients: { type: "string" },
      jobs: { type: "string", default: String(navigator.hardwareConcurrency) },
      json: { type: "string" },
      charts: { type: "string" },
      check: { type: "boolean", default: false },
      ablate: { type: "boolean", default: false },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  if (values.help) return undefined;
  const excluded = (["clients", "charts", "check"] as const).find((name) => values[name]);
  if (values.ablate && excluded !== undefined) refuse("--ablate", `with --${excluded}`);
  const ids = pickNames("--scenario", SCENARIOS.map(({ id }) => id), values.scenario);
  if (!/^[1-9]\d{0,2}$/.test(values.jobs)) refuse("--jobs", values.jobs);
  return {
    scenarios: ids.map((id) => SCENARIOS.find((scenario) => scenario.id === id)!),
    seeds: values.seeds.split(",").flatMap(parseSeeds),
    clients: pickNames("--clients", Object.keys(CLIENTS), values.clients),
    jobs: Number(values.jobs),
    file: values.json,
    folder: values.charts,
    check: values.check,
    ablate: values.ablate,
  };
}

function pickNames(option: string, known: readonly string[], text?: string): readonly string[] {
  if (text === undefined) return known;
  return text.split(",").map((name) => known.includes(name) ? name : refuse(option, name));
}

function parseSeeds(text: string): number[] {
  const [, first, last = first] = /^(\d{1,9})(?:-(\d{1,9}))?$/.exec(text) ??
    refuse("--seeds", text);
  const count = Number(last) - Number(first) + 1;
  if (count < 1 || count > 1_000) refuse("--seeds", text);
  return Array.from({ length: count }, (_, at) => Number(first) + at);
}

function refuse(option: string, value: string): never {
  throw new TypeError(
    `Cannot simulate as '${option}' must be as --help says: current value is ${value}`,
  );
}
