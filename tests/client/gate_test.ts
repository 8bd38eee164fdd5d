/** The breaker in front of a whole client's server (section 5). */
import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import { CircuitOpenError, type ClientError, createClientError } from "../../src/errors/errors.ts";
import { settle } from "../support/fake_clock.ts";
import { data, hang, type MemoryOperation } from "../support/memory_connector.ts";
import { createFixture, rejection } from "./support.ts";

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
