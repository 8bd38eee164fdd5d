import { assert, assertEquals, assertGreater } from "@std/assert";
import { ERRORS_DOC, renderErrorsDoc } from "../../tools/errors_doc.ts";
import { runCommand } from "../support/command.ts";
import { startDemoServer } from "../support/demo_server.ts";

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
  await using _demo = startOnDocumentedPort();
  const report = await runCommand(deno, args, { cwd: root });
  assertGreater(blocks, 0);
  assertEquals(/\| (\d+) passed \| 0 failed/.exec(report)?.[1], String(blocks), report);
});

/** The examples name the port of `deno task dev`; where that runs, its server serves them too. */
function startOnDocumentedPort(): AsyncDisposable {
  try {
    return startDemoServer(9200);
  } catch (error) {
    if (!(error instanceof Deno.errors.AddrInUse)) throw error;
    console.log("Port 9200 is taken: the examples call the server that is there.");
    return { [Symbol.asyncDispose]: () => Promise.resolve() };
  }
}
