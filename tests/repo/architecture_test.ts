import { assertEquals } from "@std/assert";

/** What each folder of src/ may import: folders or single files of src/, then packages. Nothing else. */
const CORE = ["errors/", "resilience/", "progress/", "client/"];
const ALLOWED: Record<string, { paths: string[]; packages: string[] }> = {
  errors: { paths: [], packages: [] },
  resilience: { paths: ["errors/"], packages: [] },
  progress: { paths: ["errors/", "resilience/clock.ts"], packages: [] },
  client: { paths: ["errors/", "resilience/", "progress/"], packages: [] },
  mcp: {
    paths: CORE,
    packages: ["@modelcontextprotocol/client", "eventsource-parser", "@cfworker/json-schema"],
  },
  edge: { paths: CORE, packages: [] },
  executions: { paths: CORE, packages: [] },
  hono: { paths: [...CORE, "executions/"], packages: ["hono", "zod"] },
  otel: { paths: CORE, packages: ["@opentelemetry/api"] },
  console: { paths: [...CORE, "edge/"], packages: ["hono"] },
};
const ROOT_ALLOWED: Record<string, string[]> = { "mod.ts": CORE };

const MAX_LINES = 350;
const SPECIFIER_REGEXP = /\bfrom\s*["']([^"']+)["']|\bimport\s*\(?\s*["']([^"']+)["']/g;
const COMMENT_LINE_REGEXP = /^\s*(?:\/\/|\/?\*).*$/gm;

/** What no file of src/ may say, and the files or folders that may all the same. */
const FORBIDDEN: readonly { what: string; regexp: RegExp; except: string[] }[] = [
  {
    // The page in src/console/ runs in browsers alone; a private field `#window` is none.
    what: "a word that only one runtime knows",
    regexp:
      /(?<![\/#])\b(?:Deno|Bun|process|Buffer|WebSocketPair|navigator|window|document|__dirname|require)\b\s*[.([]/,
    except: ["console/"],
  },
  {
    what: "time or chance that did not come in as a value",
    regexp:
      /\b(?:Date\.now|performance\.now|Math\.random|setTimeout|setInterval|AbortSignal\.timeout)\b|\bnew Date\(\)/,
    except: ["resilience/clock.ts", "console/"],
  },
  {
    // Node 22 cannot parse it.
    what: "`using`",
    regexp: /^\s*(?:await\s+)?using\s+\w+\s*=/m,
    except: [],
  },
  {
    // On Workers a request must not touch another's state.
    what: "mutable state of the module",
    regexp:
      /^(?:export\s+)?(?:let|var)\s|^(?:export\s+)?const\s+\w+(?:\s*:(?!\s*Readonly)[^=]+)?\s*=\s*new\s+(?:Map|Set|WeakMap|WeakSet|Array)\b/m,
    except: ["console/"],
  },
  {
    what: "a default export",
    regexp: /^export\s+default\b/m,
    except: [],
  },
];

/** Holds one file against the rules; `path` is relative to src/, or the name of a file above it. */
function findProblems(path: string, source: string): string[] {
  const folder = path.slice(0, Math.max(0, path.indexOf("/")));
  const rule = path.includes("/")
    ? ALLOWED[folder]
    : { paths: ROOT_ALLOWED[path] ?? [], packages: [] };
  if (rule === undefined) return [`${path}: no such layer`];
  const code = source.replace(COMMENT_LINE_REGEXP, "");
  const problems: string[] = [];
  if (source.split("\n").length > MAX_LINES) problems.push(`${path}: over ${MAX_LINES} lines`);
  for (const { what, regexp, except } of FORBIDDEN) {
    const found = regexp.exec(code);
    if (found !== null && !except.some((prefix) => path.startsWith(prefix))) {
      problems.push(`${path}: has ${what}: ${found[0]}`);
    }
  }
  const base = new URL(path.includes("/") ? `file:///src/${path}` : `file:///${path}`);
  for (const match of code.matchAll(SPECIFIER_REGEXP)) {
    const specifier = match[1] ?? match[2] ?? "";
    const target = new URL(specifier, base).href.slice("file:///src/".length);
    const allowed = specifier.startsWith(".")
      ? [...(folder === "" ? [] : [`${folder}/`]), ...rule.paths].some((prefix) =>
        target.startsWith(prefix)
      )
      : rule.packages.some((name) => specifier === name || specifier.startsWith(`${name}/`));
    if (!allowed) problems.push(`${path}: may not import "${specifier}"`);
  }
  return problems;
}

async function* sourceFiles(folder: URL): AsyncGenerator<URL> {
  for await (const entry of Deno.readDir(folder)) {
    const url = new URL(entry.name + (entry.isDirectory ? "/" : ""), folder);
    if (entry.isDirectory) yield* sourceFiles(url);
    else if (/\.tsx?$/.test(entry.name)) yield url;
  }
}

Deno.test("src/ keeps its layers, its packages, its words and its file sizes", async () => {
  const root = new URL("../../", import.meta.url);
  const src = new URL("src/", root);
  const problems = findProblems("mod.ts", await Deno.readTextFile(new URL("mod.ts", root)));
  let files = 0;
  for await (const file of sourceFiles(src)) {
    files++;
    problems.push(...findProblems(file.href.slice(src.href.length), await Deno.readTextFile(file)));
  }
  assertEquals(problems, []);
  assertEquals(files > 0, true);
});

/** One breach of each rule; every line must be reported. */
const BREACHES: readonly (readonly [path: string, source: string])[] = [
  ["errors/x.ts", `import { retry } from "../resilience/retry.ts";`],
  ["resilience/x.ts", `import type { Connector } from "../client/ports.ts";`],
  ["progress/x.ts", `export { Deadline } from "../resilience/deadline.ts";`],
  ["client/x.ts", `import "../mcp/mod.ts";`],
  ["client/x.ts", `type C = import("@modelcontextprotocol/client").Client;`],
  ["edge/x.ts", `import { x } from "../mcp/http.ts";`],
  ["hono/x.ts", `import { createMcpConnector } from "../mcp/mod.ts";`],
  ["mcp/x.ts", `import { readFile } from "node:fs";`],
  ["mcp/x.ts", `await import("npm:left-pad");`],
  ["hono/x.ts", `import { DurableObject } from "cloudflare:workers";`],
  ["hono/x.ts", `import { x } from "../../worker.ts";`],
  ["otel/x.ts", `import { TracerProvider } from "@opentelemetry/sdk-trace";`],
  ["otel/x.ts", `import { createApp } from "../hono/app.ts";`],
  ["utils/x.ts", `export const x: number = 1;`],
  ["mod.ts", `export { createMcpConnector } from "./src/mcp/mod.ts";`],
  ["mod.ts", `export { Hono } from "hono";`],
  ["errors/x.ts", "\n".repeat(MAX_LINES)],
  ["client/x.ts", `const key = Deno.env.get("KEY");`],
  ["client/x.ts", `const startedAtMs = Date.now();`],
  ["edge/x.ts", `setTimeout(stop, 10);`],
  ["client/x.ts", `  await using lease = await pool.acquire();`],
  ["client/x.ts", `let connections = 0;`],
  ["client/x.ts", `const seen: Map<string, number> = new Map();`],
  ["hono/x.ts", `export default app;`],
];

for (const [index, [path, source]] of BREACHES.entries()) {
  Deno.test(`architecture rule reports breach ${index + 1}: ${source.trim() || path}`, () => {
    assertEquals(findProblems(path, source).length, 1);
  });
}

Deno.test("architecture rules let pass what is allowed", () => {
  const source = [
    `import { Client } from "@modelcontextprotocol/client/streamable-http";`,
    `import { Deadline } from "../resilience/deadline.ts";`,
    ` * await using client = new AutoMCPClient("a", {}); // from "node:fs" Deno.env Date.now()`,
    `const STATUSES: ReadonlySet<number> = new Set([408]);`,
  ].join("\n");
  assertEquals(findProblems("mcp/x.ts", source), []);
});
