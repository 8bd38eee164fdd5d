import { assert, assertEquals } from "@std/assert";
import manifest from "../../deno.json" with { type: "json" };
import { runCommand } from "../support/command.ts";

const root = new URL("../../", import.meta.url);

Deno.test("publish --dry-run accepts the package and takes its files alone", async () => {
  const args = ["publish", "--dry-run", "--allow-dirty", "--no-provenance"];
  const report = await runCommand(Deno.execPath(), args, { cwd: root });
  const files = [...report.matchAll(/^\s*file:\/\/(\S+)/gm)]
    .map(([, path = ""]) => path.slice(root.pathname.length));
  for (const path of Object.values(manifest.exports)) {
    assert(files.includes(path.replace("./", "")), `${path} is not published`);
  }
  const foreign = files.filter((path) =>
    !/^(?:LICENSE|README\.md|CHANGELOG\.md|deno\.json|mod\.ts|src\/(?!console\/).+\.ts)$/.test(path)
  );
  assertEquals(foreign, []);
});
