/** Whose progress is told when a request has several copies or attempts (H5). */
import { assertEquals } from "@std/assert";
import { createClientError } from "../../src/errors/errors.ts";
import { data } from "../support/memory_connector.ts";
import { createHedging } from "./hedge_support.ts";
import { createFixture } from "./support.ts";

Deno.test("H5 progress is that of the copy which reported first, until that one is gone", async () => {
  const { clock, group, teach, becomes } = createHedging();
  await teach(50);
  becomes(async ({ attempt }, { signal, onProgress }) => {
    if (attempt === 1) {
      await clock.sleep(150, signal);
      for (const progress of [1, 2]) {
        onProgress({ progress, total: 10 });
        await clock.sleep(200, signal);
      }
      throw createClientError("connection_lost", "Injected", { effect: "safe" });
    }
    await clock.sleep(100, signal);
    for (const progress of [5, 6, 7]) {
      onProgress({ progress, total: 10 });
      await clock.sleep(200, signal);
    }
    return data({ attempt });
  });
  const execution = group.start("read");
  const seen: unknown[] = [];
  const reading = (async () => {
    for await (const { progress, attempt } of execution.progress) seen.push([progress, attempt]);
  })();
  await clock.advance(2_000);
  await execution.response;
  await reading;
  assertEquals(seen, [[1, 1], [2, 1], [7, 1]]);
});

Deno.test("H5 late report of an attempt that is over is not taken for one of the next", async () => {
  const { clock, events, group } = createFixture({
    operations: {
      work: async ({ attempt }, { onProgress, signal }) => {
        if (attempt === 1) {
          clock.setTimer(1_000, () => onProgress({ progress: 90, total: 100 }));
          throw createClientError("connection_lost", "Injected", { effect: "safe" });
        }
        await clock.sleep(2_000, signal);
        onProgress({ progress: 10, total: 100 });
        return data({});
      },
    },
  });
  const execution = group.start("work", {}, { effect: "safe" });
  await clock.advance(5_000);
  await execution.response;
  const seen = [];
  for await (const { progress } of execution.progress) seen.push(progress);
  assertEquals(seen, [10]);
  const dropped = events.find((event) => event.type === "progress.dropped");
  assertEquals([dropped?.reason, dropped?.count], ["late", 1]);
});
