import { gzipSync } from "node:zlib";
import { assert, assertEquals, assertGreater, assertLessOrEqual } from "@std/assert";

/** What a bundle may reach and weigh. Sizes are minified and gzipped, in bytes. */
interface Budget {
  /** The source of the bundle's entry, as written at the root of the repository. */
  readonly entry: string;
  /** The packages that end up in the bundle: all of these, and no other. */
  readonly packages: readonly string[];
  /** The ceiling: promised for what holds no package, else the first measured size and a tenth. */
  readonly maxBytes: number;
  /** Where the bundle is to run; a runtime with child processes counts as `node`. */
  readonly platform?: "browser" | "node";
}

/** The SDK's client, what it brings, and what the connections check arguments with. */
const SDK = [
  ...["@modelcontextprotocol/client", "@modelcontextprotocol/core", "pkce-challenge", "zod"],
  "@cfworker/json-schema",
];
const MCP = [...SDK, "eventsource-parser"];
/** What the SDK starts a child process with. */
const CHILD = ["cross-spawn", "isexe", "path-key", "shebang-command", "shebang-regex", "which"];

const BUDGETS: readonly Budget[] = [
  { entry: `export * from "./mod.ts";`, packages: [], maxBytes: 23_500 },
  { entry: `export { retry } from "./mod.ts";`, packages: [], maxBytes: 3_330 },
  { entry: `export * from "./src/edge/mod.ts";`, packages: [], maxBytes: 8_192 },
  { entry: `export * from "./src/executions/mod.ts";`, packages: [], maxBytes: 3_000 },
  { entry: `export * from "./src/mcp/mod.ts";`, packages: MCP, maxBytes: 116_000 },
  {
    entry: `export * from "./src/mcp/stdio.ts";`,
    packages: [...SDK, ...CHILD],
    maxBytes: 142_000,
    platform: "node",
  },
  {
    entry: `export * from "./src/otel/mod.ts";`,
    packages: ["@opentelemetry/api"],
    maxBytes: 6_300,
  },
  { entry: `export * from "./src/hono/mod.ts";`, packages: ["hono", "zod"], maxBytes: 49_000 },
  {
    entry: `export * from "./worker.ts"; export { default } from "./worker.ts";`,
    packages: [...MCP, "hono"],
    maxBytes: 156_000,
  },
];

const root = new URL("../../", import.meta.url);
const PACKAGE_REGEXP = /.*\bnode_modules\/((?:@[^/]+\/)?[^/]+)\//;

/** Bundles with the bundler that wrangler uses. */
async function bundle(
  entry: string,
  platform: "browser" | "node" = "browser",
): Promise<{ packages: string[]; gzipBytes: number }> {
  const folder = await Deno.makeTempDir();
  try {
    const child = new Deno.Command(Deno.execPath(), {
      cwd: root,
      args: [
        ...["run", "-A", "node_modules/.bin/esbuild", "--bundle", "--minify", "--format=esm"],
        ...[`--platform=${platform}`, "--target=es2024", "--loader=ts", "--log-level=error"],
        ...["--external:cloudflare:*", "--external:node:*"],
        ...[`--metafile=${folder}/meta.json`, `--outfile=${folder}/bundle.js`],
      ],
      stdin: "piped",
      stderr: "piped",
    }).spawn();
    const writer = child.stdin.getWriter();
    await writer.write(new TextEncoder().encode(entry));
    await writer.close();
    const { success, stderr } = await child.output();
    assert(success, new TextDecoder().decode(stderr));
    const meta = JSON.parse(await Deno.readTextFile(`${folder}/meta.json`));
    const [output] = Object.values<{ inputs: object }>(meta.outputs);
    const packages = Object.keys(output?.inputs ?? {})
      .map((path) => PACKAGE_REGEXP.exec(path)?.[1])
      .filter((name) => name !== undefined);
    const gzipped = gzipSync(await Deno.readFile(`${folder}/bundle.js`), { level: 9 });
    return { packages: [...new Set(packages)].sort(), gzipBytes: gzipped.length };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

for (const { entry, packages, maxBytes, platform } of BUDGETS) {
  Deno.test(`bundle of ${entry} reaches its packages alone and keeps its size`, async () => {
    const bundled = await bundle(entry, platform);
    assertEquals(bundled.packages, [...packages].sort());
    assertGreater(bundled.gzipBytes, 100);
    assertLessOrEqual(bundled.gzipBytes, maxBytes);
  });
}

Deno.test("bundle gate sees a package that one import drags in", async () => {
  const bundled = await bundle(`export { ProtocolError } from "@modelcontextprotocol/client";`);
  assertEquals(bundled.packages.includes("@modelcontextprotocol/client"), true);
  assertGreater(bundled.gzipBytes, 22_000);
});
