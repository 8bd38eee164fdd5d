/**
 * Whether executions leave something behind, and what a pending one holds, in each runtime:
 * `deno task bench:memory [RUNTIME…]`.
 */
import { measureIn, parseRuntimes, type Runtime } from "../runtimes.ts";
import type { Measured } from "./measure.ts";
import { fitSlope, isFlat } from "./slope.ts";

const MEASURE = { module: "bench/memory/measure.ts", v8Flags: ["--expose-gc"] };

function print(runtime: Runtime, { heap, pending }: Measured): void {
  const line = fitSlope(heap);
  const [executions = 0] = heap.at(-1) ?? [];
  const [slope, error] = [line.slope, line.error].map((bytes) => bytes.toFixed(3));
  const verdict = isFlat(line) ? "flat within noise" : line.slope < 0 ? "shrinks" : "GROWS";
  const what = `heap over ${executions} executions`;
  console.log(`${runtime.padEnd(8)}${what}: ${slope} ± ${error} bytes / execution, ${verdict}`);
  for (const [name, bytes] of Object.entries(pending)) {
    console.log(
      `${runtime.padEnd(8)}${name.padEnd(24)}${bytes.toFixed(0).padStart(8)} bytes pending`,
    );
  }
}

if (Deno.args.includes("--help")) {
  console.log(`Usage: deno task bench:memory [deno|bun|node …]

Measures the heap over a million executions, and what a pending one holds; without names, in all
runtimes.`);
  Deno.exit(0);
}
for (const runtime of parseRuntimes(Deno.args)) {
  print(runtime, await measureIn(runtime, MEASURE));
}
