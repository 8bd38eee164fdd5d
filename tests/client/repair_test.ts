/** What is put right or told apart within one execution, and what that costs (C2, C7, C10, K12, K13, R4). */
import { assertEquals, assertStrictEquals } from "@std/assert";
import { type ClientError, createClientError } from "../../src/errors/errors.ts";
import { data, type MemoryOperation } from "../support/memory_connector.ts";
import { createFixture, failing, rejection } from "./support.ts";

const fail = (...args: Parameters<typeof createClientError>) => (): never => {
  throw createClientError(...args);
};

Deno.test("K12 re-send of what did not run is free if the gate is shut, but keeps to its hint", async () => {
  // The fifth refusal in a row pauses the server; before that a re-send costs 0.35.
  const { clock, client, connector, events, group } = createFixture({
    operations: { work: failing(5, "rate_limited", { retryAfterMs: 1_000 }) },
  }, { retryBudget: { capacity: 5, perSecond: 0, perExecution: 0 } });
  const responses = [];
  for (let i = 0; i < 5; i++) {
    responses.push(group.execute("work"));
    await clock.advance(1);
  }
  await clock.advance(5_000);
  await Promise.all(responses);
  assertEquals(connector.requests.length, 10);
  assertEquals(client.stats().servers[0]!.retryBudget.tokens.toFixed(2), "3.60");
  const waits = events.filter((event) => event.type === "retry.scheduled");
  assertEquals(waits.map(({ waitMs }) => waitMs), Array(5).fill(1_250));
});

Deno.test("K12 parked execution is sent more often than maxAttempts says, as nothing of it ran", async () => {
  let isDown = true;
  const { clock, connector, group } = createFixture({
    operations: {
      work: () => {
        if (isDown) {
          throw createClientError("unavailable", "Injected", { delivery: "not_executed" });
        }
        return data({ done: true });
      },
    },
  }, { maxAttempts: 2, breaker: { pauseAfter: 1 }, timeoutMs: 20_000 });
  const response = group.execute("work");
  await clock.advance(5_000);
  isDown = false;
  await clock.advance(1_000);
  const { attempts } = await response;
  assertEquals([attempts > 2, attempts], [true, connector.requests.length]);
});

Deno.test("K13 refused arguments of an operation that a new list does not hold mean that it is unknown", async () => {
  for (const effect of ["safe", "unsafe"] as const) {
    for (const isGone of [false, true]) {
      let isOld = false;
      const operations: Record<string, MemoryOperation> = {
        work: () => {
          if (!isOld) return data({});
          if (isGone) delete operations["work"];
          throw createClientError("invalid_arguments", "Injected");
        },
      };
      const { clock, connector, group } = createFixture({ operations, ttlMs: 0 });
      await group.execute("work");
      await clock.advance(5_000);
      isOld = true;
      const error = await rejection(group.execute("work", {}, { effect }));
      assertEquals(
        [error.code, error.delivery, error.retryable, error.attempts],
        isGone
          ? ["operation_not_found", "not_executed", false, 1]
          : ["invalid_arguments", "unknown", false, 1],
      );
      assertEquals([connector.describes, connector.requests.length], [2, 2]);
      if (isGone) assertEquals((error.cause as ClientError).code, "invalid_arguments");
    }
  }
});

Deno.test("K13 list that is fresh or cannot be had tells nothing more", async () => {
  const { clock, connector, group } = createFixture({
    ttlMs: 0,
    onDescribe: () => {
      if (connector.describes > 1) throw createClientError("forbidden", "Injected");
    },
    operations: { work: fail("invalid_arguments", "Injected") },
  });
  assertEquals((await rejection(group.execute("work"))).code, "invalid_arguments");
  assertEquals(connector.describes, 1);
  await clock.advance(5_000);
  assertEquals((await rejection(group.execute("work"))).code, "invalid_arguments");
  assertEquals(connector.describes, 2);
});

Deno.test("K13 attempt that may have run before stays in the claim of an unknown operation", async () => {
  let sends = 0;
  const operations: Record<string, MemoryOperation> = {
    work: () => {
      if (++sends === 2) throw createClientError("connection_lost", "Injected", { effect: "safe" });
      if (sends === 1) return data({});
      delete operations["work"];
      throw createClientError("invalid_arguments", "Injected");
    },
  };
  const { clock, group } = createFixture({ operations, ttlMs: 0 });
  await group.execute("work");
  await clock.advance(5_000);
  const caught = rejection(group.execute("work", {}, { effect: "safe" }));
  await clock.advance(1_000);
  const { code, delivery } = await caught;
  assertEquals([code, delivery], ["operation_not_found", "unknown"]);
});

