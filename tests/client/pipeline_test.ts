import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import type { Delivery, Effect } from "../../src/errors/delivery.ts";
import type { ErrorCode } from "../../src/errors/codes.ts";
import { createClientError } from "../../src/errors/errors.ts";
import { Deadline } from "../../src/resilience/deadline.ts";
import { settle } from "../support/fake_clock.ts";
import {
  data,
  type MemoryConnection,
  MemoryConnector,
  untilAborted,
} from "../support/memory_connector.ts";
import { CountingSignal, createFixture, failing, rejection } from "./support.ts";

/** One failure of each kind: how often it is sent with three attempts, and what is thrown. */
const FAILURES: readonly {
  code: ErrorCode;
  delivery: Delivery;
  temporary?: boolean;
  sends: Record<Effect, number>;
  thrown: Record<Effect, ErrorCode>;
}[] = [
  {
    code: "connection_lost",
    delivery: "unknown",
    sends: { safe: 3, idempotent: 3, unsafe: 1 },
    thrown: { safe: "connection_lost", idempotent: "connection_lost", unsafe: "outcome_unknown" },
  },
  {
    code: "unavailable",
    delivery: "unknown",
    sends: { safe: 3, idempotent: 3, unsafe: 1 },
    thrown: { safe: "unavailable", idempotent: "unavailable", unsafe: "outcome_unknown" },
  },
  {
    code: "rate_limited",
    delivery: "not_executed",
    sends: { safe: 3, idempotent: 3, unsafe: 3 },
    thrown: { safe: "rate_limited", idempotent: "rate_limited", unsafe: "rate_limited" },
  },
  {
    code: "unauthorized",
    delivery: "not_executed",
    sends: { safe: 1, idempotent: 1, unsafe: 1 },
    thrown: { safe: "unauthorized", idempotent: "unauthorized", unsafe: "unauthorized" },
  },
  {
    code: "operation_failed",
    delivery: "unknown",
    temporary: true,
    sends: { safe: 3, idempotent: 3, unsafe: 1 },
    thrown: {
      safe: "operation_failed",
      idempotent: "operation_failed",
      unsafe: "operation_failed",
    },
  },
  {
    code: "invalid_arguments",
    delivery: "unknown",
    sends: { safe: 1, idempotent: 1, unsafe: 1 },
    thrown: {
      safe: "invalid_arguments",
      idempotent: "invalid_arguments",
      unsafe: "invalid_arguments",
    },
  },
  {
    code: "invalid_result",
    delivery: "executed",
    sends: { safe: 1, idempotent: 1, unsafe: 1 },
    thrown: { safe: "invalid_result", idempotent: "invalid_result", unsafe: "invalid_result" },
  },
  {
    code: "protocol_error",
    delivery: "unknown",
    temporary: true,
    sends: { safe: 3, idempotent: 3, unsafe: 1 },
    thrown: { safe: "protocol_error", idempotent: "protocol_error", unsafe: "outcome_unknown" },
  },
];

for (const { code, delivery, temporary, sends, thrown } of FAILURES) {
  for (const effect of ["safe", "idempotent", "unsafe"] as const) {
    Deno.test(`R1 ${effect} operation that fails with ${code} (${delivery}) is sent ${sends[effect]} times`, async () => {
      const facts = { delivery, ...(temporary !== undefined && { temporary }) };
      const { clock, connector, group } = createFixture({
        operations: { work: failing(Infinity, code, facts) },
      });
      const caught = rejection(group.execute("work", {}, { effect }));
      await clock.advance(20_000);
      const error = await caught;
      assertEquals(connector.requests.length, sends[effect]);
      assertEquals([error.code, error.attempts, error.delivery], [
        thrown[effect],
        sends[effect],
        delivery,
      ]);
      if (thrown[effect] === "outcome_unknown") {
        assertEquals((error.cause as { code?: string }).code, code);
        assertEquals(error.retryable, false);
      }
      assertEquals(clock.timers, 0);
    });
  }
}

Deno.test("E1 an earlier attempt that may have run makes the execution's delivery unknown", async () => {
  let sends = 0;
  const { clock, group } = createFixture({
    operations: {
      work: ({ effect }) => {
        throw createClientError(++sends === 1 ? "connection_lost" : "rate_limited", "Injected", {
          effect,
        });
      },
    },
  });
  const caught = rejection(group.execute("work", {}, { effect: "idempotent", timeoutMs: 10_000 }));
  await clock.advance(10_000);
  const error = await caught;
  assertEquals([error.code, error.delivery], ["rate_limited", "unknown"]);
});

