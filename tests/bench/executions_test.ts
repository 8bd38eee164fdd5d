import { assertEquals } from "@std/assert";
import { createExecutions, PENDING } from "../../bench/memory/executions.ts";

Deno.test("createExecutions() ends all that it starts", async () => {
  await createExecutions()(25);
});

for (const { name, start } of PENDING) {
  Deno.test(`PENDING "${name}" is pending until it is ended`, async () => {
    const { pending, end } = await start(20);
    let settled = 0;
    for (const promise of pending) promise.then(() => settled++, () => settled++);
    await new Promise((resolve) => setTimeout(resolve));
    assertEquals([pending.length, settled], [20, 0]);
    await end();
    await Promise.allSettled(pending);
    assertEquals(settled, 20);
  });
}
