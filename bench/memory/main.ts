/**
 * Whether executions leave something behind, and what a pending one holds, in each runtime:
 * `deno task bench:memory [RUNTIME…]`.
 */
import { measureIn, parseRuntimes, type Runtime } from "../runtimes.ts";
import { UNCOMPILED } from "./heap.ts";
import type { MeasuredHeap, MeasuredPending } from "./measure.ts";
import { fitSlope, isFlat, type Slope, subtractSlope } from "./slope.ts";

const MODULE = "bench/memory/measure.ts";
const GC = "--expose-gc";

function print(runtime: Runtime, what: string, text: string): void {
  console.log(`${runtime.padEnd(8)}${what.padEnd(24)}${text}`);
}

function toText({ slope, error }: Slope): string {
  return `${slope.toFixed(3)} ± ${error.toFixed(3)}`;
}

/** What grows with plain functions as well is the runtime's own, and not counted. */
function printHeap(runtime: Runtime, what: string, { automcp, control }: MeasuredHeap): void {
  const [line, controlLine] = [fitSlope(automcp), fitSlope(control)];
  const own = subtractSlope(line, controlLine);
  const verdict = isFlat(own) ? "flat within noise" : own.slope < 0 ? "shrinks" : "GROWS";
  const [executions = 0] = automcp.at(-1) ?? [];
  const figures = `${toText(line)} bytes / execution over ${executions}`;
  print(runtime, what, `${figures}, plain functions ${toText(controlLine)}: ${verdict}`);
}

async function bench(runtime: Runtime): Promise<void> {
  const module = MODULE;
  // JavaScriptCore has a place of its own for what it compiles; V8's heap grows with it.
  const isV8 = runtime !== "bun";
  if (isV8) {
    const v8Flags = [GC, ...UNCOMPILED];
    printHeap(runtime, "heap without code", await measureIn(runtime, { module, v8Flags }));
  }
  const v8Flags = [GC];
  const what = isV8 ? "heap with code" : "heap";
  printHeap(runtime, what, await measureIn(runtime, { module, v8Flags }));
  const args = ["pending"];
  const pending = await measureIn<MeasuredPending>(runtime, { module, v8Flags, args });
  for (const [name, bytes] of Object.entries(pending)) {
    print(runtime, name, `${bytes.toFixed(0).padStart(8)} bytes pending`);
  }
}

if (Deno.args.includes("--help")) {
  console.log(`Usage: deno task bench:memory [deno|bun|node …]

Measures the heap over a million executions, and what a pending one holds; without names, in all
runtimes. V8 has what it compiles in the same heap: "without code" its compilers are turned off, and
only what is kept is left to grow.`);
  Deno.exit(0);
}
for (const runtime of parseRuntimes(Deno.args)) await bench(runtime);