Deno.test("C2 execution whose server is down waits for it, turn by turn, without an attempt", async () => {
  let connects = 0;
  const { clock, connector, events, group } = createFixture({
    onConnect: () => {
      if (++connects < 30) throw createClientError("connection_refused", "Injected");
    },
  }, { maxAttempts: 1, acquireTimeoutMs: 500, breaker: { tripAfter: Infinity } });
  const response = group.execute("add", { a: 1, b: 2 }, { timeoutMs: 120_000 });
  await clock.advance(110_000);
  assertEquals([(await response).attempts, connector.requests.length], [1, 1]);
  const turns = events.filter((event) => event.type === "retry.scheduled");
  assertEquals(turns.length > 2, true);
  assertEquals(
    turns.every(({ reason, waitMs }) => reason === "pool_timeout" && waitMs === 0),
    true,
  );
});

Deno.test("C2 execution that finds all connections busy fails, whatever came before", async () => {
  const { clock, group } = createFixture({
    // A connection that ignores its signal keeps its lease.
    operations: { hang: () => new Promise(() => {}), add: () => data({}) },
  }, { poolSize: 1, acquireTimeoutMs: 500 });
  void rejection(group.execute("hang", {}, { timeoutMs: 100 }));
  await clock.advance(100);
  const caught = rejection(group.execute("add", {}));
  await clock.advance(500);
  const error = await caught;
  assertEquals([error.code, error.delivery, error.retryable], ["pool_timeout", "not_sent", true]);
});

Deno.test("C7 lost session fails the execution where sessions hold state, and nobody is to repeat it", async () => {
  const { connector, group } = createFixture({
    era: "legacy",
    operations: { work: failing(1, "session_lost") },
  }, { onSessionLoss: "error" });
  const error = await rejection(group.execute("work", {}, { effect: "safe" }));
  assertEquals([error.code, error.delivery, error.retryable, error.attempts], [
    "session_lost",
    "not_executed",
    false,
    1,
  ]);
  // The next execution gets a session of its own.
  await group.execute("work");
  assertEquals([connector.connects, connector.requests.length], [2, 2]);
});

Deno.test("C7 session that is lost twice is retryable by whoever wants to wait", async () => {
  const { connector, group } = createFixture({
    era: "legacy",
    operations: { work: failing(2, "session_lost") },
  });
  const error = await rejection(group.execute("work"));
  assertEquals([error.code, error.retryable, error.attempts, connector.connects], [
    "session_lost",
    true,
    2,
    2,
  ]);
});

Deno.test("C7 session that is lost before anything was sent is replaced too", async () => {
  let describes = 0;
  const { connector, events, group } = createFixture({
    era: "legacy",
    onDescribe: () => {
      if (++describes === 1) throw createClientError("session_lost", "Injected");
    },
  });
  const { attempts } = await group.execute("add", { a: 1, b: 2 });
  assertEquals([attempts, connector.connects, connector.connections[0]?.closes], [1, 2, 1]);
  assertEquals(events.filter(({ type }) => type === "session.replaced").length, 1);
});

Deno.test("C7 ClientGroup.describe() has a lost session replaced once", async () => {
  for (const losses of [1, 2]) {
    let describes = 0;
    const { clock, connector, group } = createFixture({
      era: "legacy",
      onDescribe: () => {
        if (++describes <= losses) throw createClientError("session_lost", "Injected");
      },
    });
    const outcome = group.describe().then(({ name }) => name, ({ code }) => code);
    await clock.advance(10);
    assertEquals(await outcome, losses === 1 ? "g" : "session_lost");
    assertEquals([connector.connects, clock.timers > 0], [2, losses === 1]);
  }
});

Deno.test("C7 loss of one session costs 100 callers one new session and one re-send each", async () => {
  const { clock, connector, events, group } = createFixture({
    era: "legacy",
    maxConcurrency: 128,
    operations: {
      work: async ({ attempt }) => {
        await clock.sleep(10);
        if (attempt === 1) throw createClientError("session_lost", "Injected");
        return data({ done: true });
      },
    },
  }, { poolSize: 100, limiter: { initialLimit: 100 } });
  const responses = Promise.all(Array.from({ length: 100 }, () => group.execute("work")));
  await clock.advance(1_000);
  assertEquals((await responses).every(({ attempts }) => attempts === 2), true);
  assertEquals([connector.connects, connector.requests.length], [2, 200]);
  assertEquals(events.filter(({ type }) => type === "session.replaced").length, 1);
});

