import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { AutoMCPClient } from "../../src/client/client.ts";
import { createClientError, OperationError } from "../../src/errors/errors.ts";
import { RetryableClientGroup } from "../../src/client/retryable_group.ts";
import { FakeClock, settle } from "../support/fake_clock.ts";
import { data, MemoryConnector, untilAborted } from "../support/memory_connector.ts";
import { CountingSignal, createFixture, failing, rejection } from "./support.ts";

Deno.test("P1 AutoMCPClient sends 100 calls ten at a time and leaves the pool empty", async () => {
  const { clock, connector, client, group } = createFixture({
    operations: {
      work: async (_, { signal }) => {
        await clock.sleep(50, signal);
        return data({ done: true });
      },
    },
  }, { poolSize: 10 });
  const responses = Promise.all(Array.from({ length: 100 }, () => group.execute("work")));
  await clock.advance(500);
  assertEquals((await responses).length, 100);
  assertEquals(connector.maxInFlight, 10);
  assertEquals(connector.connects, 1);
  const { pool } = client.stats().servers[0]!;
  assertEquals([pool.leases, pool.waiting, pool.size, clock.timers], [0, 0, 1, 0]);
});

Deno.test("P6 aborting half of 1,000 waiting callers leaves no waiter, timer or listener", async () => {
  const { clock, connector, client, group } = createFixture({
    operations: {
      work: async (_, { signal }) => {
        await clock.sleep(10, signal);
        return data({ done: true });
      },
    },
  }, { poolSize: 10, queue: { maxQueue: 1_000 } });
  const signals = Array.from({ length: 1_000 }, () => new CountingSignal());
  const outcomes = signals.map(({ signal }) =>
    group.execute("work", {}, { signal }).then(() => "done", (reason) => reason)
  );
  await settle();
  await settle();
  assertEquals(client.stats().servers[0]!.queue.waiting, 990);
  signals.forEach((signal, index) => index % 2 === 1 && signal.abort("left"));
  await clock.advance(2_000);
  const all = await Promise.all(outcomes);
  assertEquals(all.filter((outcome) => outcome === "left").length, 500);
  assertEquals(all.filter((outcome) => outcome === "done").length, 500);
  const { pool, queue, limiter } = client.stats().servers[0]!;
  assertEquals([pool.leases, queue.waiting, limiter.inFlight, clock.timers], [0, 0, 0, 0]);
  assertEquals(signals.reduce((sum, { listeners }) => sum + listeners, 0), 0);
  assertEquals(connector.maxInFlight, 10);
});

Deno.test("AutoMCPClient.group() names the nearest group for a wrong name", () => {
  const connector = new MemoryConnector();
  const client = new AutoMCPClient("test", { groups: { files: { connector } } });
  assert(client.group("files") instanceof RetryableClientGroup);
  const error = assertThrows(
    () => client.group("fiels"),
    OperationError,
    "No group 'fiels'; did you mean 'files'?",
  );
  assertEquals([error.code, error.delivery], ["group_not_found", "not_executed"]);
});

Deno.test("AutoMCPClient shares one pool among groups with one connector", async () => {
  const connector = new MemoryConnector();
  const client = new AutoMCPClient("test", {
    groups: { a: { connector }, b: { connector, timeoutMs: 5_000 } },
  });
  await client.group("a").execute("add", { a: 1, b: 2 });
  await client.group("b").execute("add", { a: 1, b: 2 });
  assertEquals([connector.connects, connector.describes], [1, 1]);
  assertEquals(client.stats().servers.length, 1);
  await client.close();
});

Deno.test("AutoMCPClient.connect() tells which servers cannot be reached and fails nothing", async () => {
  const clock = new FakeClock();
  const dead = new MemoryConnector({
    name: "dead",
    onConnect: () => {
      throw createClientError("connection_refused", "Injected");
    },
  });
  const client = new AutoMCPClient("test", {
    clock,
    groups: { alive: { connector: new MemoryConnector() }, dead: { connector: dead } },
  });
  const connecting = client.connect();
  await clock.advance(5_000);
  const failures = await connecting;
  assertEquals([...failures].map(([name, { code }]) => [name, code]), [["dead", "pool_timeout"]]);
  assertEquals([client.group("alive").state, client.group("dead").state], ["open", "failed"]);
  assertEquals(client.group("dead").lastError?.code, "connection_refused");
});

