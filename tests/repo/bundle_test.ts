import { assert, assertEquals, assertGreater, assertLessOrEqual } from "@std/assert";

/** What a bundle may reach and weigh. Sizes are minified and gzipped, in bytes. */
interface Budget {
  /** The source of the bundle's entry, as written at the root of the repository. */
  readonly entry: string;
  /** The packages that end up in the bundle: all of these, and no other. */
  readonly packages: readonly string[];
  /** The ceiling: for what holds packages, the first measured size and a tenth. */
  readonly maxBytes: number;
}

const SDK = ["@modelcontextprotocol/client", "@modelcontextprotocol/core"];

const BUDGETS: readonly Budget[] = [
  { entry: `export * from "./mod.ts";`, packages: [], maxBytes: 12_000 },
  { entry: `export { retry } from "./mod.ts";`, packages: [], maxBytes: 3_000 },
  { entry: `export * from "./src/edge/mod.ts";`, packages: [], maxBytes: 8_000 },
  { entry: `export * from "./src/executions/mod.ts";`, packages: [], maxBytes: 8_000 },
  { entry: `export * from "./src/mcp/mod.ts";`, packages: [...SDK, "zod"], maxBytes: 100_000 },
  { entry: `export * from "./src/mcp/stdio.ts";`, packages: [...SDK, "zod"], maxBytes: 100_000 },
  { entry: `export * from "./src/hono/mod.ts";`, packages: ["hono", "zod"], maxBytes: 45_000 },
  {
    entry: `export * from "./worker.ts"; export { default } from "./worker.ts";`,
    packages: [...SDK, "hono", "zod"],
    maxBytes: 200_000,
  },
];

const root = new URL("../../", import.meta.url);
const PACKAGE_REGEXP = /.*\bnode_modules\/((?:@[^/]+\/)?[^/]+)\//;

/** Bundles with the bundler that wrangler uses. */
async function bundle(entry: string): Promise<{ packages: string[]; gzipBytes: number }> {
  const folder = await Deno.makeTempDir();
  try {
    const child = new Deno.Command(Deno.execPath(), {
      cwd: root,
      args: [
        ...["run", "-A", "node_modules/.bin/esbuild", "--bundle", "--minify", "--format=esm"],
        ...["--platform=browser", "--target=es2024", "--loader=ts", "--log-level=error"],
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
    const { readable } = await Deno.open(`${folder}/bundle.js`);
    const gzipped = await new Response(readable.pipeThrough(new CompressionStream("gzip"))).bytes();
    return { packages: [...new Set(packages)].sort(), gzipBytes: gzipped.length };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

for (const { entry, packages, maxBytes } of BUDGETS) {
  Deno.test(`bundle of ${entry} reaches its packages alone and keeps its size`, async () => {
    const bundled = await bundle(entry);
    assertEquals(bundled.packages, [...packages].sort());
    assertGreater(bundled.gzipBytes, 100);
    assertLessOrEqual(bundled.gzipBytes, maxBytes);
  });
}

Deno.test("bundle gate sees a package that one import drags in", async () => {
  const bundled = await bundle(`export { ProtocolError } from "@modelcontextprotocol/client";`);
  assertEquals(bundled.packages.includes("@modelcontextprotocol/client"), true);
  assertGreater(bundled.gzipBytes, 12_000);
});
