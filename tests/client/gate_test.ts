/** Breaker, limiter and queue in front of a whole client's server (sections 5, 6, 9 and 10). */
import { assert, assertEquals, assertInstanceOf, assertStrictEquals } from "@std/assert";
import { CircuitOpenError, type ClientError, createClientError } from "../../src/errors/errors.ts";
import { settle } from "../support/fake_clock.ts";
import { data, hang, type MemoryOperation } from "../support/memory_connector.ts";
import { CountingSignal, createFixture, rejection } from "./support.ts";

const refusal = () => createClientError("connection_refused", "Injected");

/** A server that refuses every request, connection and check while it is down. */
function createOutage(
  group: Parameters<typeof createFixture>[1] = {},
  operations: Record<string, MemoryOperation> = {},
) {
  const outage = { isDown: false };
  const failIfDown = (): void => {
    if (outage.isDown) throw refusal();
  };
  const fixture = createFixture({
    onConnect: failIfDown,
    onCheck: failIfDown,
    onDescribe: failIfDown,
    operations: {
      add: () => {
        failIfDown();
        return data({ sum: 3 });
      },
      ...operations,
    },
  }, group);
  return { ...fixture, outage };
}

/** Lets five requests be refused, which opens the breaker. */
async function trip({ clock, group, outage }: ReturnType<typeof createOutage>): Promise<void> {
  await group.execute("add");
  outage.isDown = true;
  const caught = Array.from(
    { length: 5 },
    () => rejection(group.executeWithRetry("add", {}, { maxAttempts: 1 })),
  );
  await clock.advance(0);
  await Promise.all(caught);
  assertEquals(group.breaker.state, "open");
}

Deno.test("B2 B6 five refused requests open the breaker; callers park, and one check lets them all pass", async () => {
  const fixture = createOutage();
  const { clock, client, connector, events, group, outage } = fixture;
  await trip(fixture);
  const sent = connector.requests.length;
  const parked = Array.from({ length: 20 }, () => group.execute("add"));
  await clock.advance(1_000);
  // Checks only: no operation of a caller finds out whether the server is back.
  assertEquals([connector.requests.length, client.stats().servers[0]!.queue.waiting], [sent, 20]);
  const checks = connector.checks;
  assert(checks >= 1);
  outage.isDown = false;
  await clock.advance(2_000);
  const responses = await Promise.all(parked);
  assertEquals(responses.every(({ attempts }) => attempts === 1), true);
  assertEquals([connector.checks, connector.requests.length - sent], [checks + 1, 20]);
  const states = events.filter((event) => event.type === "breaker.transition").map(({ to }) => to);
  assertEquals(states.slice(0, 2), ["open", "half_open"]);
  assertEquals(states.at(-1), "closed");
  const { queue, limiter } = client.stats().servers[0]!;
  assertEquals([queue.waiting, limiter.inFlight, clock.timers], [0, 0, 0]);
});

Deno.test("B7 those who were parked come eight at a time at most in the first round", async () => {
  const fixture = createOutage({ poolSize: 100, limiter: { initialLimit: 100 } }, {
    slow: async () => {
      await fixture.clock.sleep(100);
      return data({});
    },
  });
  const { clock, connector, group, outage } = fixture;
  await trip(fixture);
  connector.maxInFlight = 0;
  const parked = Promise.all(Array.from({ length: 100 }, () => group.execute("slow")));
  outage.isDown = false;
  await clock.advance(400);
  assertEquals([connector.inFlight, connector.maxInFlight], [8, 8]);
  await clock.advance(5_000);
  await parked;
});

Deno.test("B6 failFast refuses at once, before the list too, with the time of the next check", async () => {
  const fixture = createOutage({ failFast: true });
  const { clock, connector, group, outage } = fixture;
  await trip(fixture);
  const [sent, listed] = [connector.requests.length, connector.describes];
  const error = await rejection(group.execute("add"));
  assertInstanceOf(error, CircuitOpenError);
  assertEquals([error.code, error.delivery, error.retryable, error.attempts], [
    "circuit_open",
    "not_sent",
    true,
    0,
  ]);
  assertEquals(error.retryAfterMs, 375);
  assertEquals((await rejection(group.execute("unheard of"))).code, "circuit_open");
  assertEquals([connector.requests.length, connector.describes], [sent, listed]);
  // Nobody waits, so nothing runs; who comes once a check is due has it made.
  assertEquals([clock.timers, connector.checks], [0, 0]);
  await clock.advance(400);
  assertEquals((await rejection(group.execute("add"))).retryAfterMs, 0);
  await settle();
  assertEquals([connector.checks, group.breaker.state], [1, "open"]);
  outage.isDown = false;
  await clock.advance(2_000);
  assertEquals((await rejection(group.execute("add"))).code, "circuit_open");
  await settle();
  assertEquals([connector.checks, group.breaker.state], [2, "closed"]);
  assertEquals((await group.execute("add")).attempts, 1);
  assertEquals(clock.timers, 0);
});

