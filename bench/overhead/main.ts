/**
 * What the parts of AutoMCP cost beside their peers, in each runtime: `deno task bench:overhead
 * [RUNTIME…]`. Prints medians in nanoseconds for one operation, and their ratio to the peer's.
 */
import { measureIn, parseRuntimes, type Runtime } from "../runtimes.ts";
import type { Measured } from "./measure.ts";

function print(runtime: Runtime, measured: readonly Measured[]): void {
  for (const { group, name, ns } of measured) {
    const peer = measured.find((one) => one.group === group && one.isPeer);
    const cells = [runtime.padEnd(8), group.padEnd(26), name.padEnd(36)];
    console.log(
      ...cells,
      ns.toFixed(0).padStart(8),
      (ns / (peer?.ns ?? NaN)).toFixed(2).padStart(6),
    );
  }
}

if (Deno.args.includes("--help")) {
  console.log(`Usage: deno task bench:overhead [deno|bun|node …]

Measures the parts of AutoMCP beside their peers, in each runtime; without names, in all.`);
  Deno.exit(0);
}
const runtimes = parseRuntimes(Deno.args);
console.log(
  "runtime  what                       who                                   ns / op  ratio",
);
for (const runtime of runtimes) {
  print(runtime, await measureIn(runtime, { module: "bench/overhead/measure.ts" }));
}
