import { assert, assertEquals } from "@std/assert";
import manifest from "../../deno.json" with { type: "json" };
import jsr from "../jsr_import_map.json" with { type: "json" };

const root = new URL("../../", import.meta.url);

Deno.test("jsr_import_map.json repeats the manifest's imports, with @std/assert from JSR", () => {
  // `--import-map` replaces the manifest's imports, it does not add to them.
  assertEquals(
    { ...jsr.imports, "@std/assert": "" },
    { ...manifest.imports, "@std/assert": "" },
  );
  assert(jsr.imports["@std/assert"].startsWith("jsr:@std/assert@"));
});

Deno.test("deno.json names every package as bundlers do: by its npm name", () => {
  // wrangler's esbuild finds `node_modules/<key>` only if the key is the name of the package.
  for (const [key, target] of Object.entries(manifest.imports)) {
    if (key === "@std/assert") continue;
    const [, name] = /^npm:((?:@[^/@]+\/)?[^/@]+)@[~^]?\d+\.\d+\.\d+$/.exec(target) ?? [];
    assertEquals(name, key);
  }
});

Deno.test("deno.json exports files that exist and publishes what they need", async () => {
  for (const path of Object.values(manifest.exports)) {
    assert((await Deno.stat(new URL(path, root))).isFile, path);
  }
});

Deno.test("deno.json's version is the newest of the changelog", async () => {
  const changelog = await Deno.readTextFile(new URL("CHANGELOG.md", root));
  assertEquals(/^## (\d+\.\d+\.\d+)/m.exec(changelog)?.[1], manifest.version);
});