Deno.test("D1 execution settles by its deadline although the connection ignores it", async () => {
  for (const effect of ["safe", "unsafe"] as const) {
    const { clock, group } = createFixture({ operations: { hang: () => new Promise(() => {}) } });
    const caught = rejection(group.execute("hang", {}, { effect, timeoutMs: 1_000 }));
    await clock.advance(999);
    let settled = false;
    caught.then(() => settled = true);
    await settle();
    assertEquals(settled, false);
    await clock.advance(1);
    const error = await caught;
    const code = effect === "safe" ? "deadline_exceeded" : "outcome_unknown";
    assertEquals([error.code, error.delivery, error.attempts], [code, "unknown", 1]);
    assertEquals(error.executionId !== undefined, true);
    assertEquals(clock.timers, 0);
  }
});

Deno.test("D1 execution that never got a place ends as not sent", async () => {
  const { clock, group } = createFixture({
    onConnect: () => {
      throw createClientError("connection_refused", "Injected");
    },
  });
  const caught = rejection(group.execute("add", { a: 1, b: 2 }, { timeoutMs: 12_000 }));
  await clock.advance(12_000);
  const error = await caught;
  assertEquals([error.code, error.delivery, error.attempts, error.retryable], [
    "deadline_exceeded",
    "not_sent",
    0,
    true,
  ]);
  const cause = error.cause as { code: string; cause: { code: string } };
  assertEquals([cause.code, cause.cause.code], ["pool_timeout", "connection_refused"]);
  // A check of the server that runs still ends, by its own time at the latest.
  await clock.advance(5_000);
  assertEquals(clock.timers, 0);
});

Deno.test("D1 execution whose deadline is past sends nothing", async () => {
  const { clock, connector, group } = createFixture();
  await group.execute("add", { a: 1, b: 2 });
  const deadline = new Deadline(clock.now() - 1, clock);
  const error = await rejection(group.execute("add", {}, { deadline }));
  assertEquals([error.code, error.delivery, error.attempts], ["deadline_exceeded", "not_sent", 0]);
  await settle();
  assertEquals([connector.requests.length, clock.timers], [1, 0]);
});

Deno.test("R6 connection is not asked once the execution has ended, not even in its own events", async () => {
  const controller = new AbortController();
  const { connector, client, group } = createFixture({}, {}, {
    onEvent: ({ type }) => type === "attempt.start" && controller.abort("left"),
  });
  const reason = await rejection(group.execute("add", {}, { signal: controller.signal }));
  assertEquals(reason as unknown, "left");
  assertEquals(connector.requests.length, 0);
  assertEquals(client.stats().servers[0]?.pool.leases, 0);
});

Deno.test("E3 defect before the send proves that nothing was sent", async () => {
  const { connector, group } = createFixture({
    validate: () => {
      throw new TypeError("broken validator");
    },
  });
  const error = await rejection(group.execute("add", {}));
  assertEquals([error.code, error.delivery, error.attempts], ["internal", "not_sent", 0]);
  assertEquals(connector.requests.length, 0);
});

Deno.test("P9 connection that comes too late is closed, whatever its close does", async () => {
  const late = Promise.withResolvers<MemoryConnection>();
  const connector = new MemoryConnector();
  const { clock, client, group } = createFixture({}, {
    connector: { name: "late", connect: () => late.promise },
  });
  const caught = rejection(group.execute("add", {}, { timeoutMs: 10 }));
  await clock.advance(10);
  await caught;
  const closed = client.close();
  await clock.advance(60_000);
  await closed;
  const connection = await connector.connect({
    signal: new AbortController().signal,
    deadline: Deadline.after(1, clock),
  });
  let closes = 0;
  connection.close = () => (closes++, Promise.reject(new Error("cannot close")));
  late.resolve(connection);
  await settle();
  await settle();
  assertEquals(closes, 1);
});

Deno.test("C2 execution waits for a server that comes back before the deadline", async () => {
  let down = true;
  const { clock, connector, group } = createFixture({
    onConnect: () => {
      if (down) throw createClientError("connection_refused", "Injected");
    },
  }, { maxAttempts: 1 });
  const response = group.execute("add", { a: 1, b: 2 });
  await clock.advance(15_000);
  down = false;
  await clock.advance(6_000);
  assertEquals((await response).structuredContent, { sum: 3 });
  assertEquals(connector.requests.length, 1);
});

