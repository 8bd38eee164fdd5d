/** What errors, events and stats tell of executions, and to whom (section 9). */
import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import { createClientError } from "../../src/errors/errors.ts";
import { settle } from "../support/fake_clock.ts";
import { data, hang, type MemoryOperation, refuseBad } from "../support/memory_connector.ts";
import { createFixture, failing, rejection } from "./support.ts";

/** In all that must never be told: arguments, answers, and what foreign errors say. */
const MARKER = "s3cr3t-marker";

const foreign = (): never => {
  throw Object.assign(new TypeError(`cannot send ${MARKER}`), { body: MARKER, headers: MARKER });
};

Deno.test("E2 no error, event or stat holds arguments, results or the texts of foreign errors", async () => {
  const operations: Record<string, MemoryOperation> = {
    good: () => data({ answer: MARKER }),
    no: () => ({ status: "error", content: [{ type: "text", text: MARKER }] }),
    foreign,
    later: failing(1, "rate_limited", { retryAfterMs: 10, cause: new Error(MARKER) }),
    lost: failing(9, "connection_lost", { cause: new Error(MARKER) }),
    unknown: failing(9, "unavailable", { cause: { body: MARKER } }),
    reporting: (_, { onProgress }) => {
      onProgress({ progress: Infinity, message: MARKER });
      return data({});
    },
    hang,
  };
  const { clock, client, events, group } = createFixture({ operations, validate: refuseBad }, {
    sendAttempt: true,
    operations: { good: { idempotency: { place: "meta", name: "key" } } },
  });
  const told: unknown[] = [];
  for (const operation of [...Object.keys(operations), "unheard of"]) {
    for (const effect of ["safe", "unsafe"] as const) {
      for (const args of [{ token: MARKER }, { bad: MARKER }]) {
        const execution = group.start(operation, args, { effect, timeoutMs: 2_000 });
        const done = execution.response.catch((error) => told.push(error, String(error)));
        await clock.advance(2_000);
        await done;
      }
    }
  }
  assert(told.length > 20 && events.length > 100);
  for (const [index, one] of [...told, ...events, client.stats()].entries()) {
    const text = typeof one === "string" ? one : JSON.stringify(one);
    assert(!text.includes(MARKER), `${index}: ${text}`);
  }
  const { servers } = client.stats();
  assertEquals(servers[0]!.limiter.inFlight, 0);
});

Deno.test("E2 foreign error stays the cause, for whoever holds the error", async () => {
  const { group } = createFixture({ operations: { foreign } });
  const error = await rejection(group.execute("foreign", {}, { effect: "safe" }));
  assertEquals(error.code, "internal");
  assert((error.cause as Error).message.includes(MARKER));
  assertEquals(error.toJSON().cause, { name: "TypeError" });
});

Deno.test("E4 caller's reason comes out as it is, even if it looks like one of our errors", async () => {
  const reasons = [
    createClientError("rate_limited", "Mine", { delivery: "not_sent" }),
    new DOMException("Mine", "AbortError"),
    undefined,
    null,
    0,
  ];
  for (const reason of reasons) {
    const { clock, connector, group, events } = createFixture({ operations: { hang } });
    const controller = new AbortController();
    const { signal } = controller;
    let thrown: unknown = "nothing";
    const done = group.execute("hang", {}, { effect: "safe", signal })
      .catch((error) => thrown = error);
    await settle();
    controller.abort(reason);
    await done;
    // An abort without a reason gets one by the platform.
    assertStrictEquals(thrown, signal.reason);
    if (reason !== undefined) assertStrictEquals(thrown, reason);
    const end = events.at(-1);
    assert(end?.type === "execution.end");
    assertEquals([end.outcome, end.code, end.delivery], ["cancelled", undefined, "unknown"]);
    assertEquals([connector.requests.length, group.retryStats.failed, clock.timers], [1, 0, 0]);
  }
});

Deno.test("E5 listener and traceAttempt that throw break nothing and are reported", async () => {
  const reported: unknown[] = [];
  const report = (event: ErrorEvent): void => {
    event.preventDefault();
    reported.push(event.error.message);
  };
  globalThis.addEventListener("error", report);
  try {
    const trace = { traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01" };
    const { clock, connector, client, group } = createFixture(
      {
        operations: { work: failing(1, "rate_limited", { retryAfterMs: 10 }) },
      },
      {},
      {
        onEvent: ({ type }) => {
          throw new Error(type);
        },
        traceAttempt: (_, attempt) => {
          throw new Error(`trace ${attempt}`);
        },
      },
    );
    const response = group.execute("work", {}, { trace });
    await clock.advance(100);
    assertEquals((await response).attempts, 2);
    await settle();
    // The trace context of the call itself is what is left.
    assertEquals(connector.requests.map((request) => request.trace), [trace, trace]);
    for (const text of ["trace 1", "trace 2", "execution.start", "attempt.end", "execution.end"]) {
      assert(reported.includes(text), `${text} of ${reported}`);
    }
    const { limiter, pool } = client.stats().servers[0]!;
    assertEquals([limiter.inFlight, pool.leases, clock.timers], [0, 0, 0]);
  } finally {
    globalThis.removeEventListener("error", report);
  }
});

Deno.test("AutoMCPClient tells events of an execution in the order in which they happen, with what belongs to them", async () => {
  const { clock, events, group } = createFixture({
    operations: {
      work: ({ attempt }) => {
        if (attempt === 1) throw createClientError("connection_refused", "Injected");
        if (attempt === 2) throw createClientError("unavailable", "Injected", { effect: "safe" });
        return { status: "error", content: [] };
      },
    },
  });
  const response = group.execute("work", {}, { effect: "safe", executionId: "e-1" });
  await clock.advance(1_000);
  await response;
  const own = events.filter((event) => "executionId" in event)
    .map(({ atMs: _, ...event }) => event);
  const shared = { executionId: "e-1", server: "memory" };
  assertEquals(
    own,
    [
      { ...shared, type: "execution.start", group: "g", operation: "work" },
      { ...shared, type: "attempt.start", attempt: 1, generation: 1 },
      {
        ...{ ...shared, type: "attempt.end", attempt: 1, delivery: "not_sent" },
        ...{ code: "connection_refused", elapsedMs: 0 },
      },
      {
        ...{ ...shared, type: "retry.scheduled", reason: "connection_refused", waitMs: 50 },
        tokens: 49,
      },
      { ...shared, type: "attempt.start", attempt: 2, generation: 1 },
      {
        ...{ ...shared, type: "attempt.end", attempt: 2, delivery: "unknown" },
        ...{ code: "unavailable", elapsedMs: 0 },
      },
      { ...shared, type: "retry.scheduled", reason: "unavailable", waitMs: 75, tokens: 48.05 },
      { ...shared, type: "attempt.start", attempt: 3, generation: 1 },
      {
        ...{ ...shared, type: "attempt.end", attempt: 3, delivery: "executed" },
        ...{ status: "error", elapsedMs: 0 },
      },
      {
        ...{ ...shared, type: "execution.end", outcome: "completed", effect: "safe" },
        ...{ delivery: "executed", attempts: 3, elapsedMs: 125 },
      },
    ] as unknown as typeof own,
  );
});
