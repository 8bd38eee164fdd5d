/** Who waits in front of a whole client's server, and what waiting and leaving cost (section 6). */
import { assertEquals, assertStrictEquals } from "@std/assert";
import { createClientError } from "../../src/errors/errors.ts";
import { settle } from "../support/fake_clock.ts";
import { data, hang, type MemoryOperation } from "../support/memory_connector.ts";
import { CountingSignal, createFixture, rejection } from "./support.ts";

Deno.test("A3 background calls are served after interactive ones, whenever they came", async () => {
  const order: unknown[] = [];
  const { clock, group } = createFixture({
    operations: {
      work: async ({ arguments: { name } }) => {
        order.push(name);
        await clock.sleep(10);
        return data({});
      },
    },
  }, { poolSize: 1 });
  const calls = ["first", "b1", "b2", "i1", "i2"].map((name) =>
    group.execute("work", { name }, {
      priority: name.startsWith("b") ? "background" : "interactive",
    })
  );
  await clock.advance(100);
  await Promise.all(calls);
  assertEquals(order, ["first", "i1", "i2", "b1", "b2"]);
});

Deno.test("A3 call that would be one too many in the queue is shed, and nobody else", async () => {
  const { clock, client, connector, group } = createFixture({ operations: { hang } }, {
    poolSize: 1,
    queue: { maxQueue: 2 },
  });
  const outcomes: Record<string, unknown> = {};
  const start = (name: string, priority: "interactive" | "background"): void => {
    group.execute("hang", {}, { timeoutMs: 1_000, priority }).catch((error) => {
      outcomes[name] ??= `${error.code} ${error.delivery} ${error.retryable} at ${clock.now()}`;
    });
  };
  start("running", "interactive");
  await settle();
  start("interactive", "interactive");
  start("background", "background");
  await settle();
  assertEquals(outcomes, {});
  start("another", "interactive");
  await settle();
  assertEquals(outcomes, { background: "shed not_sent true at 0" });
  const { waiting, overflowed } = client.stats().servers[0]!.queue;
  assertEquals([waiting, overflowed, connector.requests.length], [2, 1, 1]);
  await clock.advance(1_000);
  assertEquals(clock.timers, 0);
});

Deno.test("A4 call with less time than the operation takes is shed if another one waits, and told", async () => {
  const { clock, client, events, group } = createFixture({
    operations: {
      work: async (_, { signal }) => {
        await clock.sleep(1_000, signal);
        return data({});
      },
    },
  }, { poolSize: 2 });
  for (let i = 0; i < 20; i++) {
    const done = group.execute("work");
    await clock.advance(1_000);
    await done;
  }
  const running = [group.execute("work"), group.execute("work")];
  await settle();
  const hopeless = rejection(group.execute("work", {}, { timeoutMs: 1_500 }));
  const others = [group.execute("work"), group.execute("work")];
  await clock.advance(500);
  const { code, delivery, retryable, attempts } = await hopeless;
  assertEquals([code, delivery, retryable, attempts], ["shed", "not_sent", true, 0]);
  await clock.advance(2_000);
  await Promise.all([...running, ...others]);
  const shed = events.filter((event) => event.type === "queue.shed");
  assertEquals(shed.map(({ waitedMs, neededMs }) => [waitedMs, neededMs]), [[500, 1_000]]);
  assertEquals(client.stats().servers[0]!.queue.shed, 1);
});

Deno.test("A5 F3 F5 abort, wherever it strikes, gives back permit and lease and leaves nothing", async (t) => {
  const reason = { why: "closed tab" };
  const rateLimited = (): never => {
    throw createClientError("rate_limited", "Injected", { retryAfterMs: 5_000 });
  };
  const cases: Record<string, [MemoryOperation, afterMs: number]> = {
    "in the queue": [hang, 0],
    "during the attempt": [hang, 10],
    "during the attempt after next": [
      ({ attempt }, options) => attempt < 3 ? rateLimited() : hang(undefined!, options),
      15_000,
    ],
    "between attempts": [rateLimited, 10],
    "parked": [rateLimited, 10],
  };
  for (const [name, [operation, afterMs]] of Object.entries(cases)) {
    await t.step(name, async () => {
      const isQueued = name === "in the queue";
      const { clock, client, group } = createFixture(
        { operations: { work: operation, hang } },
        { poolSize: isQueued ? 1 : 10, breaker: { pauseAfter: name === "parked" ? 1 : Infinity } },
      );
      const first = isQueued ? rejection(group.execute("hang", {}, { timeoutMs: 5 })) : undefined;
      await settle();
      const signals = Array.from({ length: 3 }, () => new CountingSignal());
      const caught = signals.map(({ signal }) =>
        rejection(group.execute("work", {}, { signal, effect: "safe" }))
      );
      await clock.advance(afterMs);
      for (const signal of signals) {
        assertEquals(signal.listeners, 1);
        signal.abort(reason);
      }
      let settled = 0;
      for (const one of caught) void one.then(() => settled++);
      await settle();
      assertEquals(settled, 3);
      for (const one of caught) assertStrictEquals(await one as unknown, reason);
      await clock.advance(5);
      await first;
      const { limiter, pool, queue } = client.stats().servers[0]!;
      assertEquals([limiter.inFlight, pool.leases, queue.waiting, clock.timers], [0, 0, 0, 0]);
      assertEquals(signals.map(({ listeners }) => listeners), [0, 0, 0]);
    });
  }
});

Deno.test("L1 execution that waits to send again keeps neither a permit nor a lease", async () => {
  let isBusy = true;
  const { clock, client, group } = createFixture({
    operations: {
      busy: () => {
        if (isBusy) throw createClientError("rate_limited", "Injected", { retryAfterMs: 1_000 });
        return data({});
      },
      add: () => data({}),
    },
  }, { poolSize: 1 });
  const waiting = group.execute("busy");
  await clock.advance(10);
  const { limiter, pool } = client.stats().servers[0]!;
  assertEquals([limiter.inFlight, pool.leases], [0, 0]);
  assertEquals((await group.execute("add")).attempts, 1);
  isBusy = false;
  await clock.advance(1_500);
  assertEquals((await waiting).attempts, 2);
});
