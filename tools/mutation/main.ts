/** Mutation tests of what decides about repeating: `deno task test:mutation --help`. */
import { parseArgs } from "node:util";
import explanations from "./explained.json" with { type: "json" };
import { type MutationReport, scoreFiles, toTable } from "./report.ts";
import targets from "./targets.json" with { type: "json" };

/** Comes by npx, as it is no dependency of anything here. */
const STRYKER = ["-p", "node@24", "-p", "@stryker-mutator/core@10.1.1", "stryker"];
const MIN_SCORE_PERCENT = 90;
const ROOT = new URL("../../", import.meta.url).pathname;
const HERE = new URL("./", import.meta.url).pathname;

const HELP = `Usage: deno task test:mutation [--file src/resilience/retry.ts] [--json FILE]

Changes the source in small ways and looks whether a test notices. Prints a table by file and every
mutant that survived without an explanation in tools/mutation/explained.json.

  --file         a file of tools/mutation/targets.json, may be given more than once; without it, all
  --json         a file for the whole report, in the mutation testing report schema
  --concurrency  how many mutants are looked at at once; without it, 2

Ends with 1 if a file scores less than ${MIN_SCORE_PERCENT} %, if a mutant could not be judged, or if an
explanation is of a mutant that does not survive.`;

interface Options {
  readonly files: readonly string[];
  readonly json: string | undefined;
  readonly concurrency: number;
}

function parseOptions(args: string[]): Options | undefined {
  const { values } = parseArgs({
    args,
    options: {
      file: { type: "string", multiple: true, default: Object.keys(targets) },
      json: { type: "string" },
      concurrency: { type: "string", default: "2" },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  if (values.help) return undefined;
  for (const file of values.file) if (!Object.hasOwn(targets, file)) refuse("--file", file);
  const concurrency = Number(values.concurrency);
  if (!Number.isInteger(concurrency) || concurrency < 1) {
    refuse("--concurrency", values.concurrency);
  }
  return { files: values.file, json: values.json, concurrency };
}

function refuse(option: string, value: string): never {
  throw new TypeError(
    `Cannot test mutants as '${option}' must be as --help says: current value is ${value}`,
  );
}

/** Returns the test files that the patterns of a target stand for, each once, in their order. */
function findTests(file: string): string[] {
  const patterns = (targets as Record<string, string[]>)[file]!;
  const tests = patterns.flatMap((pattern) => {
    const folder = pattern.slice(0, pattern.lastIndexOf("/") + 1);
    const paths = [...Deno.readDirSync(ROOT + folder)].map(({ name }) => folder + name).sort();
    const matches = paths.filter((path) => path.startsWith(pattern) && path.endsWith("_test.ts"));
    if (matches.length === 0) throw new Error(`No test of ${file} is named ${pattern}`);
    return matches;
  });
  return [...new Set(tests)];
}

/** Lets StrykerJS make and judge the mutants, in a copy of the repository. */
async function run({ files, concurrency }: Options): Promise<string> {
  const folder = await Deno.makeTempDir();
  const report = `${folder}/report.json`;
  const config = {
    testRunner: "deno",
    plugins: [`${HERE}deno_runner.ts`],
    mutate: files,
    denoTests: Object.fromEntries(files.map((file) => [file, findTests(file)])),
    coverageAnalysis: "perTest",
    concurrency,
    // The runner ends loops by itself. If StrykerJS ended the runner, its process would stay behind.
    timeoutFactor: 20,
    timeoutMS: 600_000,
    disableTypeChecks: false,
    ignorePatterns: ["dist"],
    tempDirName: `${folder}/copy`,
    reporters: ["progress-append-only", "json"],
    jsonReporter: { fileName: report },
    allowConsoleColors: false,
  };
  try {
    await Deno.writeTextFile(`${folder}/stryker.json`, JSON.stringify(config));
    const { success } = await new Deno.Command("npx", {
      args: ["-y", ...STRYKER, "run", `${folder}/stryker.json`],
      cwd: ROOT,
      // What npm has to say is of no use here; the model tests need no more runs to see a mutant.
      env: { NO_COLOR: "1", npm_config_loglevel: "error", AUTOMCP_TEST_RUNS: "200" },
      stdin: "null",
    }).spawn().status;
    if (!success) throw new Error("StrykerJS failed");
    return await Deno.readTextFile(report);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
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
  // Ctrl-C goes to StrykerJS too; this program then still removes what it wrote.
  Deno.addSignalListener("SIGINT", () => {});
  const text = await run(options);
  if (options.json !== undefined) await Deno.writeTextFile(options.json, text);
  const scores = scoreFiles(JSON.parse(text) as MutationReport, explanations);
  console.log(`\n${toTable(scores)}`);
  const findings = scores.flatMap(({ findings }) => findings);
  if (findings.length > 0) console.log(`\n${findings.join("\n")}`);
  const fails = scores.some(({ scorePercent, isBroken }) =>
    isBroken || scorePercent < MIN_SCORE_PERCENT
  );
  return fails ? 1 : 0;
}

if (import.meta.main) Deno.exit(await main());
