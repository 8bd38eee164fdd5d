import { assert, assertEquals, assertRejects } from "@std/assert";
import { createCockatielGuard, createGuard, createGuardRows } from "../../bench/overhead/guard.ts";
import { RetryableError } from "../../mod.ts";

for (const [name, create] of Object.entries({ createGuard, createCockatielGuard })) {
  Deno.test(`${name}() returns the result, of more calls than have room at once one after the other`, async () => {
    const guard = create();
    for (let call = 0; call < 30; call++) {
      assertEquals(await guard(() => Promise.resolve(call)), call);
    }
  });

  Deno.test(`${name}() ends a call at its timeout`, async () => {
    const guard = create(20);
    let aborted: AbortSignal | undefined;
    await assertRejects(() =>
      guard((signal) => {
        aborted ??= signal;
        return new Promise<never>(() => {});
      })
    );
    assert(aborted?.aborted);
  });

  Deno.test(`${name}() repeats what failed`, async () => {
    const guard = create();
    let calls = 0;
    const result = await guard(() =>
      ++calls === 1
        ? Promise.reject(new RetryableError("rate_limited", "Later", { retryAfterMs: 0 }))
        : Promise.resolve("done")
    );
    assertEquals([result, calls], ["done", 2]);
  });
}

Deno.test("createGuardRows() has one peer a group, and every row runs", async () => {
  for (const rows of Map.groupBy(createGuardRows(), ({ group }) => group).values()) {
    assertEquals(rows.filter(({ isPeer }) => isPeer).length, 1);
    for (const { run } of rows) await run();
  }
});
