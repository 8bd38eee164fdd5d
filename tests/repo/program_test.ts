/** The README's program, run by itself in every runtime that has a command line. */
import { assert, assertEquals, assertGreater, assertMatch } from "@std/assert";
import { runCommand } from "../support/command.ts";
import { startDemoServer } from "../support/demo_server.ts";
import { findProgram, requires } from "../support/prerequisites.ts";

const root = new URL("../../", import.meta.url);
const deno = Deno.execPath();
const NO_NPX = findProgram("npx") === undefined ? "npx is not on PATH" : undefined;

/** A runtime and how it gets at the program and the package. */
interface Runtime {
  readonly name: string;
  readonly missing: string | undefined;
  readonly command: readonly string[];
  /** Makes ready what the runtime needs in the program's folder; returns the file to run. */
  prepare(folder: string): Promise<string>;
}

const node = (version: number): Runtime => ({
  name: `Node ${version}, bundled`,
  missing: NO_NPX,
  command: ["npx", "-y", `node@${version}`],
  async prepare(folder) {
    const args = ["bundle", "--quiet", "--config", "deno.json", "-o", `${folder}/program.mjs`];
    await runCommand(deno, [...args, `${folder}/program.ts`], { cwd: root });
    return "program.mjs";
  },
});

const RUNTIMES: readonly Runtime[] = [
  {
    name: "Deno",
    missing: undefined,
    command: [deno, "run", "--allow-net", "--config", new URL("deno.json", root).pathname],
    prepare: () => Promise.resolve("program.ts"),
  },
  {
    name: "Bun, from its sources",
    missing: NO_NPX,
    command: ["npx", "-y", "bun@1.4.5", "run"],
    async prepare(folder) {
      const paths = await readExports();
      await Deno.writeTextFile(
        `${folder}/tsconfig.json`,
        JSON.stringify({ compilerOptions: { paths } }),
      );
      return "program.ts";
    },
  },
  node(22),
  node(24),
];

for (const { name, missing, command, prepare } of RUNTIMES) {
  Deno.test({
    ...requires(`README program shows progress as it happens in ${name}`, missing),
    async fn() {
      await using server = startDemoServer();
      const folder = await Deno.makeTempDir();
      try {
        await Deno.writeTextFile(`${folder}/program.ts`, await readProgram(server.url));
        const lines = await timeLines([...command, await prepare(folder)], folder);
        const steps = lines.slice(0, 5);
        assertEquals(
          steps.map(({ line }) => line.split(" ")[0]),
          ["0.2", "0.4", "0.6", "0.8", "1"],
        );
        // Five steps of 200 ms: together at the end they would be no progress.
        assertGreater(steps.at(-1)!.atMs - steps[0]!.atMs, 400);
        assertMatch(
          lines.slice(5).map(({ line }) => line).join(" "),
          /^\{\s*counted: 5,?\s*\}\s*$/,
        );
        assertEquals(server.demo.calls, 1);
      } finally {
        await Deno.remove(folder, { recursive: true });
      }
    },
  });
}

/** The README's program for a server at `url`. */
async function readProgram(url: string): Promise<string> {
  const readme = await Deno.readTextFile(new URL("README.md", root));
  const program = /```ts\n([^`]*http:\/\/localhost:9200\/mcp[^`]*)```/.exec(readme)?.[1];
  assert(program !== undefined, "README.md has no program for the demo server");
  assertEquals(program.trim().split("\n").length <= 12, true, "It has more than twelve lines");
  return program.replace("http://localhost:9200/mcp", url);
}

/** What the package exports, as the paths of a `tsconfig.json`. */
async function readExports(): Promise<Record<string, string[]>> {
  const manifest = JSON.parse(await Deno.readTextFile(new URL("deno.json", root)));
  const { name, exports } = manifest as { name: string; exports: Record<string, string> };
  return Object.fromEntries(
    Object.entries(exports).map(([key, path]) => [
      `${name}${key.slice(1)}`,
      [new URL(path, root).pathname],
    ]),
  );
}

/** Runs a program and notes when each line arrives. */
async function timeLines(
  [program = "", ...args]: readonly string[],
  cwd: string,
): Promise<{ line: string; atMs: number }[]> {
  const child = new Deno.Command(program, {
    args,
    cwd,
    env: { NO_COLOR: "1" },
    stdin: "null",
    stdout: "piped",
    signal: AbortSignal.timeout(120_000),
  }).spawn();
  const lines: { line: string; atMs: number }[] = [];
  let rest = "";
  for await (const chunk of child.stdout.pipeThrough(new TextDecoderStream())) {
    const parts = (rest + chunk).split("\n");
    rest = parts.pop() ?? "";
    for (const line of parts) lines.push({ line, atMs: performance.now() });
  }
  assertEquals((await child.status).success, true);
  return lines;
}
