import { assertEquals } from "@std/assert";
import { runContract } from "../contract/main.ts";
import { runCommand } from "../support/command.ts";
import { requires } from "../support/prerequisites.ts";
import { RUNNERS } from "./runners.ts";

const TALLY_REGEXP = /(\d+) passed, (\d+) failed, (\d+) skipped/;

/** How many tests a run had, read from its last line. */
function countTests(report: string): number {
  const tally = TALLY_REGEXP.exec(report);
  if (tally === null) throw new Error(`The run did not come to its end:\n${report}`);
  return tally.slice(1).reduce((sum, count) => sum + Number(count), 0);
}

async function runInDeno(): Promise<number> {
  const lines: string[] = [];
  const failed = await runContract((line) => void lines.push(line), "deno");
  const report = lines.join("\n");
  assertEquals(failed, 0, report);
  return countTests(report);
}

let inDeno: Promise<number> | undefined;

Deno.test("contract suite passes in deno", async () => {
  await (inDeno ??= runInDeno());
});

const folder = await Deno.makeTempDir();
globalThis.addEventListener("unload", () => Deno.removeSync(folder, { recursive: true }));
await runCommand(
  Deno.execPath(),
  ["bundle", "--quiet", "--platform", "browser", "-o", `${folder}/contract.js`, "contract/main.ts"],
  { cwd: new URL("..", import.meta.url) },
);

for (const { runtime, missing, run } of RUNNERS) {
  Deno.test({
    ...requires(`contract suite passes in ${runtime}, test for test as in deno`, missing),
    // The browser's processes and sockets belong to playwright.
    sanitizeOps: runtime !== "chromium",
    sanitizeResources: runtime !== "chromium",
    async fn() {
      const report = await run(folder, {
        module: "contract.js",
        name: "runContract",
        args: [runtime],
      });
      assertEquals(countTests(report), await (inDeno ??= runInDeno()), report);
    },
  });
}
