/**
 * Lets AutoMCP and what people use today meet the same faults in virtual time:
 * `deno task chaos [--scenario S3] [--seeds 7,1,2,3 | 1-30] [--json FILE]`.
 */
import { parseArgs } from "node:util";
import { CLIENTS } from "./clients.ts";
import { findDefects } from "./defects.ts";
import { measure, type Metrics, summarise } from "./metrics.ts";
import { type ScenarioReport, toDocument, toOverview, toTable } from "./report.ts";
import { type Scenario, SCENARIOS } from "./scenarios.ts";
import { simulate } from "./simulate.ts";

const HELP = `Usage: deno task chaos [--scenario S3,S4] [--seeds 7,1,2,3 | 1-30] [--json FILE]

Lets AutoMCP and what people use today meet the same faults in virtual time. The same seed gives the
same figures, byte by byte.

  --scenario  some of ${SCENARIOS.map(({ id }) => id).join(", ")}; without it, all
  --seeds     seeds or a range of them; without it, 7,1,2,3
  --json      a file for the figures: ratios 0 to 1, times in milliseconds

Figures are medians over the seeds; duplicates, misreported and settledByDeadline are the worst of
them. Ends with 1 if AutoMCP does anything twice, misreports it, misses a deadline or leaves anything
behind.`;

interface Options {
  readonly scenarios: readonly Scenario[];
  readonly seeds: readonly number[];
  readonly file: string | undefined;
}

function parseOptions(args: string[]): Options | undefined {
  const { values } = parseArgs({
    args,
    options: {
      scenario: { type: "string" },
      seeds: { type: "string", default: "7,1,2,3" },
      json: { type: "string" },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  if (values.help) return undefined;
  const ids = values.scenario?.split(",") ?? SCENARIOS.map(({ id }) => id);
  const scenarios = ids.map((id) =>
    SCENARIOS.find((scenario) => scenario.id === id) ?? refuse("--scenario", id)
  );
  return { scenarios, seeds: values.seeds.split(",").flatMap(parseSeeds), file: values.json };
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

/** Runs everything and hands on each scenario as it is done. Returns what AutoMCP did wrong. */
async function run(
  { scenarios, seeds }: Options,
  signal: AbortSignal,
  onReport: (report: ScenarioReport) => void,
): Promise<string[]> {
  const names = Object.keys(CLIENTS);
  const total = scenarios.length * names.length * seeds.length;
  const defects: string[] = [];
  let done = 0;
  for (const scenario of scenarios) {
    const metrics = new Map<string, Metrics[]>(names.map((name) => [name, []]));
    for (const seed of seeds) {
      for (const client of names) {
        showProgress(`${scenario.id}, seed ${seed}, ${client}: ${++done} of ${total}`);
        const record = await simulate({ scenario, client, seed, signal });
        metrics.get(client)!.push(measure(record, scenario));
        if (client === "automcp") defects.push(...findDefects(record, scenario, seed));
      }
    }
    showProgress("");
    const clients = [...metrics].map(([name, runs]) => [name, summarise(runs)] as const);
    onReport({ scenario, clients: new Map(clients) });
  }
  return defects;
}

/** One line that rewrites itself on a terminal, one per run elsewhere; apart from the table. */
function showProgress(text: string): void {
  if (Deno.stderr.isTerminal()) {
    Deno.stderr.writeSync(new TextEncoder().encode(`\r\x1b[K${text}`));
  } else if (text !== "") console.error(text);
}

async function main(): Promise<number> {
  let options: Options | undefined;
  try {
    options = parseOptions(Deno.args);
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    return 2;
  }
  if (options === undefined) {
    console.log(HELP);
    return 0;
  }
  const abort = new AbortController();
  const stop = (): void => abort.abort();
  Deno.addSignalListener("SIGINT", stop);
  const reports: ScenarioReport[] = [];
  try {
    const defects = await run(options, abort.signal, (report) => {
      reports.push(report);
      console.log(toTable(report));
    });
    console.log("Goodput % / p99 s / duplicates / sends per call\n");
    console.log(toOverview(reports));
    const { file, seeds } = options;
    if (file !== undefined) {
      await Deno.writeTextFile(file, `${JSON.stringify(toDocument(reports, seeds), null, 2)}\n`);
    }
    for (const defect of defects) console.error(defect);
    return defects.length > 0 ? 1 : 0;
  } catch (error) {
    if (!abort.signal.aborted) throw error;
    showProgress("");
    console.error("Stopped; nothing was written");
    return 130;
  } finally {
    Deno.removeSignalListener("SIGINT", stop);
  }
}

Deno.exitCode = await main();