Deno.test("E1 repeat that failFast refuses carries the failure before it, and nothing ran", async () => {
  const fixture = createOutage({ failFast: true, breaker: { tripAfter: 1 } });
  const { clock, group, outage } = fixture;
  await group.execute("add");
  outage.isDown = true;
  const caught = rejection(group.execute("add"));
  await clock.advance(1_000);
  const error = await caught;
  assertEquals([error.code, error.delivery, error.attempts], ["circuit_open", "not_sent", 1]);
  const cause = error.cause as ClientError;
  assertEquals([cause.code, cause.message], ["connection_refused", "Injected"]);
  assertEquals(typeof error.retryAfterMs, "number");
});

Deno.test("B8 ClientGroup.breaker isolates the server by hand, and closes it again", async () => {
  const { clock, connector, group } = createFixture({ operations: { hang, add: () => data({}) } }, {
    poolSize: 1,
  });
  const running = rejection(group.execute("hang", {}, { timeoutMs: 1_000 }));
  await settle();
  const queued = rejection(group.execute("add"));
  await settle();
  group.breaker.isolate();
  const refused = [await queued, await rejection(group.execute("add"))];
  for (const { code, delivery, retryAfterMs } of refused) {
    assertEquals([code, delivery, retryAfterMs], ["circuit_open", "not_sent", undefined]);
  }
  // What runs is let be.
  assertEquals(connector.inFlight, 1);
  group.breaker.close();
  await clock.advance(1_000);
  assertEquals((await running).code, "outcome_unknown");
  assertEquals((await group.execute("add")).attempts, 1);
  assertEquals([connector.checks, clock.timers], [0, 0]);
});

Deno.test("L2 list waits in front of the same gate as calls until the server is back", async () => {
  const fixture = createOutage();
  const { clock, connector, group, outage } = fixture;
  outage.isDown = true;
  const described = group.describe({ timeoutMs: 60_000 });
  await clock.advance(20_000);
  assertEquals([group.breaker.isShut, connector.describes], [true, 0]);
  outage.isDown = false;
  await clock.advance(10_000);
  assertEquals((await described).operations.map(({ name }) => name), ["add"]);
  assertEquals([group.breaker.state, connector.describes], ["closed", 1]);
});

Deno.test("L2 list that fails is evidence as a call that fails is", async () => {
  const { connector, group } = createFixture({
    onDescribe: () => {
      throw createClientError("unavailable", "Injected");
    },
  });
  for (let i = 0; i < 5; i++) {
    const once = group.executeWithRetry("add", {}, { maxAttempts: 1 });
    const { code, delivery, attempts } = await rejection(once);
    assertEquals([code, delivery, attempts], ["unavailable", "not_sent", 0]);
  }
  assertEquals([connector.describes, group.breaker.state], [5, "open"]);
});

Deno.test("C24 connection that is made while the server is taken for down brings it back", async () => {
  const fixture = createOutage();
  const { clock, connector, group, outage } = fixture;
  await trip(fixture);
  connector.connections[0]!.break("gone");
  outage.isDown = false;
  const response = group.execute("add");
  await clock.advance(375);
  assertEquals((await response).attempts, 1);
  // The connection itself was the sign of life: nothing was asked on it.
  assertEquals([connector.checks, connector.connects, group.breaker.state], [0, 2, "closed"]);
});

Deno.test("C7 check that finds the session lost ends the outage: the server is there", async () => {
  let restarted = false;
  const { clock, connector, events, group } = createFixture({
    era: "legacy",
    onCheck: () => {
      if (restarted) throw createClientError("session_lost", "Injected");
    },
    operations: {
      add: () => {
        if (restarted && connector.connects === 1) throw refusal();
        return data({});
      },
    },
  });
  await group.execute("add");
  restarted = true;
  const outcomes = Array.from({ length: 5 }, () => group.execute("add"));
  await clock.advance(376);
  await Promise.all(outcomes);
  assertEquals([connector.checks, connector.connects, group.breaker.state], [1, 2, "closed"]);
  assertEquals(events.filter(({ type }) => type === "session.replaced").length, 1);
});

Deno.test("B3 refusals in a row pause the server for everybody, half as long as it asked", async () => {
  let isBusy = true;
  const { clock, connector, group } = createFixture({
    operations: {
      add: () => {
        if (isBusy) throw createClientError("rate_limited", "Injected", { retryAfterMs: 2_000 });
        return data({});
      },
    },
  });
  const refused = Array.from(
    { length: 5 },
    () => rejection(group.executeWithRetry("add", {}, { maxAttempts: 1 })),
  );
  await Promise.all(refused);
  assertEquals(group.breaker.state, "paused");
  isBusy = false;
  const response = group.execute("add");
  await clock.advance(999);
  assertEquals(connector.requests.length, 5);
  await clock.advance(1);
  assertEquals((await response).attempts, 1);
  assertEquals([connector.checks, group.breaker.state, clock.timers], [0, "closed", 0]);
});

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