Deno.test("C24 server that refuses for good fails the execution at once", async () => {
  const { group } = createFixture({
    onConnect: () => {
      throw createClientError("unauthorized", "Injected");
    },
  });
  const error = await rejection(group.execute("add", {}));
  assertEquals([error.code, error.delivery, error.attempts], ["unauthorized", "not_sent", 0]);
});

Deno.test("E4 caller's abort comes out as the same object, wherever it strikes", async (t) => {
  const reason = { why: "closed tab" };
  await t.step("before the start", async () => {
    const { group, connector } = createFixture();
    const caught = rejection(group.execute("add", {}, { signal: AbortSignal.abort(reason) }));
    assertStrictEquals(await caught as unknown, reason);
    assertEquals(connector.requests.length, 0);
  });
  const cases: Record<string, Parameters<typeof createFixture>[0]> = {
    "while connecting": { onConnect: ({ signal }) => untilAborted(signal) },
    "while connecting to a deaf server": { onConnect: () => new Promise(() => {}) },
    "while listing": { onDescribe: ({ signal }) => untilAborted(signal) },
    "during the attempt": { operations: { add: (_, { signal }) => untilAborted(signal) } },
    "during a deaf attempt": { operations: { add: () => new Promise(() => {}) } },
    "during the wait for a retry": {
      operations: { add: failing(9, "rate_limited", { retryAfterMs: 5_000 }) },
    },
  };
  for (const [name, options] of Object.entries(cases)) {
    await t.step(name, async () => {
      const { clock, group, client } = createFixture(options);
      const signal = new CountingSignal();
      const caught = rejection(group.execute("add", {}, { signal: signal.signal }));
      await clock.advance(10);
      assertEquals(signal.listeners, 1);
      signal.abort(reason);
      assertStrictEquals(await caught as unknown, reason);
      assertEquals(group.retryStats.aborted, 1);
      assertEquals(group.retryStats.failed, 0);
      const closed = client.close();
      await clock.advance(60_000);
      await closed;
      assertEquals(clock.timers, 0);
    });
  }
});

Deno.test("R6 execution leaves no listener on the caller's signal", async () => {
  const { group } = createFixture();
  const signal = new CountingSignal();
  await group.execute("add", { a: 1, b: 2 }, { signal: signal.signal });
  assertEquals(signal.listeners, 0);
});

Deno.test("Execution.cancel() ends the attempt and says what is proved", async () => {
  let seen: unknown;
  const { group } = createFixture({
    operations: {
      work: async (_, { signal }) => {
        try {
          return await untilAborted(signal);
        } catch (error) {
          seen = error;
          throw error;
        }
      },
    },
  });
  const execution = group.start("work");
  await settle();
  execution.cancel();
  const error = await rejection(execution.response);
  assertEquals([error.name, error.code, error.delivery], [
    "CancelledError",
    "cancelled",
    "unknown",
  ]);
  await settle();
  assertEquals((seen as { code: string }).code, "cancelled");
  execution.cancel();
});

Deno.test("P15 lost session is replaced and the refused call sent again, once", async () => {
  for (const losses of [1, 2]) {
    const { clock, connector, group } = createFixture({
      era: "legacy",
      maxConcurrency: 32,
      operations: { work: failing(losses, "session_lost") },
    }, { maxAttempts: 1 });
    const outcome = group.execute("work").then(() => "completed", (error) => error.code);
    await clock.advance(1);
    assertEquals(await outcome, losses === 1 ? "completed" : "session_lost");
    assertEquals(connector.requests.length, 2);
    assertEquals(connector.connections[0]?.closes, 1);
  }
});

Deno.test("P19 connection that ended before the pool held it is not lent for ever", async () => {
  const connector = new MemoryConnector();
  const { clock, group } = createFixture({}, {
    connector: {
      name: "short-lived",
      async connect(options) {
        const connection = await connector.connect(options);
        if (connector.connects <= 2) connection.break("gone");
        return connection;
      },
    },
  });
  const response = group.execute("add", { a: 1, b: 2 }, { effect: "safe" });
  await clock.advance(5_000);
  assertEquals((await response).structuredContent, { sum: 3 });
  assertEquals([connector.connects, connector.connections[0]?.closes], [3, 1]);
});

