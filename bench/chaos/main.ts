/**
 * Lets AutoMCP and what people use today meet the same faults in virtual time:
 * `deno task chaos [--scenario S3] [--seeds 7,1,2,3 | 1-30] [--json FILE]`; `--help` tells the rest.
 */
import { ABLATIONS, toAblationTable } from "./ablations.ts";
import { toChart } from "./chart.ts";
import { check, isMiss, toVerdictTable } from "./check.ts";
import type { Settings } from "./clients.ts";
import { HELP, type Options, parseOptions } from "./options.ts";
import { type ScenarioReport, toDocument, toOverview, toTable } from "./report.ts";
import { summarise } from "./metrics.ts";
import type { Scenario } from "./scenario.ts";
import type { Task, TaskResult } from "./task.ts";
import { runTasks } from "./workers.ts";

/** A client under the name that it has in the tables. */
interface Contestant {
  readonly name: string;
  readonly client: string;
  readonly settings: Settings;
}

/** Runs everything and hands on each scenario as it is done, in order. */
async function run(
  { scenarios, seeds, jobs }: Options,
  contestants: readonly Contestant[],
  signal: AbortSignal,
  onReport: (report: ScenarioReport) => void,
): Promise<void> {
  const results = new Map<Task, TaskResult>();
  const plan = scenarios.map((scenario) => ({
    scenario,
    entries: contestants.map(({ name, client, settings }) => ({
      name,
      tasks: seeds.map((seed): Task => ({ scenario: scenario.id, client, seed, settings })),
    })),
  }));
  const tasks = plan.flatMap(({ entries }) => entries.flatMap(({ tasks }) => tasks));
  const waiting = [...plan];
  const onResult = (task: Task, result: TaskResult): void => {
    results.set(task, result);
    showProgress(`${task.scenario}: ${results.size} of ${tasks.length}`);
    while (waiting[0]?.entries.every(({ tasks }) => tasks.every((task) => results.has(task)))) {
      showProgress("");
      onReport(toReport(waiting.shift()!, results));
    }
  };
  await runTasks(tasks, { jobs, signal, onResult });
}

function toReport(
  { scenario, entries }: {
    readonly scenario: Scenario;
    readonly entries: readonly { readonly name: string; readonly tasks: readonly Task[] }[];
  },
  results: ReadonlyMap<Task, TaskResult>,
): ScenarioReport {
  const clients = entries.map(({ name, tasks }) => {
    const runs = tasks.map((task) => results.get(task)!);
    return [name, { summary: summarise(runs.map(({ metrics }) => metrics)), runs }] as const;
  });
  return { scenario, clients: new Map(clients) };
}

/** Compares the clients, and returns whether AutoMCP did all that it must. */
async function compare(options: Options, signal: AbortSignal): Promise<boolean> {
  const { clients, folder } = options;
  const contestants = clients.map((client) => ({ name: client, client, settings: {} }));
  const reports: ScenarioReport[] = [];
  await run(options, contestants, signal, (report) => {
    reports.push(report);
    console.log(toTable(report));
  });
  console.log("Goodput % / p99 s / duplicates / sends per call\n");
  console.log(toOverview(reports));
  await writeDocument(reports, options);
  if (folder !== undefined) {
    await Deno.mkdir(folder, { recursive: true });
    for (const report of reports) {
      await Deno.writeTextFile(
        `${folder}/${report.scenario.id.toLowerCase()}.svg`,
        toChart(report),
      );
    }
  }
  const verdicts = options.check ? check(reports) : [];
  if (options.check) console.log(`\n${toVerdictTable(verdicts)}`);
  const defects = reports.flatMap(({ clients }) =>
    (clients.get("automcp")?.runs ?? []).flatMap(({ defects }) => defects)
  );
  for (const defect of defects) console.error(defect);
  return defects.length === 0 && !verdicts.some(isMiss);
}

/** Compares AutoMCP with itself. What it does wrong without a mechanism is a figure, no defect. */
async function ablate(options: Options, signal: AbortSignal): Promise<boolean> {
  const all: Contestant = { name: "all", client: "automcp", settings: {} };
  const without = ABLATIONS.map(({ name, config }) => ({
    name,
    client: "automcp",
    settings: config,
  }));
  const reports: ScenarioReport[] = [];
  await run(options, [all, ...without], signal, (report) => void reports.push(report));
  console.log("Goodput % / p99 s / sends per call, and what each changes by being turned off\n");
  console.log(toAblationTable(reports));
  await writeDocument(reports, options);
  return true;
}

async function writeDocument(
  reports: readonly ScenarioReport[],
  { file, seeds }: Options,
): Promise<void> {
  if (file === undefined) return;
  await Deno.writeTextFile(file, `${JSON.stringify(toDocument(reports, seeds), null, 2)}\n`);
}

/** One line that rewrites itself on a terminal, one per run elsewhere; apart from the tables. */
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
  try {
    const isFine = await (options.ablate ? ablate : compare)(options, abort.signal);
    return isFine ? 0 : 1;
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
