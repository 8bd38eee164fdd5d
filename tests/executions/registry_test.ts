import { assertEquals, assertThrows } from "@std/assert";
import { ClientError } from "../../src/errors/errors.ts";
import { ExecutionRegistry } from "../../src/executions/registry.ts";
import { createFixture, failing, rejection } from "../client/support.ts";
import { settle } from "../support/fake_clock.ts";
import { data, untilAborted } from "../support/memory_connector.ts";

const OPERATIONS = {
  good: () => data({ done: true }),
  bad: failing(Infinity, "connection_lost"),
  hang: (_: unknown, { signal }: { signal: AbortSignal }) => untilAborted(signal),
  report: (_: unknown, { onProgress }: { onProgress: (report: { progress: number }) => void }) => {
    onProgress({ progress: 1 });
    return data({ done: true });
  },
};

Deno.test("ExecutionRegistry tells where an execution stands, from its start to its end", async () => {
  const { clock, group } = createFixture({ operations: OPERATIONS });
  const executions = new ExecutionRegistry({ clock });
  const { id, response } = executions.track(group.start("good"), "me");
  assertEquals(executions.find(id, "me").toDocument(), {
    id,
    group: "g",
    operation: "good",
    state: "queued",
    attempts: 0,
    startedAt: "2026-01-01T00:00:00.000Z",
  });
  const result = await response;
  await settle();
  assertEquals(executions.find(id, "me").toDocument(), {
    id,
    group: "g",
    operation: "good",
    state: "succeeded",
    attempts: 1,
    startedAt: "2026-01-01T00:00:00.000Z",
    endedAt: "2026-01-01T00:00:00.000Z",
    response: result,
  });
});

Deno.test("ExecutionRegistry tells failures and cancellations apart", async () => {
  const { clock, group } = createFixture({ operations: OPERATIONS });
  const executions = new ExecutionRegistry({ clock });
  const failed = executions.track(group.start("bad"), "me");
  const cancelled = executions.track(group.start("hang"), "me");
  const controller = new AbortController();
  const left = executions.track(group.start("hang", {}, { signal: controller.signal }), "me");
  await settle();
  assertEquals(executions.find(cancelled.id, "me").toDocument().state, "running");
  cancelled.cancel();
  controller.abort("left");
  await Promise.allSettled([failed.response, cancelled.response, left.response]);
  await settle();
  const states = [failed, cancelled, left].map(({ id }) => {
    const { state, error } = executions.find(id, "me").toDocument();
    return [state, error?.code];
  });
  assertEquals(states, [
    ["failed", "outcome_unknown"],
    ["cancelled", "cancelled"],
    ["cancelled", "cancelled"],
  ]);
});

Deno.test("ExecutionRegistry hides an execution from everybody but its owner", () => {
  const { group } = createFixture({ operations: OPERATIONS });
  const executions = new ExecutionRegistry();
  const { id } = executions.track(group.start("good"), "me");
  for (const [wrongId, owner] of [[id, "you"], ["nope", "me"]] as const) {
    const error = assertThrows(() => executions.find(wrongId, owner), ClientError);
    assertEquals([error.code, error.delivery], ["execution_not_found", "not_sent"]);
  }
});

Deno.test("ExecutionRegistry forgets what ended long ago, and the oldest of too many", async () => {
  const { clock, group } = createFixture({ operations: OPERATIONS });
  const executions = new ExecutionRegistry({ clock, maxEnded: 2, endedTtlMs: 1_000 });
  const ids: string[] = [];
  for (let i = 0; i < 3; i++) {
    const { id, response } = executions.track(group.start("good"), "me");
    await response;
    ids.push(id);
  }
  await settle();
  const known = () =>
    ids.map((id) => {
      try {
        return executions.find(id, "me").ended;
      } catch {
        return false;
      }
    });
  assertEquals(known(), [false, true, true]);
  await clock.advance(999);
  assertEquals(known(), [false, true, true]);
  await clock.advance(1);
  assertEquals(known(), [false, false, false]);
});

Deno.test("ExecutionRegistry gives an execution's events from any number on", async () => {
  const { group } = createFixture({ operations: OPERATIONS });
  const executions = new ExecutionRegistry();
  const { id, response } = executions.track(group.start("report"), "me");
  await response;
  for (let after = 0; after <= 3; after++) {
    const seqs: number[] = [];
    for await (const event of executions.find(id, "me").events(after)) {
      if (event.type !== "gap") seqs.push(event.seq);
    }
    assertEquals(seqs, [1, 2, 3].filter((seq) => seq > after));
  }
});

Deno.test("ExecutionRegistry checks its options", async () => {
  assertThrows(() => new ExecutionRegistry({ maxEnded: -1 }), RangeError, "'maxEnded'");
  assertThrows(() => new ExecutionRegistry({ endedTtlMs: NaN }), RangeError, "'endedTtlMs'");
  assertThrows(() => new ExecutionRegistry({ ttl: 1 } as never), TypeError, "'ttl'");
  const { group } = createFixture({ operations: OPERATIONS });
  const executions = new ExecutionRegistry({ maxEnded: 0 });
  const { id, response } = executions.track(group.start("bad"), "me");
  await rejection(response);
  await settle();
  assertThrows(() => executions.find(id, "me"), ClientError);
});
