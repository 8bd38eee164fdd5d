import { assert, assertEquals, assertGreater } from "@std/assert";
import { createDemoServer } from "../../examples/demo_server.ts";
import { ERRORS_DOC, renderErrorsDoc } from "../../tools/errors_doc.ts";
import { runCommand } from "../support/command.ts";
import { findProgram, requires } from "../support/prerequisites.ts";

const root = new URL("../../", import.meta.url);
const deno = Deno.execPath();
const PAGES = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md"];

async function filesOf(folder: string, suffix: string): Promise<string[]> {
  const paths: string[] = [];
  for await (const { name, isFile, isDirectory } of Deno.readDir(new URL(folder, root))) {
    if (isFile && name.endsWith(suffix)) paths.push(`${folder}${name}`);
    if (isDirectory) paths.push(...await filesOf(`${folder}${name}/`, suffix));
  }
  return paths.sort();
}

const pages = [...PAGES, ...await filesOf("docs/", ".md")];
const sources = ["mod.ts", ...await filesOf("src/", ".ts")];
const read = (path: string): Promise<string> => Deno.readTextFile(new URL(path, root));

Deno.test("docs: every TypeScript block of every page compiles", async () => {
  await runCommand(deno, ["check", "--doc-only", ...pages], { cwd: root });
});

Deno.test("docs: every link to a file or a heading leads somewhere", async () => {
  const broken: string[] = [];
  for (const page of pages) {
    const text = await read(page);
    for (const [, target = ""] of text.matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^https?:/.test(target)) continue;
      const url = new URL(target, new URL(page, root));
      const heading = url.hash.slice(1);
      url.hash = "";
      try {
        const linked = heading === "" ? "" : await Deno.readTextFile(url);
        if (heading === "") await Deno.stat(url);
        else assert(anchorsOf(linked).has(heading));
      } catch {
        broken.push(`${page}: ${target}`);
      }
    }
  }
  assertEquals(broken, []);
});

/** The anchors that a page's headings get. */
function anchorsOf(text: string): Set<string> {
  const headings = [...text.matchAll(/^#+ (.+)$/gm)].map(([, heading = ""]) => heading);
  return new Set(
    headings.map((heading) => heading.toLowerCase().replace(/[^\w\- ]/g, "").replaceAll(" ", "-")),
  );
}

Deno.test("docs: no page or source names a path of one machine or a registry", async () => {
  const FORBIDDEN_REGEXP = /\/(?:home|root|Users)\/|\/work\/|registry\.npmjs\.org/;
  for (const path of [...pages, ...sources]) {
    assertEquals(FORBIDDEN_REGEXP.exec(await read(path))?.[0], undefined, path);
  }
});

Deno.test("docs/errors.md is in step with the error tree", async () => {
  assertEquals(await Deno.readTextFile(ERRORS_DOC), renderErrorsDoc());
});

Deno.test("doc examples all compile and pass", async () => {
  let blocks = 0;
  for (const path of sources) blocks += (await read(path)).match(/^ *\* ```ts$/gm)?.length ?? 0;
  await runCommand(deno, ["check", "--doc-only", ...sources], { cwd: root });
  // `--no-check`: the runner wraps each example in `Deno.test`, which src/'s lib does not know.
  const args = ["test", "-A", "--doc", "--no-check", "--parallel", ...sources];
  await using _demo = serveDemo(9200);
  const report = await runCommand(deno, args, { cwd: root });
  assertGreater(blocks, 0);
  assertEquals(/\| (\d+) passed \| 0 failed/.exec(report)?.[1], String(blocks), report);
});

/** A demo server on a port of its own, or on the one that the examples name. */
function serveDemo(port = 0): AsyncDisposable & { readonly port: number } {
  const demo = createDemoServer();
  const listen = { hostname: "127.0.0.1", port, onListen() {} };
  const server = Deno.serve(listen, (request) => demo.fetch(request));
  return {
    port: server.addr.port,
    async [Symbol.asyncDispose]() {
      await demo.close();
      await server.shutdown();
    },
  };
}

/** The README's program, against a server on a port of its own. */
async function readmeProgram(port: number): Promise<string> {
  const program = /```ts\n([^`]*http:\/\/localhost:9200\/mcp[^`]*)```/.exec(
    await read("README.md"),
  );
  assert(program?.[1] !== undefined, "README.md has no program for the demo server");
  assertEquals(program[1].trim().split("\n").length <= 12, true, "It has more than twelve lines");
  return program[1].replace("http://localhost:9200/mcp", `http://127.0.0.1:${port}/mcp`);
}

/** Runs a program and notes when each line arrives. */
async function timeLines(
  program: string,
  args: string[],
): Promise<{ line: string; atMs: number }[]> {
  const child = new Deno.Command(program, {
    args,
    cwd: root,
    env: { NO_COLOR: "1" },
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

/** How each runtime is told to run a file: as TypeScript, or bundled. */
const RUNS: readonly { name: string; command: string[]; missing: string | undefined }[] = [
  { name: "Deno", command: [deno, "run", "-A", "--config", "deno.json"], missing: undefined },
  ...["node@24", "bun@1.4.5"].map((name) => ({
    name,
    command: ["npx", "-y", name],
    missing: findProgram("npx") === undefined ? "npx is not on PATH" : undefined,
  })),
];

for (const { name, command, missing } of RUNS) {
  Deno.test({
    ...requires(`README program shows progress as it happens in ${name}`, missing),
    async fn() {
      await using demo = serveDemo();
      const folder = await Deno.makeTempDir();
      try {
        const source = `${folder}/program.ts`;
        await Deno.writeTextFile(source, await readmeProgram(demo.port));
        const file = name === "Deno" ? source : await bundleProgram(source);
        const [runtime = "", ...args] = command;
        const lines = await timeLines(runtime, [...args, file]);
        const steps = lines.filter(({ line }) => /^(?:0(?:\.\d+)?|1) /.test(line));
        assertEquals(steps.map(({ line }) => line.split(" ")[0]), [
          "0.2",
          "0.4",
          "0.6",
          "0.8",
          "1",
        ]);
        // Five steps of 200 ms: together at the end they would be no progress.
        const spreadMs = (steps.at(-1)?.atMs ?? 0) - (steps[0]?.atMs ?? 0);
        assertGreater(spreadMs, 400);
        assert(lines.at(-1)?.line.includes("}") || lines.at(-1)?.line.includes("]"));
      } finally {
        await Deno.remove(folder, { recursive: true });
      }
    },
  });
}

async function bundleProgram(source: string): Promise<string> {
  const file = source.replace(/\.ts$/, ".mjs");
  const args = ["bundle", "--quiet", "--config", "deno.json", "-o", file, source];
  await runCommand(deno, args, { cwd: root });
  return file;
}
