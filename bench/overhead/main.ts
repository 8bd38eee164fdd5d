/**
 * What the parts of AutoMCP cost beside their peers, in each runtime: `deno task bench:overhead
 * [RUNTIME…]`. Prints medians in nanoseconds for one operation, and their ratio to the peer's.
 */
import { runCommand } from "../../tests/support/command.ts";
import type { Measured } from "./measure.ts";

const RUNTIMES = ["deno", "bun", "node"] as const;
const LIMITS = { cwd: new URL("../..", import.meta.url), timeoutMs: 600_000 };
const MEASURE = "bench/overhead/measure.ts";

type Runtime = typeof RUNTIMES[number];

async function run(runtime: Runtime, folder: string): Promise<Measured[]> {
  const bundle = `${folder}/measure.mjs`;
  const commands: Record<Runtime, readonly string[]> = {
    deno: [Deno.execPath(), "run", "-A", MEASURE],
    bun: ["npx", "-y", "bun@1.4.5", MEASURE],
    node: ["npx", "-y", "node@22", bundle],
  };
  if (runtime === "node") {
    const flags = ["bundle", "--quiet", "--platform", "deno", "-o", bundle, MEASURE];
    await runCommand(Deno.execPath(), flags, LIMITS);
  }
  const [program = "", ...args] = commands[runtime];
  const text = await runCommand(program, args, LIMITS);
  return JSON.parse(text.split("\n").find((line) => line.startsWith("[{")) ?? "");
}

function print(runtime: Runtime, measured: readonly Measured[]): void {
  for (const { group, name, ns } of measured) {
    const peer = measured.find((one) => one.group === group && one.isPeer);
    const cells = [runtime.padEnd(8), group.padEnd(26), name.padEnd(36)];
    console.log(
      ...cells,
      ns.toFixed(0).padStart(8),
      (ns / (peer?.ns ?? NaN)).toFixed(2).padStart(6),
    );
  }
}

const unknown = Deno.args.find((name) => !RUNTIMES.includes(name as Runtime));
if (Deno.args.includes("--help")) {
  console.log(`Usage: deno task bench:overhead [${RUNTIMES.join("|")} …]

Measures the parts of AutoMCP beside their peers, in each runtime; without names, in all.`);
  Deno.exit(0);
}
if (unknown !== undefined) {
  throw new TypeError(
    `Cannot bench as a runtime must be ${RUNTIMES.join(", ")}: current value is ${unknown}`,
  );
}
const runtimes = Deno.args.length === 0 ? RUNTIMES : Deno.args as Runtime[];
const folder = await Deno.makeTempDir();
try {
  console.log(
    "runtime  what                       who                                   ns / op  ratio",
  );
  for (const runtime of runtimes) print(runtime, await run(runtime, folder));
} finally {
  await Deno.remove(folder, { recursive: true });
}
