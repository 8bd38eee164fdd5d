import { assertEquals, assertStringIncludes } from "@std/assert";
import { type Kit, runKit } from "./kit.ts";

const lines: string[] = [];
const options = { log: (line: string) => void lines.push(line), skips: [] };

function three(t: Kit): void {
  t.test("passes", () => {});
  t.test("throws", () => {
    throw new Error("seeded");
  });
  t.test("rejects", () => Promise.reject(new Error("seeded")));
}

Deno.test("runKit() counts throws and rejections as failures and names them", async () => {
  lines.length = 0;
  assertEquals(await runKit([three], options), { passed: 1, failed: 2, skipped: 0 });
  assertStringIncludes(lines.join("\n"), "FAILED rejects");
});

Deno.test("runKit() leaves out a skipped test and says why", async () => {
  lines.length = 0;
  const skips = [{ runtime: "deno", test: "throws", reason: "no reason" }] as const;
  assertEquals(await runKit([three], { ...options, skips }), { passed: 1, failed: 1, skipped: 1 });
  assertStringIncludes(lines.join("\n"), "skipped throws: no reason");
});

Deno.test("runKit() fails for a skip without its test and for a name given twice", async () => {
  const skips = [{ runtime: "deno", test: "gone", reason: "no reason" }] as const;
  assertEquals((await runKit([], { ...options, skips })).failed, 1);
  const twice = (t: Kit): void => {
    t.test("same", () => {});
    t.test("same", () => {});
  };
  assertEquals((await runKit([twice], options)).failed, 1);
});

Deno.test("runKit() fails a test that never ends and goes on", async () => {
  const stuck = (t: Kit): void => t.test("hangs", () => new Promise<void>(() => {}));
  const tally = await runKit([stuck, three], { ...options, timeoutMs: 1 });
  assertEquals(tally, { passed: 1, failed: 3, skipped: 0 });
});