Deno.test("C10 refusal on a connection that ended with it is repaired once, at no cost", async () => {
  for (const refusals of [1, 2]) {
    let sends = 0;
    const { connector, client, events, group } = createFixture({
      operations: {
        work: () => {
          if (++sends > refusals) return data({ done: true });
          connector.connections.at(-1)!.break("other version");
          throw createClientError("protocol_error", "Injected", { delivery: "not_executed" });
        },
      },
    }, { maxAttempts: 1 });
    const outcome = await group.execute("work").then(() => "completed", ({ code }) => code);
    assertEquals(outcome, refusals === 1 ? "completed" : "protocol_error");
    assertEquals([connector.requests.length, connector.connects], [2, 2]);
    assertEquals(client.stats().servers[0]!.retryBudget.tokens, 50);
    assertEquals(events.filter(({ type }) => type === "retry.scheduled").length, 1);
  }
});

Deno.test("C10 repair leaves that of a lost session to be made, and the other way round", async () => {
  let sends = 0;
  const { connector, group } = createFixture({
    operations: {
      work: () => {
        if (++sends === 1) throw createClientError("session_lost", "Injected");
        if (sends > 2) return data({ done: true });
        connector.connections.at(-1)!.break("other version");
        throw createClientError("protocol_error", "Injected", { delivery: "not_executed" });
      },
    },
  }, { maxAttempts: 1 });
  assertEquals((await group.execute("work")).attempts, 3);
});

Deno.test("C10 answer that may mean that it ran is no reason to send an unsafe operation again", async () => {
  const { connector, group } = createFixture({
    operations: {
      work: () => {
        connector.connections.at(-1)!.break("gone");
        throw createClientError("connection_lost", "Injected");
      },
    },
  });
  assertEquals((await rejection(group.execute("work"))).code, "outcome_unknown");
  assertEquals(connector.requests.length, 1);
});

Deno.test("R4 failure is final, and told, once the budget is spent", async () => {
  const failure: ClientError[] = [];
  const { clock, connector, events, group } = createFixture({
    operations: {
      work: ({ effect }) => {
        failure.push(createClientError("connection_lost", "Injected", { effect }));
        throw failure.at(-1)!;
      },
    },
  }, { maxAttempts: 10, retryBudget: { capacity: 2, perSecond: 0, perExecution: 0 } });
  const caught = rejection(group.execute("work", {}, { effect: "safe" }));
  await clock.advance(20_000);
  const error = await caught;
  assertEquals([error.code, error.attempts, connector.requests.length], ["connection_lost", 3, 3]);
  assertEquals(error.message, failure.at(-1)!.message);
  const empty = events.filter((event) => event.type === "budget.empty");
  assertEquals(empty.map(({ reason, tokens }) => [reason, tokens]), [["connection_lost", 0]]);
  assertEquals(group.retryStats.retries, 2);
});

Deno.test("R4 first sends cost nothing, however many fail", async () => {
  const { clock, connector, group } = createFixture({
    operations: { work: fail("rate_limited", "Injected") },
  }, {
    retryBudget: { capacity: 0, perSecond: 0, perExecution: 0 },
    breaker: { pauseAfter: Infinity },
  });
  const all = Array.from({ length: 30 }, () => rejection(group.execute("work")));
  await clock.advance(1);
  assertEquals((await Promise.all(all)).every(({ code }) => code === "rate_limited"), true);
  assertEquals(connector.requests.length, 30);
});

Deno.test("C1 refusal here of a repeat carries the failure before it", async () => {
  const failure = createClientError("rate_limited", "Injected", { retryAfterMs: 100 });
  const { clock, group } = createFixture({
    operations: {
      work: () => {
        throw failure;
      },
    },
  });
  const caught = rejection(group.execute("work"));
  await clock.advance(50);
  group.breaker.isolate();
  await clock.advance(1_000);
  const error = await caught;
  assertEquals([error.code, error.delivery, error.attempts], ["circuit_open", "not_executed", 1]);
  assertStrictEquals(error.cause, failure);
});
