/** Executions whose server asks this side for something before it goes on. */
import { assertEquals } from "@std/assert";
import type { AttemptOptions } from "../../src/client/ports.ts";
import { createClientError } from "../../src/errors/errors.ts";
import { settle } from "../support/fake_clock.ts";
import { data, hang, type MemoryOperation } from "../support/memory_connector.ts";
import { createHedging, USUAL_MS } from "./hedge_support.ts";
import { createFixture, rejection } from "./support.ts";

/** Asks, and waits so long for the answer. */
async function ask<T>(options: AttemptOptions, answering: Promise<T>): Promise<T> {
  options.onAsk?.(answering);
  return await answering;
}

Deno.test("an attempt's clocks stand still while its server waits for an answer", async () => {
  const timing = { timeoutMs: 600_000, attemptFloorMs: 2_000, maxAttempts: 600 };
  for (const clocks of [timing, { ...timing, attemptFloorMs: 9e5, progressIdleTimeoutMs: 2_000 }]) {
    const { clock, events, group } = createFixture({
      operations: {
        act: async (_, options) => {
          const { signal } = options;
          await clock.sleep(1_500, signal);
          // The second question begins and ends while the first is open.
          const first = ask(options, clock.sleep(300_000, signal));
          await ask(options, clock.sleep(100_000, signal));
          await first;
          await clock.sleep(400, signal);
          return data({ done: true });
        },
      },
    }, clocks);
    const done = group.execute("act", {}, { effect: "safe" });
    await clock.advance(301_900);
    assertEquals((await done).attempts, 1);
    const end = events.find((event) => event.type === "attempt.end");
    assertEquals(end?.elapsedMs, 1_900);
    assertEquals(clock.timers, 0);
  }
});

Deno.test("an attempt's clocks go on where they stood, once its server has its answer", async () => {
  const { clock, events, group } = createFixture({
    operations: {
      act: async (request, options) => {
        await clock.sleep(1_500, options.signal);
        await ask(options, clock.sleep(60_000, options.signal));
        return await hang(request, options);
      },
    },
  }, { timeoutMs: 600_000, attemptFloorMs: 2_000, maxAttempts: 600 });
  const caught = rejection(group.execute("act", {}, { effect: "safe" }));
  await clock.advance(61_999);
  assertEquals(events.some(({ type }) => type === "attempt.end"), false);
  await clock.advance(1);
  assertEquals(events.some(({ type }) => type === "attempt.end"), true);
  await clock.advance(600_000);
  assertEquals((await caught).code, "deadline_exceeded");
  assertEquals(clock.timers, 0);
});

Deno.test("the deadline of an execution does not stand still", async () => {
  const { clock, group } = createFixture({
    operations: { act: (_, options) => ask(options, new Promise<never>(() => {})) },
  }, { timeoutMs: 30_000 });
  const caught = rejection(group.execute("act"));
  await clock.advance(30_000);
  assertEquals([(await caught).code, clock.timers], ["outcome_unknown", 0]);
});

Deno.test("what an attempt has answered goes to the next one", async () => {
  let attempts = 0;
  const act: MemoryOperation = async (request, options) => {
    if (attempts++ === 0) {
      await ask(options, Promise.resolve({ name: "Ada" }));
      throw createClientError("rate_limited", "Later");
    }
    return data({ answered: request.answered as never });
  };
  const { clock, connector, group } = createFixture({ operations: { act } });
  const done = group.execute("act");
  await clock.advance(10_000);
  assertEquals((await done).structuredContent, { answered: { name: "Ada" } });
  assertEquals(connector.requests.map(({ answered }) => answered), [undefined, { name: "Ada" }]);
});

Deno.test("an operation that asked counts as begun, whatever refuses it after that", async () => {
  const act: MemoryOperation = async (_, options) => {
    await ask(options, Promise.resolve("yes"));
    throw createClientError("forbidden", "No");
  };
  const { group } = createFixture({ operations: { act } });
  const unsafe = await rejection(group.execute("act"));
  assertEquals([unsafe.code, unsafe.delivery], ["outcome_unknown", "unknown"]);
  const safe = await rejection(group.execute("act", {}, { effect: "safe" }));
  assertEquals([safe.code, safe.delivery], ["forbidden", "unknown"]);
});

Deno.test("an execution that asked gets no second copy", async () => {
  const { becomes, clock, connector, events, group, hedges, teach } = createHedging();
  await teach(50);
  becomes((_, options) => ask(options, clock.sleep(5_000, options.signal).then(() => data({}))));
  const done = group.execute("read");
  await clock.advance(5_000);
  assertEquals([(await done).attempts, hedges(), connector.requests.length], [1, 0, 1]);
  assertEquals(events.filter(({ type }) => type === "attempt.end").length, 1);
});

Deno.test("of two copies the one that asks first is the only one left", async () => {
  for (const asking of [1, 2]) {
    const { becomes, clock, group, hedges, teach } = createHedging();
    await teach(50);
    let ended = 0;
    becomes(async (request, options) => {
      if (request.attempt !== asking) {
        options.signal.addEventListener("abort", () => ended = request.attempt);
        return await hang(request, options);
      }
      await clock.sleep(2 * USUAL_MS, options.signal);
      await ask(options, clock.sleep(5_000, options.signal));
      return data({ asked: asking });
    });
    const done = group.execute("read");
    await clock.advance(USUAL_MS);
    assertEquals(hedges(), 1);
    await clock.advance(2 * USUAL_MS);
    await settle();
    assertEquals(ended, 3 - asking);
    await clock.advance(5_000);
    assertEquals((await done).structuredContent, { asked: asking });
    assertEquals(clock.timers, 0);
  }
});