Deno.test("AutoMCPClient.close() lets calls in flight end and refuses those that wait", async () => {
  const { clock, client, connector, group } = createFixture({
    operations: {
      work: async (_, { signal }) => {
        await clock.sleep(1_000, signal);
        return data({ done: true });
      },
    },
  }, { poolSize: 1 });
  const inFlight = group.execute("work");
  await clock.advance(1);
  const waiting = rejection(group.execute("work"));
  await settle();
  const closed = client.close();
  assertEquals((await waiting).code, "pool_closed");
  await clock.advance(1_000);
  assertEquals((await inFlight).structuredContent, { done: true });
  await closed;
  assertEquals(connector.connections[0]?.closes, 1);
  assertEquals((await rejection(group.execute("work"))).code, "pool_closed");
  await settle();
  assertEquals(clock.timers, 0);
});

Deno.test("AutoMCPClient.close() ends calls that outlast the grace, and says what is proved", async () => {
  for (const effect of ["safe", "unsafe"] as const) {
    const { clock, client, group } = createFixture({
      operations: { hang: (_, { signal }) => untilAborted(signal) },
    });
    const caught = rejection(group.execute("hang", {}, { effect }));
    await clock.advance(1);
    const closed = client.close({ graceMs: 100 });
    await clock.advance(100);
    await closed;
    const error = await caught;
    assertEquals([error.code, error.delivery], [
      effect === "safe" ? "pool_closed" : "outcome_unknown",
      "unknown",
    ]);
    assertEquals(clock.timers, 0);
  }
});

Deno.test("AutoMCPClient.close() ends executions that wait for a retry", async () => {
  const { clock, client, group } = createFixture({
    operations: { work: failing(9, "rate_limited", { retryAfterMs: 20_000 }) },
  });
  const caught = rejection(group.execute("work"));
  await clock.advance(1);
  const closed = client.close();
  await settle();
  await closed;
  assertEquals((await caught).code, "pool_closed");
  assertEquals(clock.timers, 0);
});

Deno.test("AutoMCPClient is disposed of by closing it", async () => {
  const { client, connector, group } = createFixture();
  {
    await using _ = client;
    await group.execute("add", { a: 1, b: 2 });
  }
  assertEquals(connector.connections[0]?.closes, 1);
});

Deno.test("AutoMCPClient emits a start and an end for every execution and attempt, in order", async () => {
  const { clock, events, group } = createFixture({
    operations: { work: failing(2, "rate_limited", { retryAfterMs: 100 }) },
  });
  const response = group.execute("work");
  await clock.advance(1_000);
  const { executionId } = await response;
  assertEquals(events.map(({ type }) => type), [
    "execution.start",
    "pool.created",
    "attempt.start",
    "attempt.end",
    "retry.scheduled",
    "attempt.start",
    "attempt.end",
    "limiter.change",
    "retry.scheduled",
    "attempt.start",
    "attempt.end",
    "execution.end",
  ]);
  assert(events.every((event) => !("executionId" in event) || event.executionId === executionId));
  const end = events.at(-1);
  assert(end?.type === "execution.end");
  assertEquals([end.outcome, end.delivery, end.attempts, end.effect], [
    "completed",
    "executed",
    3,
    "unsafe",
  ]);
});

Deno.test("AutoMCPClient survives a listener that throws, and the throw is reported", async () => {
  const thrown: unknown[] = [];
  const report = (event: ErrorEvent): void => {
    event.preventDefault();
    thrown.push(event.error);
  };
  globalThis.addEventListener("error", report);
  try {
    const { group } = createFixture({}, {}, {
      onEvent: ({ type }) => {
        throw new Error(type);
      },
    });
    const response = await group.execute("add", { a: 1, b: 2 });
    assertEquals(response.structuredContent, { sum: 3 });
    await settle();
    assert(thrown.length >= 4);
  } finally {
    globalThis.removeEventListener("error", report);
  }
});

Deno.test("AutoMCPClient.stats() adds up", async () => {
  const { clock, client, group } = createFixture({
    operations: {
      once: failing(1, "rate_limited", { retryAfterMs: 100 }),
      never: failing(Infinity, "connection_lost"),
      good: () => data({ done: true }),
      hang: (_, { signal }) => untilAborted(signal),
    },
  });
  const controller = new AbortController();
  const all = Promise.allSettled([
    group.execute("once"),
    group.execute("never"),
    group.execute("good"),
    group.execute("nope"),
    group.execute("hang", {}, { signal: controller.signal }),
  ]);
  const cancelled = group.start("hang");
  await clock.advance(1_000);
  assertEquals(group.retryStats.running, 2);
  controller.abort();
  cancelled.cancel();
  await all;
  await rejection(cancelled.response);
  const stats = client.stats().groups["g"]!;
  assertEquals(stats, {
    server: "memory",
    started: 6,
    running: 0,
    completed: 2,
    failed: 3,
    aborted: 1,
    attempts: 6,
    retries: 1,
    retriesByCode: { rate_limited: 1 },
    failedByCode: { outcome_unknown: 1, operation_not_found: 1, cancelled: 1 },
    waitMs: 125,
  });
  assertEquals(structuredClone(client.stats()), client.stats());
});

