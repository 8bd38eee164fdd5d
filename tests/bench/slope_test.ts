import { assert, assertEquals } from "@std/assert";
import { fitSlope, isFlat, subtractSlope } from "../../bench/memory/slope.ts";

Deno.test("fitSlope() finds the line through points, and how sure it is", () => {
  assertEquals(fitSlope([[0, 5], [1, 7], [2, 9]]), { slope: 2, error: 0 });
  // By hand: the residuals are 1/3, -2/3 and 1/3, so the error is √(2/3 ÷ 1 ÷ 2).
  const { slope, error } = fitSlope([[0, 0], [1, 0], [2, 2]]);
  assert(Math.abs(slope - 1) < 1e-12);
  assert(Math.abs(error - Math.sqrt(1 / 3)) < 1e-12);
});

Deno.test("isFlat() calls a leak one, and noise none", () => {
  const points = (bytesPerExecution: number) =>
    Array.from({ length: 20 }, (_, chunk): [number, number] => {
      const noise = 20_000 * ((chunk * 7) % 5 - 2);
      return [chunk * 50_000, 1e7 + noise + bytesPerExecution * chunk * 50_000];
    });
  assert(isFlat(fitSlope(points(0))));
  assert(!isFlat(fitSlope(points(1))));
  assert(!isFlat(fitSlope(points(-1))));
});

Deno.test("subtractSlope() is as unsure as both slopes together", () => {
  assertEquals(subtractSlope({ slope: 3, error: 4 }, { slope: 1, error: 3 }), {
    slope: 2,
    error: 5,
  });
});
