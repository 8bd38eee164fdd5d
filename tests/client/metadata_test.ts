/** What a server is told beside a request (R5, R8, D4). */
import { assert, assertEquals } from "@std/assert";
import { createClientError } from "../../src/errors/errors.ts";
import { data, type MemoryOperation } from "../support/memory_connector.ts";
import { createRandom } from "../support/random.ts";
import { createFixture, failing, rejection } from "./support.ts";

Deno.test("R5 server that is to know gets the number of each attempt, second copies included", async () => {
  const { clock, connector, group } = createFixture({
    operations: { work: failing(2, "rate_limited", { retryAfterMs: 10 }) },
  }, { sendAttempt: true });
  const response = group.execute("work");
  await clock.advance(1_000);
  await response;
  assertEquals(connector.requests.map(({ meta }) => meta), [
    { "dev.automcp/attempt": 1 },
    { "dev.automcp/attempt": 2 },
    { "dev.automcp/attempt": 3 },
  ]);
});

Deno.test("R5 copies of one request have numbers of their own", async () => {
  const { clock, connector, group } = createFixture({
    operations: {
      read: async (_, { signal }) => {
        await clock.sleep(connector.requests.length <= 50 ? 10 : 1_000, signal);
        return data({});
      },
    },
  }, { sendAttempt: true, hedge: true, operations: { read: { effect: "safe" } } });
  for (let i = 0; i < 51; i++) {
    const done = group.execute("read");
    await clock.advance(1_000);
    await done;
  }
  assertEquals(connector.requests.slice(50).map(({ meta }) => meta), [
    { "dev.automcp/attempt": 1 },
    { "dev.automcp/attempt": 2 },
  ]);
});

Deno.test("D4 server that is to know gets the time that remains, in whole milliseconds, with each attempt", async () => {
  const { clock, connector, group } = createFixture({
    operations: { work: failing(1, "rate_limited", { retryAfterMs: 1_001 }) },
  }, { sendDeadline: true, timeoutMs: 10_000.5 });
  const response = group.execute("work");
  await clock.advance(5_000);
  await response;
  assertEquals(connector.requests.map(({ meta }) => meta), [
    { "dev.automcp/deadline-ms": 10_000 },
    // 1,001 ms and half of the spread of 500.5 ms later.
    { "dev.automcp/deadline-ms": 8_749 },
  ]);
});

Deno.test("D4 call without a time limit tells none", async () => {
  const { connector, group } = createFixture({}, { sendDeadline: true });
  await group.execute("add", {}, { timeoutMs: Infinity });
  assertEquals(connector.requests[0]?.meta, {});
});

Deno.test("R5 server that is not to know gets no metadata", async () => {
  const { connector, group } = createFixture();
  await group.execute("add");
  assertEquals("meta" in connector.requests[0]!, false);
});

Deno.test("R8 all attempts of an execution carry one key, which is its id, and make it idempotent", async () => {
  for (const place of ["argument", "meta"] as const) {
    const { clock, connector, events, group } = createFixture({
      operations: { pay: failing(2, "connection_lost") },
    }, { operations: { pay: { idempotency: { place, name: "key" } } } });
    const responses = [group.execute("pay", { cents: 5 }), group.execute("pay", { cents: 5 })];
    await clock.advance(5_000);
    const [first, second] = await Promise.all(responses);
    const keys = connector.requests.map((request) =>
      place === "meta" ? request.meta?.["key"] : request.arguments["key"]
    );
    assertEquals(keys.length, 4);
    assertEquals(new Set(keys), new Set([first!.executionId, second!.executionId]));
    for (const { effect, arguments: args } of connector.requests) {
      assertEquals([effect, args["cents"], "key" in args], [
        "idempotent",
        5,
        place === "argument",
      ]);
    }
    const ends = events.filter((event) => event.type === "execution.end");
    assertEquals(ends.map(({ effect }) => effect), ["idempotent", "idempotent"]);
  }
});

Deno.test("R8 caller's own key is kept, and effect may say more than the key", async () => {
  const { connector, group } = createFixture({}, {
    operations: {
      add: { effect: "unsafe", idempotency: { place: "argument", name: "key" } },
    },
  });
  await group.execute("add", { key: "mine" });
  await group.execute("add", {}, { effect: "safe", executionId: "e-2" });
  assertEquals(
    connector.requests.map(({ effect, arguments: { key } }) => [effect, key]),
    [["unsafe", "mine"], ["safe", "e-2"]],
  );
});

Deno.test("R8 server that recognises repeats runs each call once, and every call succeeds", async () => {
  for (const place of ["argument", "meta"] as const) {
    const random = createRandom(7);
    const effects = new Map<unknown, number>();
    const pay: MemoryOperation = ({ arguments: args, meta }) => {
      const key = place === "meta" ? meta?.["key"] : args["key"];
      const lot = random();
      if (lot < 0.15) throw createClientError("connection_lost", "Reset before it ran");
      const known = effects.get(key);
      effects.set(key, known ?? Number(args["cents"]));
      if (lot < 0.3) throw createClientError("connection_lost", "Reset after it ran");
      return data({ paid: effects.get(key)! });
    };
    const { clock, connector, group } = createFixture({ operations: { pay } }, {
      maxAttempts: 10,
      retryBudget: { capacity: 1_000 },
      breaker: { tripAfter: Infinity, tripShare: 2 },
      operations: { pay: { idempotency: { place, name: "key" } } },
    });
    const responses = Array.from({ length: 200 }, (_, cents) => group.execute("pay", { cents }));
    await clock.advance(29_000);
    const paid = (await Promise.all(responses)).map(({ structuredContent }) => structuredContent);
    assertEquals(paid, Array.from({ length: 200 }, (_, cents) => ({ paid: cents })));
    assertEquals(effects.size, 200);
    assert(connector.requests.length > 250, `${connector.requests.length}`);
  }
});

Deno.test("R8 without a key the same resets leave outcomes that nobody knows", async () => {
  const { group } = createFixture({ operations: { pay: failing(1, "connection_lost") } });
  assertEquals((await rejection(group.execute("pay"))).code, "outcome_unknown");
});
