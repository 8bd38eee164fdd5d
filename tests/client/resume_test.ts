/** Executions whose server answers later: what is sent, what is asked for, and what is told. */
import { assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import type { ClientEvent } from "../../src/client/events.ts";
import type { Continuation } from "../../src/client/continuation.ts";
import type { JsonObject } from "../../src/client/ports.ts";
import { createClientError } from "../../src/errors/errors.ts";
import { settle } from "../support/fake_clock.ts";
import { data, hang, type MemoryOperation, untilAborted } from "../support/memory_connector.ts";
import { createFixture, rejection } from "./support.ts";

const STATE = { task: "t1" };
const CONTINUATION: Continuation = { server: "memory", operation: "act", state: STATE };
const LOST = () => createClientError("connection_lost", "Injected");

/** Is taken on, and then says no more. */
const defer: MemoryOperation = (_, { onDefer, signal }) => {
  onDefer?.(STATE);
  return untilAborted(signal);
};

Deno.test("execute() K6: asks for the answer on another connection, and sends an unsafe operation once", async () => {
  const asked: JsonObject[] = [];
  const { clock, connector, group, events } = createFixture({
    operations: { act: defer },
    resume: (state) => {
      asked.push(state);
      return Promise.resolve(data({ done: true }));
    },
  });
  const execution = group.start("act", { amount: 3 });
  await settle();
  assertEquals(execution.continuation, CONTINUATION);
  connector.connections[0]?.break(LOST());
  await clock.advance(1_000);
  const response = await execution.response;
  assertEquals([response.structuredContent, response.attempts], [{ done: true }, 2]);
  assertEquals(connector.requests.length, 1);
  assertEquals(asked, [STATE]);
  const deferred = events.filter((event) => event.type === "execution.deferred");
  assertEquals(deferred.map(({ attempt, continuation }) => [attempt, continuation]), [
    [1, CONTINUATION],
  ]);
});

Deno.test("execute() asks for an answer as often as the deadline allows, whatever maxAttempts says", async () => {
  let failures = 6;
  const { clock, group } = createFixture({
    operations: {
      act: (_, { onDefer }) => {
        onDefer?.(STATE);
        throw LOST();
      },
    },
    resume: () => {
      if (failures-- > 0) throw LOST();
      return Promise.resolve(data({ done: true }));
    },
  }, { maxAttempts: 2 });
  const running = group.execute("act");
  await clock.advance(30_000);
  assertEquals((await running).attempts, 8);
});

Deno.test("execute() with maxAttempts 1 asks no second time, and leaves the continuation", async () => {
  const { group, connector } = createFixture({
    operations: { act: defer },
    resume: () => Promise.resolve(data({ done: true })),
  }, { maxAttempts: 1 });
  const execution = group.start("act");
  await settle();
  connector.connections[0]?.break(LOST());
  const error = await rejection(execution.response);
  assertEquals([error.code, error.delivery], ["outcome_unknown", "unknown"]);
  const resumed = await group.resume(execution.continuation!).response;
  assertEquals([resumed.structuredContent, connector.requests.length], [{ done: true }, 1]);
});

for (const effect of ["safe", "idempotent", "unsafe"] as const) {
  Deno.test(`execute() takes "there will be no answer" for the last word, ${effect}`, async () => {
    const facts = { delivery: "unknown", effect, temporary: true } as const;
    const { group, connector } = createFixture({
      operations: {
        act: (_, { onDefer }) => {
          onDefer?.(STATE);
          throw createClientError("operation_failed", "Injected", facts);
        },
      },
      resume: () => Promise.reject(new Error("Must not be asked")),
    });
    const error = await rejection(group.execute("act", {}, { effect }));
    assertEquals(
      [error.code, error.delivery, error.retryable, error.attempts, connector.requests.length],
      ["operation_failed", "unknown", effect !== "unsafe", 1, 1],
    );
  });

  Deno.test(`execute() ends at its deadline while the server has not answered, ${effect}`, async () => {
    const { clock, group } = createFixture({ operations: { act: defer } });
    const execution = group.start("act", {}, { effect, timeoutMs: 60_000 });
    const failed = rejection(execution.response);
    await clock.advance(59_999);
    assertEquals(execution.attempts, 1); // the clocks of the attempt have ended
    await clock.advance(1);
    const error = await failed;
    const code = effect === "unsafe" ? "outcome_unknown" : "deadline_exceeded";
    assertEquals([error.code, error.delivery], [code, "unknown"]);
    assertEquals([execution.continuation, clock.timers], [CONTINUATION, 0]);
  });
}

Deno.test("execute() ends an attempt for its silence no more once the server answers later", async () => {
  const { clock, group } = createFixture(
    { operations: { act: defer } },
    { operations: { act: { effect: "safe", progressIdleTimeoutMs: 100 } } },
  );
  const execution = group.start("act", {}, { timeoutMs: 5_000 });
  const failed = rejection(execution.response);
  await clock.advance(5_000);
  assertEquals([(await failed).code, execution.attempts], ["deadline_exceeded", 1]);
});

Deno.test("execute() H1: sends no second copy once the server answers later", async () => {
  const { clock, connector, group } = createFixture({
    operations: {
      act: ({ arguments: { later } }, options) => {
        if (later === true) return defer({} as never, options);
        return data({});
      },
    },
  }, { hedge: true });
  for (let call = 0; call < 60; call++) await group.execute("act", {}, { effect: "safe" });
  const before = connector.requests.length;
  const failed = rejection(
    group.execute("act", { later: true }, { effect: "safe", timeoutMs: 1_000 }),
  );
  await clock.advance(1_000);
  await failed;
  assertEquals(connector.requests.length - before, 1);
});

Deno.test("execute() does not learn from an operation that takes its time how fast the server is", async () => {
  const { clock, connector, group } = createFixture({
    operations: {
      act: async (_, { onDefer, signal }) => {
        onDefer?.(STATE);
        await clock.sleep(10_000, signal);
        return data({});
      },
    },
  }, { hedge: true });
  for (let call = 0; call < 60; call++) {
    const running = group.execute("act", {}, { effect: "safe" });
    await clock.advance(10_000);
    await running;
  }
  // What usually takes ten seconds would be hopeless to send again with five left.
  const operations = connector.options.operations as Record<string, MemoryOperation>;
  let failures = 1;
  operations["act"] = () => {
    if (failures-- > 0) throw LOST();
    return data({ again: true });
  };
  const again = group.execute("act", {}, { effect: "safe", timeoutMs: 5_000 });
  await clock.advance(5_000);
  assertEquals((await again).structuredContent, { again: true });
});

Deno.test("resume() K6: gets the answer in another client and never sends the operation", async () => {
  const first = createFixture({ operations: { act: defer } });
  const stored: string[] = [];
  const execution = first.group.start("act");
  await settle();
  stored.push(JSON.stringify(execution.continuation));

  const second = createFixture(
    {
      operations: { act: hang },
      resume: (state, request, { onProgress, onDefer }) => {
        onProgress({ progress: 1, message: "nearly" });
        onDefer?.({ ...state, more: true });
        assertEquals([request.arguments, request.effect, request.attempt], [{}, "unsafe", 1]);
        return Promise.resolve(data({ done: true }));
      },
    },
    {},
    {},
  );
  const resumed = second.group.resume<{ done: boolean }>(JSON.parse(stored[0]!));
  assertEquals(resumed.continuation, CONTINUATION);
  const messages: (string | undefined)[] = [];
  for await (const { message } of resumed.progress) messages.push(message);
  const { structuredContent, operation } = await resumed.response;
  assertEquals([structuredContent?.done, operation, messages], [true, "act", ["nearly"]]);
  assertEquals(resumed.continuation?.state, { ...STATE, more: true });
  assertEquals(second.connector.requests.length, 0);
  execution.cancel();
  await rejection(execution.response);
});

Deno.test("resume() does not check arguments that it has none of", async () => {
  const { group } = createFixture({
    operations: { act: hang },
    validate: () => [{ pointer: "/amount", message: "is missing" }],
    resume: () => Promise.resolve(data({ done: true })),
  });
  assertEquals((await group.resume(CONTINUATION).response).success, true);
});

Deno.test("resume() K11: says that the operation may have run, whatever keeps it from asking", async () => {
  const refused = createFixture({
    onConnect: () => {
      throw createClientError("connection_refused", "Injected", { temporary: false });
    },
  });
  const unknown = createFixture({ operations: { other: hang } });
  const unable = createFixture({ operations: { act: hang } });
  const outcomes: unknown[] = [];
  for (const { group, connector } of [refused, unknown, unable]) {
    const error = await rejection(group.resume(CONTINUATION).response);
    outcomes.push([error.code, error.delivery, error.retryable, connector.requests.length]);
  }
  assertEquals(outcomes, [
    ["outcome_unknown", "unknown", false, 0],
    ["outcome_unknown", "unknown", false, 0],
    ["outcome_unknown", "unknown", false, 0],
  ]);
});

Deno.test("resume() ends with the caller's reason and tells it to the connection", async () => {
  let told: unknown;
  const { group } = createFixture({
    operations: { act: hang },
    resume: (_state, _request, { signal }) =>
      untilAborted(signal).catch((reason) => {
        told = reason;
        throw reason;
      }),
  });
  const abort = new AbortController();
  const resumed = group.resume(CONTINUATION, { signal: abort.signal });
  await settle();
  const reason = new Error("the user left");
  abort.abort(reason);
  assertStrictEquals(await rejection(resumed.response) as unknown, reason);
  assertStrictEquals(told, reason);
});

Deno.test("resume() refuses a continuation that is malformed or of another server", () => {
  const { group } = createFixture();
  const refusals: readonly (readonly [unknown, string])[] = [
    [undefined, "its options must be an object"],
    ["t1", "its options must be an object"],
    [{ ...CONTINUATION, server: "other" }, "'server' must be 'memory'"],
    [{ server: "memory", state: {} }, "'operation' must be a string"],
    [{ ...CONTINUATION, state: "t1" }, "'state' must be an object"],
    [{ ...CONTINUATION, state: null }, "'state' must be an object"],
  ];
  for (const [value, message] of refusals) {
    assertThrows(() => group.resume(value as Continuation), TypeError, message);
  }
  assertThrows(
    () => group.resume(CONTINUATION, { timeoutMs: -1 }),
    RangeError,
    "Cannot resume 'act' as 'timeoutMs' must be",
  );
});

Deno.test("execute() hears of nothing that is taken on after its end", async () => {
  let late: (() => void) | undefined;
  const { group, events } = createFixture({
    operations: {
      act: (_, { onDefer }) => {
        late = () => onDefer?.(STATE);
        return data({});
      },
    },
  });
  const execution = group.start("act");
  await execution.response;
  const told: ClientEvent[] = [...events];
  late?.();
  assertEquals([execution.continuation, events], [undefined, told]);
});
