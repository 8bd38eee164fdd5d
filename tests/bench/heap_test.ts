import { assert } from "@std/assert";
import { type HeapPoint, UNCOMPILED } from "../../bench/memory/heap.ts";
import { fitSlope, isFlat } from "../../bench/memory/slope.ts";
import { measureIn } from "../../bench/runtimes.ts";

Deno.test("measureHeap() sees a connector that keeps a byte of each execution", async () => {
  const points = await measureIn<HeapPoint[]>("deno", {
    module: "tests/bench/leaking_executions.ts",
    v8Flags: ["--expose-gc", ...UNCOMPILED],
    args: ["1"],
  });
  const line = fitSlope(points);
  assert(!isFlat(line));
  assert(line.slope > 0.8 && line.slope < 1.6, `${line.slope} bytes per execution`);
});
