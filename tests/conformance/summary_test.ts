import { assertEquals } from "@std/assert";
import { findSurprises, readSummary } from "./summary.ts";

const TEXT = `Running requirements 2026-07-28 (3 scenarios) in parallel...

✓ tools_call: 2 passed, 0 failed
✗ auth/dpop: 9 passed, 3 failed
    - DpopAuthScheme: Client presented the token with a Bearer scheme
✗ sse-retry: 3 passed, 0 failed, 1 warnings

Not scored for 2026-07-28: 1 scenario(s) run, 1 failing.
  ✗ auth/dpop (extension)
`;

Deno.test("readSummary() reads each scenario once; a warning is a failure", () => {
  assertEquals([...readSummary(TEXT)], [
    ["tools_call", true],
    ["auth/dpop", false],
    ["sse-retry", false],
  ]);
});

Deno.test("findSurprises() is content with exactly the failures that have a reason", () => {
  const summary = readSummary(TEXT);
  assertEquals(findSurprises(summary, { "auth/dpop": "…", "sse-retry": "…" }), []);
});

Deno.test("findSurprises() tells what fails unlisted, passes listed, or did not run", () => {
  assertEquals(findSurprises(readSummary(TEXT), { "auth/dpop": "…", tools_call: "…", gone: "…" }), [
    "sse-retry fails and is not in the baseline",
    "tools_call is in the baseline and does not fail",
    "gone is in the baseline and does not fail",
  ]);
  assertEquals(findSurprises(readSummary("npm error"), {}), ["no scenario ran"]);
});
