/**
 * Runs the official conformance suite against AutoMCP as a client, in Deno and in Node:
 * `deno task conformance [RUNTIME…]`. It fails unless exactly the scenarios of `baseline.json` fail.
 */
import { runCommand } from "../support/command.ts";
import baseline from "./baseline.json" with { type: "json" };
import { findSurprises, readSummary, type Summary } from "./summary.ts";

const SUITE = ["-p", "node@24", "-p", "@modelcontextprotocol/conformance@0.2.0-alpha.12"];
const RUNTIMES = { deno: `${Deno.execPath()} run -A`, node: "node" } as const;

type Runtime = keyof typeof RUNTIMES;

const unknown = Deno.args.find((name) => !Object.hasOwn(RUNTIMES, name));
if (unknown !== undefined) {
  throw new TypeError(
    `Cannot test conformance as runtimes must be ${Object.keys(RUNTIMES).join(" or ")}: ` +
      `current value is ${unknown}`,
  );
}
const runtimes = (Deno.args.length > 0 ? Deno.args : Object.keys(RUNTIMES)) as Runtime[];
const folder = await Deno.makeTempDir();
const bundle = `${folder}/client.mjs`;

/** Runs the scenarios of one revision and returns what the suite printed and what went wrong. */
async function run(
  runtime: Runtime,
  revision: string,
  reasons: Readonly<Record<string, string>>,
): Promise<{ summary: Summary; text: string; surprises: readonly string[] }> {
  const command = `${RUNTIMES[runtime]} ${bundle}`;
  const options = ["--verbose", "--requirements", revision, "--command", command];
  // It exits with 1 if a required scenario fails, which the baseline may allow.
  const { stdout, stderr } = await new Deno.Command("npx", {
    args: ["-y", ...SUITE, "conformance", "client", ...options],
    cwd: folder,
    env: { NO_COLOR: "1" },
    stdin: "null",
    signal: AbortSignal.timeout(300_000),
  }).output();
  const decoder = new TextDecoder();
  const text = decoder.decode(stdout);
  const log = decoder.decode(stderr);
  const summary = readSummary(text);
  const surprises = findSurprises(summary, reasons);
  if (summary.size === 0) return { summary, text: log, surprises };
  // The suite itself lets pass a client that did all it should and then hangs.
  const hangs = log.includes("Client timed out") ? ["a client did not end"] : [];
  return { summary, text, surprises: [...surprises, ...hangs] };
}

try {
  const source = new URL("client.ts", import.meta.url).pathname;
  const flags = ["bundle", "--quiet", "--platform", "deno", "-o", bundle, source];
  await runCommand(Deno.execPath(), flags, { cwd: new URL("../..", import.meta.url) });
  for (const runtime of runtimes) {
    for (const [revision, reasons] of Object.entries(baseline)) {
      const { summary, text, surprises } = await run(runtime, revision, reasons);
      const passed = [...summary.values()].filter((value) => value).length;
      console.log(`${runtime} ${revision}: ${passed} of ${summary.size} scenarios pass`);
      if (surprises.length === 0) continue;
      console.error(`${text}\n${surprises.join("\n")}`);
      Deno.exitCode = 1;
    }
  }
} finally {
  await Deno.remove(folder, { recursive: true });
}