Deno.test("C3 refused connection uses no attempt", async () => {
  const { clock, connector, group } = createFixture({
    operations: { work: failing(6, "connection_refused") },
  });
  const response = group.execute("work");
  await clock.advance(10_000);
  assertEquals((await response).attempts, 7);
  assertEquals(connector.requests.length, 7);
});

Deno.test("R3 execution waits as long as the server asked, and fails at once if that is too long", async () => {
  const { clock, connector, group } = createFixture({
    operations: { work: failing(1, "rate_limited", { retryAfterMs: 4_000 }) },
  });
  const response = group.execute("work");
  await clock.advance(3_999);
  assertEquals(connector.requests.length, 1);
  await clock.advance(501);
  assertEquals((await response).attempts, 2);

  const hopeless = createFixture({
    operations: { work: failing(1, "rate_limited", { retryAfterMs: 40_000 }) },
  });
  const error = await rejection(hopeless.group.execute("work"));
  assertEquals([error.code, error.retryAfterMs], ["rate_limited", 40_000]);
});

Deno.test("Pipeline takes what a connector throws for a defect that proves nothing", async () => {
  const defect = new TypeError("secret in the text");
  const { group } = createFixture({
    operations: {
      work: () => {
        throw defect;
      },
    },
  });
  const safe = await rejection(group.execute("work", {}, { effect: "safe" }));
  assertEquals([safe.code, safe.delivery, safe.cause], ["internal", "unknown", defect]);
  const unsafe = await rejection(group.execute("work"));
  assertEquals([unsafe.code, (unsafe.cause as { code: string }).code], [
    "outcome_unknown",
    "internal",
  ]);
  for (const { message } of [safe, unsafe]) assert(!message.includes("secret"));
});

Deno.test("Pipeline takes what a connector throws while connecting for a defect, nothing sent", async () => {
  const { group } = createFixture({
    onConnect: () => {
      throw new TypeError("broken connector");
    },
  });
  const error = await rejection(group.execute("add", {}));
  assertEquals([error.code, error.delivery], ["internal", "not_sent"]);
});

Deno.test("Pipeline counts an answer of isError as completed", async () => {
  const { group } = createFixture({
    operations: { no: () => ({ status: "error", content: [{ type: "text", text: "no" }] }) },
  });
  const response = await group.execute("no");
  assertEquals([response.status, response.success, response.attempts], ["error", false, 1]);
  assertEquals(group.retryStats.completed, 1);
});

Deno.test("Pipeline passes trace context on and numbers its attempts", async () => {
  const { clock, connector, group } = createFixture({
    operations: { work: failing(2, "rate_limited", { retryAfterMs: 1 }) },
  });
  const trace = { traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01" };
  const response = group.execute("work", { x: 1 }, { trace, effect: "safe" });
  await clock.advance(100);
  await response;
  assertEquals(
    connector.requests.map(({ attempt, trace, effect }) => ({ attempt, trace, effect })),
    [1, 2, 3].map((attempt) => ({ attempt, trace, effect: "safe" as const })),
  );
});

Deno.test("Pipeline tells progress and attempts as numbered events with one last event", async () => {
  let sends = 0;
  const { clock, group } = createFixture({
    operations: {
      work: (_, { onProgress }) => {
        onProgress({ progress: 1, total: 4 });
        if (++sends === 1) {
          throw createClientError("connection_lost", "Injected", { effect: "safe" });
        }
        onProgress({ progress: 4, total: 4, message: "done" });
        return data({ done: true });
      },
    },
  });
  const execution = group.start("work", {}, { effect: "safe" });
  const events: unknown[] = [];
  const reading = (async () => {
    for await (const event of execution.events) {
      const { type, seq } = event as { type: string; seq: number };
      events.push([seq, type, "attempt" in event ? event.attempt : undefined]);
    }
  })();
  await clock.advance(1_000);
  await execution.response;
  await reading;
  assertEquals(events, [
    [1, "attempt", 1],
    [2, "progress", 1],
    [3, "attempt", 2],
    [4, "progress", 2],
    [5, "completed", undefined],
  ]);
  const snapshots = [];
  for await (const snapshot of execution.progress) snapshots.push(snapshot.fraction);
  assertEquals(snapshots.at(-1), 1);
});
