/**
 * What a call costs in each runtime, beside a bare `fetch` and both SDKs: `deno task bench:call
 * [--json FILE] [RUNTIME…]`. Prints a table of medians; the file gets them as JSON, in microseconds
 * of wall time for one of 32 calls at once.
 */
import { runCommand } from "../../tests/support/command.ts";

const RUNTIMES = ["deno", "bun", "node"] as const;
const LIMITS = { cwd: new URL("../..", import.meta.url), timeoutMs: 600_000 };
const MEASURE = "bench/call/measure.ts";

type Runtime = typeof RUNTIMES[number];
type Times = Record<string, { readonly wallUs: number; readonly cpuUs: number }>;
type Report = Record<"json" | "sse", Times>;

function parseArguments(args: readonly string[]): { file?: string; runtimes: readonly Runtime[] } {
  const at = args.indexOf("--json");
  const file = at < 0 ? undefined : args[at + 1];
  const names = at < 0 ? args : args.toSpliced(at, 2);
  const unknown = names.find((name) => !RUNTIMES.includes(name as Runtime));
  if (unknown !== undefined || (at >= 0 && file === undefined)) {
    throw new TypeError(
      `Cannot bench as arguments must be [--json FILE] [${RUNTIMES.join("|")}…]: ` +
        `current value is ${args.join(" ")}`,
    );
  }
  const runtimes = names.length === 0 ? RUNTIMES : names as Runtime[];
  return { runtimes, ...(file !== undefined && { file }) };
}

async function run(runtime: Runtime, url: string, folder: string): Promise<Report> {
  const bundle = `${folder}/measure.mjs`;
  const commands: Record<Runtime, readonly string[]> = {
    deno: [Deno.execPath(), "run", "-A", MEASURE, url],
    bun: ["npx", "-y", "bun@1.4.5", MEASURE, url],
    node: ["npx", "-y", "node@22", bundle, url],
  };
  if (runtime === "node") {
    const flags = ["bundle", "--quiet", "--platform", "deno", "-o", bundle, MEASURE];
    await runCommand(Deno.execPath(), flags, LIMITS);
  }
  const [program = "", ...args] = commands[runtime];
  const text = await runCommand(program, args, LIMITS);
  return JSON.parse(text.split("\n").find((line) => line.startsWith("{")) ?? "");
}

function print(runtime: Runtime, report: Report): void {
  for (const [answer, times] of Object.entries(report)) {
    const floor = times["rawFetch"];
    for (const [name, { wallUs, cpuUs }] of Object.entries(times)) {
      const ratio = (wallUs / (floor?.wallUs ?? NaN)).toFixed(2);
      const cells = [runtime, answer, name].map((cell) => cell.padEnd(14));
      const figures = [wallUs.toFixed(1), ratio, cpuUs.toFixed(1)].map((cell) => cell.padStart(9));
      console.log(cells.join("") + figures.join(""));
    }
  }
}

if (Deno.args.includes("--help")) {
  console.log(`Usage: deno task bench:call [--json FILE] [${RUNTIMES.join("|")} …]

Measures one call beside bare fetch and both SDKs, in each runtime; without names, in all.

  --json  a file for the medians, in microseconds`);
  Deno.exit(0);
}
const { file, runtimes } = parseArguments(Deno.args);
const folder = await Deno.makeTempDir();
const server = new Deno.Command(Deno.execPath(), {
  args: ["run", "--allow-net", "bench/call/server.ts"],
  cwd: LIMITS.cwd,
  stdout: "piped",
}).spawn();
try {
  const { value } = await server.stdout.getReader().read();
  const url = `http://127.0.0.1:${new TextDecoder().decode(value).trim()}`;
  console.log("runtime       answer        way             wall µs  / fetch   CPU µs");
  const result: Record<string, unknown> = {};
  for (const runtime of runtimes) {
    const report = await run(runtime, url, folder);
    print(runtime, report);
    result[runtime] = Object.fromEntries(
      Object.entries(report).map(([answer, times]) => [
        answer,
        Object.fromEntries(Object.entries(times).map(([way, { wallUs }]) => [`${way}Us`, wallUs])),
      ]),
    );
  }
  if (file !== undefined) await Deno.writeTextFile(file, `${JSON.stringify(result, null, 2)}\n`);
} finally {
  server.kill();
  await server.status;
  await Deno.remove(folder, { recursive: true });
}
