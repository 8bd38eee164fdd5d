/** Defects that were measured in other libraries and must never be ours, where a whole call shows them. */
import { assertEquals, assertStrictEquals } from "@std/assert";
import type { ProgressReport } from "../../src/progress/events.ts";
import { type Evidence, toClientError } from "../../src/errors/classify.ts";
import { settle } from "../support/fake_clock.ts";
import { data, hang } from "../support/memory_connector.ts";
import { createFixture, rejection } from "./support.ts";

Deno.test("D1 execution ends at its deadline, with progress or without (SDK 2.4.0: 602 for 500 ms, or never)", async () => {
  for (const everyMs of [Infinity, 301, 100]) {
    const { clock, group } = createFixture({
      operations: {
        work: async (_, { onProgress, signal }) => {
          for (let progress = 1;; progress++) {
            await clock.sleep(everyMs, signal);
            onProgress!({ progress });
          }
        },
      },
    });
    let endedMs: number | undefined;
    const caught = rejection(group.execute("work", {}, { effect: "safe", timeoutMs: 500 }));
    caught.then(() => endedMs = clock.now());
    await clock.advance(2_000);
    assertEquals([(await caught).code, endedMs], ["deadline_exceeded", 500], `${everyMs}`);
    assertEquals(clock.timers, 0);
  }
});

Deno.test("E4 execution throws the reason of its caller's abort (SDK 2.4.0: a timeout without cause)", async () => {
  const { clock, group } = createFixture({ operations: { hang } });
  const controller = new AbortController();
  const caught = rejection(group.execute("hang", {}, { signal: controller.signal }));
  await settle();
  const reason = new Error("The tab was closed");
  controller.abort(reason);
  assertStrictEquals(await caught as unknown, reason);
  await settle();
  assertEquals([clock.now(), clock.timers], [0, 0]);
});

/** What may mean that the operation ran. */
const PERHAPS_RUN: readonly Evidence[] = [
  { kind: "no_answer" },
  { kind: "unusable_answer" },
  { kind: "rpc", code: -32603 },
  ...[500, 502, 503, 504, 408].map((status): Evidence => ({ kind: "http", status })),
];

Deno.test("C15 C16 C17 unsafe operation is sent once, whatever was seen (Vercel AI MCP client, mcporter: again)", async () => {
  for (const evidence of PERHAPS_RUN) {
    const { clock, connector, group } = createFixture({
      operations: {
        work: ({ effect }) => {
          throw toClientError(evidence, { effect });
        },
      },
    });
    const overrides = { maxAttempts: 9, baseDelayMs: 1 };
    const caught = rejection(group.executeWithRetry("work", {}, overrides));
    await clock.advance(60_000);
    const { delivery, retryable } = await caught;
    const seen = JSON.stringify(evidence);
    assertEquals([connector.requests.length, delivery, retryable], [1, "unknown", false], seen);
  }
});

Deno.test("G2 G5 execution shows progress in order and to its end (SDK 2.4.0: any order, the last one lost)", async () => {
  const reports: ProgressReport[] = [
    { progress: 5, total: 10 },
    { progress: 3, total: 10 },
    { progress: 8, total: 0 },
    { progress: 8, total: 10 },
    { progress: 10, total: 10 },
  ];
  const { clock, group } = createFixture({
    operations: {
      work: async (_, { onProgress }) => {
        for (const report of reports.slice(0, -1)) {
          onProgress!(report);
          await clock.sleep(200);
        }
        // With the result, in one turn.
        onProgress!(reports.at(-1)!);
        return data({ done: true });
      },
    },
  });
  const execution = group.start("work");
  const seen: unknown[] = [];
  const reading = (async () => {
    for await (const event of execution.events) {
      seen.push(event.type === "progress" ? [event.progress, event.fraction] : event.type);
    }
  })();
  await clock.advance(1_000);
  await reading;
  assertEquals(seen, ["attempt", [5, 0.5], [8, undefined], [10, 1], "completed"]);
});
