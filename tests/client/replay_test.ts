/** What is kept of requests so that they can be sent again (R9). */
import { assertEquals } from "@std/assert";
import { createClientError } from "../../src/errors/errors.ts";
import { ReplayStore } from "../../src/client/replay.ts";
import { data, hang, type MemoryOperation } from "../support/memory_connector.ts";
import { createFixture, rejection } from "./support.ts";

const MIB = 2 ** 20;

/** A text whose arguments object is so long as JSON. */
const fill = (bytes: number): { text: string } => ({
  text: "x".repeat(bytes - '{"text":""}'.length),
});

const refuse: MemoryOperation = () => {
  throw createClientError("rate_limited", "Injected", { retryAfterMs: 1 });
};

Deno.test("R9 request of at most 1 MiB is sent again, a longer one is not", async () => {
  for (const [bytes, sends] of [[MIB, 3], [MIB + 1, 1], [2 * MIB, 1]] as const) {
    const { clock, connector, group } = createFixture({ operations: { work: refuse } });
    const caught = rejection(group.execute("work", fill(bytes)));
    await clock.advance(100);
    const { code, attempts, retryable } = await caught;
    assertEquals([code, attempts, retryable], ["rate_limited", sends, true], `${bytes}`);
    assertEquals(connector.requests.length, sends);
  }
});

Deno.test("R9 request that is too long for a second send gets no second copy either", async () => {
  let isSlow = false;
  const { clock, events, group } = createFixture({
    operations: {
      read: async (_, { signal }) => {
        await clock.sleep(isSlow ? 1_000 : 10, signal);
        return data({});
      },
    },
  }, { hedge: true, operations: { read: { effect: "safe" } } });
  for (let i = 0; i < 50; i++) {
    const done = group.execute("read");
    await clock.advance(10);
    await done;
  }
  isSlow = true;
  for (const [bytes, copies] of [[2 * MIB, 0], [100, 1]] as const) {
    const done = group.execute("read", fill(bytes));
    await clock.advance(2_000);
    assertEquals((await done).attempts, 1 + copies);
    assertEquals(events.filter(({ type }) => type === "hedge.sent").length, copies);
  }
});

Deno.test("R9 client keeps 16 MiB of all its requests, and gives the room back as they end", async () => {
  let isBusy = true;
  const { clock, connector, group } = createFixture({
    operations: {
      work: async (request, options) => {
        await clock.sleep(100, options.signal);
        return isBusy ? refuse(request, options) : data({});
      },
    },
  }, { poolSize: 30, breaker: { pauseAfter: Infinity }, limiter: { dropShare: 1 } });
  for (let round = 0; round < 2; round++) {
    isBusy = true;
    connector.requests.length = 0;
    const outcomes = Array.from(
      { length: 20 },
      () => group.execute("work", fill(MIB)).then(() => "completed", ({ code }) => code),
    );
    await clock.advance(100);
    isBusy = false;
    await clock.advance(1_000);
    const all = await Promise.all(outcomes);
    assertEquals(all.filter((outcome) => outcome === "completed").length, 16);
    assertEquals(all.filter((outcome) => outcome === "rate_limited").length, 4);
    assertEquals(connector.requests.length, 36);
  }
});

Deno.test("R9 room is given back however an execution ends", async () => {
  let isBusy = false;
  const { clock, connector, group } = createFixture({
    operations: {
      work: (request, options) => {
        if (!isBusy) return hang(request, options);
        return request.attempt === 1 ? refuse(request, options) : data({});
      },
    },
  }, { poolSize: 40, breaker: { pauseAfter: Infinity } });
  const controller = new AbortController();
  const ended = Array.from({ length: 16 }, (_, i) =>
    group.start("work", fill(MIB), {
      ...(i % 3 === 0 && { signal: controller.signal }),
      ...(i % 3 === 1 && { timeoutMs: 1_000 }),
    }));
  await clock.advance(1_000);
  controller.abort();
  for (const execution of ended) execution.cancel();
  await Promise.allSettled(ended.map(({ response }) => response));
  isBusy = true;
  const again = Promise.all(Array.from({ length: 16 }, () => group.execute("work", fill(MIB))));
  await clock.advance(100);
  assertEquals((await again).every(({ attempts }) => attempts === 2), true);
  assertEquals(connector.requests.length, 48);
});

Deno.test("ReplayStore takes what fits, and again once room is given back", () => {
  const store = new ReplayStore();
  assertEquals(store.keep(MIB + 1), false);
  const kept = Array.from({ length: 17 }, () => store.keep(MIB));
  assertEquals(kept.filter(Boolean).length, 16);
  assertEquals(store.keep(1), false);
  store.drop(1);
  assertEquals([store.keep(2), store.keep(1)], [false, true]);
});
