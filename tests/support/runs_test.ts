import { assertEquals, assertThrows } from "@std/assert";
import { runs } from "./runs.ts";

const NAME = "AUTOMCP_TEST_RUNS";

Deno.test("runs() is what the test says, or what AUTOMCP_TEST_RUNS says, which must be a count", () => {
  const before = Deno.env.get(NAME);
  try {
    Deno.env.delete(NAME);
    assertEquals(runs(10_000), 10_000);
    Deno.env.set(NAME, "7");
    assertEquals(runs(10_000), 7);
    for (const wrong of ["0", "-1", "1.5", "many", ""]) {
      Deno.env.set(NAME, wrong);
      assertThrows(() => runs(10_000), RangeError, `current value is ${wrong}`);
    }
  } finally {
    if (before === undefined) Deno.env.delete(NAME);
    else Deno.env.set(NAME, before);
  }
});