Deno.test("ClientGroup.execute() with its promise dropped reports a failure as unhandled", async () => {
  const { group } = createFixture();
  const reasons: unknown[] = [];
  const report = (event: PromiseRejectionEvent): void => {
    event.preventDefault();
    reasons.push(event.reason.code);
  };
  globalThis.addEventListener("unhandledrejection", report);
  try {
    void group.execute("nope");
    void group.start("nope");
    await settle();
    await settle();
    assertEquals(reasons, ["operation_not_found"]);
  } finally {
    globalThis.removeEventListener("unhandledrejection", report);
  }
});

Deno.test("RetryableClientGroup.executeWithRetry() overrides the policy, but never an unknown outcome", async () => {
  const { clock, connector, group } = createFixture({
    operations: {
      later: failing(4, "rate_limited", { retryAfterMs: 10 }),
      lost: failing(4, "connection_lost"),
    },
  });
  const response = group.executeWithRetry("later", {}, { maxAttempts: 5 });
  await clock.advance(1_000);
  assertEquals((await response).attempts, 5);
  const error = await rejection(
    group.executeWithRetry("lost", {}, { maxAttempts: 50, baseDelayMs: 0 }),
  );
  assertEquals([error.code, connector.requests.length], ["outcome_unknown", 6]);
});

Deno.test("ClientGroup refuses options and arguments that are wrong, at once", () => {
  const { group } = createFixture();
  const wrong = (options: object): never => options as never;
  assertThrows(
    () => group.start("add", {}, wrong({ timeoutMS: 5 })),
    TypeError,
    "did you mean 'timeoutMs'?",
  );
  assertThrows(() => group.start("add", {}, { timeoutMs: 0 }), RangeError, "must be a number > 0");
  assertThrows(() => group.start("add", {}, { timeoutMs: NaN }), RangeError);
  assertThrows(() => group.start("add", wrong([1])), TypeError, "must be an object");
  assertThrows(() => group.start("add", {}, wrong({ effect: "none" })), TypeError, "'idempotent'");
  assertThrows(
    () => void group.executeWithRetry("add", {}, { maxAttempts: 0 }),
    RangeError,
    "'maxAttempts' must be an integer >= 1",
  );
});

Deno.test("ClientGroup includes, excludes and configures operations whose names hold a slash", async () => {
  const operations = {
    "resources/list": () => data({ resources: [] }),
    "resources/read": () => data({ contents: [] }),
    "prompts/get": () => data({ messages: [] }),
  };
  const included = createFixture({ operations }, {
    include: ["resources/list", "resources/read"],
    exclude: ["resources/list"],
    operations: { "resources/read": { effect: "idempotent", timeoutMs: 7 } },
  });
  const described = await included.group.describe();
  assertEquals(described.operations.map(({ name, effect }) => [name, effect]), [
    ["resources/read", "idempotent"],
  ]);
  assertEquals(included.group.timeoutMsOf("resources/read"), 7);
  assertEquals((await included.group.execute("resources/read", { uri: "x" })).success, true);
  assertEquals(included.connector.requests.map(({ effect }) => effect), ["idempotent"]);
  for (const name of ["resources/list", "prompts/get"]) {
    await assertRejects(() => included.group.execute(name), OperationError, "has no operation");
  }
});

Deno.test("ClientGroup.describe() lists what the group has, with its effects", async () => {
  const { connector, group } = createFixture({
    operations: { read: () => data({}), write: () => data({}), drop: () => data({}) },
    hints: { read: { readOnly: true }, write: { idempotent: true }, drop: { destructive: true } },
  }, { trustAnnotations: true, exclude: ["drop"], operations: { write: { effect: "unsafe" } } });
  const description = await group.describe();
  await group.describe();
  assertEquals(description.operations.map(({ name, effect }) => [name, effect]), [
    ["read", "safe"],
    ["write", "unsafe"],
  ]);
  assertEquals([description.era, description.server?.name, connector.describes], [
    "modern",
    "memory",
    1,
  ]);
  await assertRejects(() => group.execute("drop"), OperationError, "has no operation 'drop'");
});
