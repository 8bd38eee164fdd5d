/** The clocks of executions and attempts in a whole client (D1 to D3). */
import { assertEquals, assertStrictEquals } from "@std/assert";
import { type ClientError, createClientError } from "../../src/errors/errors.ts";
import { Deadline } from "../../src/resilience/deadline.ts";
import { settle } from "../support/fake_clock.ts";
import { data, hang, type MemoryOperation, untilAborted } from "../support/memory_connector.ts";
import { createFixture, failing, rejection } from "./support.ts";

const refused = () => createClientError("connection_refused", "Injected");
const lost = () => createClientError("connection_lost", "Injected", { effect: "safe" });

/** Runs `slow` so often that its usual time is known. */
async function teach({ clock, group }: ReturnType<typeof createFixture>): Promise<void> {
  for (let i = 0; i < 20; i++) {
    const done = group.execute("slow");
    await clock.advance(1_000);
    await done;
  }
}

/** An operation that takes a second until it is told to do something else. */
function createSlow(options: Parameters<typeof createFixture>[0] = {}, group = {}) {
  let run: MemoryOperation | undefined;
  const fixture = createFixture({
    ...options,
    operations: {
      ...options.operations,
      slow: async (request, attempt) => {
        if (run !== undefined) return await run(request, attempt);
        await fixture.clock.sleep(1_000, attempt.signal);
        return data({ done: true });
      },
    },
  }, { ...group, operations: { slow: { effect: "safe" } } });
  return { ...fixture, becomes: (operation: MemoryOperation) => run = operation };
}

Deno.test("D2 attempt of a repeatable operation gets its share of the time, at least the floor", async () => {
  const cases = [
    { timeoutMs: 90_000, attemptFloorMs: 10_000, maxAttempts: 3, endsAfterMs: 30_000 },
    { timeoutMs: 30_000, attemptFloorMs: 10_000, maxAttempts: 3, endsAfterMs: 10_000 },
    { timeoutMs: 30_000, attemptFloorMs: 12_000, maxAttempts: 3, endsAfterMs: 12_000 },
    { timeoutMs: 30_000, attemptFloorMs: 0, maxAttempts: 10, endsAfterMs: 3_000 },
  ];
  for (const { endsAfterMs, ...policy } of cases) {
    for (const effect of ["safe", "idempotent"] as const) {
      const { clock, events, group } = createFixture({ operations: { hang } }, policy);
      const caught = rejection(group.execute("hang", {}, { effect }));
      await clock.advance(endsAfterMs - 1);
      assertEquals(events.some(({ type }) => type === "attempt.end"), false);
      await clock.advance(1);
      const end = events.find((event) => event.type === "attempt.end");
      assertEquals([end?.delivery, end?.code, end?.elapsedMs], [
        "unknown",
        "connection_lost",
        endsAfterMs,
      ]);
      await clock.advance(policy.timeoutMs);
      assertEquals((await caught).code, "deadline_exceeded");
      assertEquals(clock.timers, 0);
    }
  }
});

Deno.test("D2 attempts that are left share the time that is left", async () => {
  const { clock, events, group } = createFixture({ operations: { hang } }, {
    attemptFloorMs: 0,
    baseDelayMs: 0,
    timeoutMs: 12_000,
  });
  const caught = rejection(group.execute("hang", {}, { effect: "safe" }));
  await clock.advance(12_000);
  const { code, attempts } = await caught;
  assertEquals([code, attempts], ["deadline_exceeded", 3]);
  const ends = events.filter((event) => event.type === "attempt.end");
  assertEquals(ends.map(({ elapsedMs }) => elapsedMs), [4_000, 4_000, 4_000]);
  // The last one had all the time there was: it was the deadline that ended it.
  assertEquals(ends.map(({ code }) => code), ["connection_lost", "connection_lost", undefined]);
});

Deno.test("D2 attempt of an unsafe operation is never cut short", async () => {
  const { clock, connector, events, group } = createFixture({ operations: { hang } }, {
    attemptFloorMs: 0,
    maxAttempts: 10,
    progressIdleTimeoutMs: 100,
  });
  const caught = rejection(group.execute("hang"));
  await clock.advance(29_999);
  assertEquals(events.some(({ type }) => type === "attempt.end"), false);
  await clock.advance(1);
  const error = await caught;
  const cause = error.cause as ClientError;
  assertEquals([error.code, cause.code, error.delivery], [
    "outcome_unknown",
    "deadline_exceeded",
    "unknown",
  ]);
  assertEquals([connector.requests.length, clock.timers], [1, 0]);
});

Deno.test("D2 progressIdleTimeoutMs ends a silent attempt, counted from its last report", async () => {
  let sends = 0;
  const { clock, connector, events, group } = createFixture({
    operations: {
      work: async (_, { onProgress, signal }) => {
        if (++sends === 2) return data({ done: true });
        for (const progress of [1, 2, 3]) {
          await clock.sleep(900, signal);
          onProgress({ progress });
        }
        return await untilAborted(signal);
      },
    },
  }, { progressIdleTimeoutMs: 1_000, baseDelayMs: 0 });
  const response = group.execute("work", {}, { effect: "safe" });
  await clock.advance(3_699);
  assertEquals(connector.requests.length, 1);
  await clock.advance(1);
  assertEquals((await response).attempts, 2);
  const end = events.find((event) => event.type === "attempt.end");
  assertEquals([end?.code, end?.elapsedMs, clock.timers], ["connection_lost", 3_700, 0]);
});

Deno.test("D2 report that is no progress keeps an attempt alive too: the server is there", async () => {
  const { clock, group } = createFixture({
    operations: {
      work: async (_, { onProgress, signal }) => {
        for (let i = 0; i < 5; i++) {
          await clock.sleep(900, signal);
          onProgress({ progress: 1 });
        }
        return data({ done: true });
      },
    },
  }, { operations: { work: { effect: "idempotent", progressIdleTimeoutMs: 1_000 } } });
  const response = group.execute("work");
  await clock.advance(4_500);
  assertEquals((await response).attempts, 1);
});

Deno.test("B1 attempt that its own clock ended says nothing of the server's health", async () => {
  const { clock, group } = createFixture({ operations: { hang } }, {
    attemptFloorMs: 100,
    maxAttempts: 20,
    timeoutMs: 4_000,
    retryBudget: { capacity: 100 },
  });
  const caught = rejection(group.execute("hang", {}, { effect: "safe" }));
  await clock.advance(4_000);
  assertEquals((await caught).attempts > 5, true);
  // The one result is that of the list.
  const { state, results, failures } = group.breaker.stats();
  assertEquals([state, results, failures], ["closed", 1, 0]);
});

Deno.test("D1 execution settles by its deadline wherever it is, with a server that ignores signals", async (t) => {
  const deaf = () => new Promise<never>(() => {});
  const cases: Record<string, [Parameters<typeof createFixture>[0], endsAtMs: number]> = {
    connecting: [{ onConnect: deaf }, 4_000],
    listing: [{ onDescribe: deaf }, 4_000],
    executing: [{ operations: { add: deaf } }, 4_000],
    "told to wait for too long": [{
      operations: {
        add: () => {
          throw createClientError("rate_limited", "Injected", { retryAfterMs: 4_000 });
        },
      },
    }, 0],
  };
  for (const [name, [options, endsAtMs]] of Object.entries(cases)) {
    for (const effect of ["safe", "unsafe"] as const) {
      await t.step(`${name}, ${effect}`, async () => {
        const { clock, group } = createFixture(options);
        let endedMs: number | undefined;
        const caught = rejection(group.execute("add", {}, { effect, timeoutMs: 4_000 }));
        void caught.then(() => endedMs = clock.now());
        await clock.advance(4_000);
        assertEquals(endedMs, endsAtMs);
        await clock.advance(60_000);
        assertEquals(clock.timers, 0);
      });
    }
  }
});

Deno.test("D1 execution settles by its deadline while a list is to tell why its arguments were refused", async () => {
  let isDeaf = false;
  const { clock, connector, group } = createFixture({
    ttlMs: 0,
    onDescribe: () => isDeaf ? new Promise<never>(() => {}) : undefined,
    operations: {
      add: () => {
        if (isDeaf) throw createClientError("invalid_arguments", "Injected");
        return data({});
      },
    },
  });
  await group.execute("add");
  await clock.advance(5_000);
  isDeaf = true;
  const startMs = clock.now();
  let endedMs: number | undefined;
  void rejection(group.execute("add", {}, { timeoutMs: 4_000 }))
    .then(() => endedMs = clock.now() - startMs);
  await clock.advance(4_000);
  assertEquals([endedMs, connector.describes, clock.timers], [4_000, 2, 0]);
});

Deno.test("D1 execution that is parked settles at its deadline", async () => {
  const { clock, group, client } = createFixture({
    onConnect: () => {
      throw refused();
    },
  }, { acquireTimeoutMs: 1_000 });
  const caught = rejection(group.execute("add", {}, { timeoutMs: 60_000 }));
  await clock.advance(59_999);
  assertEquals(client.stats().servers[0]!.queue.waiting, 1);
  await clock.advance(1);
  assertEquals((await caught).code, "deadline_exceeded");
});

Deno.test("D1 nearer of timeoutMs and the caller's deadline wins", async () => {
  const { clock, group } = createFixture({ operations: { hang } });
  for (const [timeoutMs, ownMs] of [[500, 900], [900, 500]] as const) {
    const startMs = clock.now();
    const deadline = Deadline.after(ownMs, clock);
    const caught = rejection(group.execute("hang", {}, { timeoutMs, deadline }));
    let endedMs = 0;
    void caught.then(() => endedMs = clock.now() - startMs);
    await clock.advance(1_000);
    assertEquals(endedMs, 500);
  }
});

Deno.test("D1 deadline's error carries the failure before it, whose outcome nobody knows any more", async () => {
  let sends = 0;
  const operations: Record<string, MemoryOperation> = {
    work: (_, { signal }) => {
      if (sends++ > 0) return untilAborted(signal);
      throw failure;
    },
  };
  let failure: ClientError = lost();
  const safe = createFixture({ operations });
  const caught = rejection(safe.group.execute("work", {}, { effect: "safe", timeoutMs: 5_000 }));
  await safe.clock.advance(5_000);
  const error = await caught;
  assertEquals([error.code, error.delivery, error.attempts], ["deadline_exceeded", "unknown", 2]);
  assertStrictEquals(error.cause, failure);

  [sends, failure] = [0, createClientError("rate_limited", "Injected", { retryAfterMs: 10 })];
  const unsafe = createFixture({ operations });
  const unknown = rejection(unsafe.group.execute("work", {}, { timeoutMs: 5_000 }));
  await unsafe.clock.advance(5_000);
  const outcome = await unknown;
  const deadline = outcome.cause as ClientError;
  assertEquals([outcome.code, deadline.code], ["outcome_unknown", "deadline_exceeded"]);
  assertStrictEquals(deadline.cause, failure);
});

Deno.test("D3 no attempt and no wait is begun that would leave less than the operation's usual time", async () => {
  // The wait is 50 ms, the usual time 1,000 ms, the time limit 3,000 ms.
  for (const [failsAtMs, sends] of [[1_949, 2], [1_950, 1], [2_500, 1]] as const) {
    const fixture = createSlow();
    await teach(fixture);
    const { clock, connector, group } = fixture;
    const before = connector.requests.length;
    fixture.becomes(async (_, { signal }) => {
      await clock.sleep(failsAtMs, signal);
      throw lost();
    });
    let endedMs: number | undefined;
    const startMs = clock.now();
    const caught = rejection(group.execute("slow", {}, { timeoutMs: 3_000 }));
    void caught.then(() => endedMs = clock.now() - startMs);
    await clock.advance(3_000);
    const { code } = await caught;
    assertEquals(connector.requests.length - before, sends, `${failsAtMs}`);
    // R7: what is not waited for is thrown in the same macrotask.
    if (sends === 1) assertEquals([code, endedMs], ["connection_lost", failsAtMs]);
  }
});

Deno.test("D3 estimate of one operation keeps back no repeat of another", async () => {
  const fixture = createSlow({ operations: { other: failing(Infinity, "connection_lost") } });
  await teach(fixture);
  const { clock, group } = fixture;
  const caught = rejection(group.execute("other", {}, { effect: "safe", timeoutMs: 900 }));
  await clock.advance(900);
  assertEquals((await caught).attempts, 3);
});

Deno.test("D3 first send goes out however little time is left", async () => {
  const fixture = createSlow();
  await teach(fixture);
  const { clock, connector, group } = fixture;
  const before = connector.requests.length;
  const caught = rejection(group.execute("slow", {}, { timeoutMs: 10 }));
  await clock.advance(10);
  assertEquals((await caught).code, "deadline_exceeded");
  assertEquals(connector.requests.length - before, 1);
});

Deno.test("D3 wait for a server that cannot be reached is no attempt: the first send still goes out", async () => {
  let isDown = false;
  const fixture = createSlow({
    onConnect: () => {
      if (isDown) throw refused();
    },
  }, { acquireTimeoutMs: 1_000, breaker: { tripAfter: Infinity } });
  await teach(fixture);
  const { clock, connector, group } = fixture;
  fixture.becomes(() => data({ done: true }));
  isDown = true;
  connector.connections[0]!.break("gone");
  const before = connector.requests.length;
  const response = group.execute("slow", {}, { timeoutMs: 4_000 });
  await clock.advance(3_100);
  isDown = false;
  await clock.advance(900);
  assertEquals((await response).attempts, 1);
  assertEquals(connector.requests.length - before, 1);
});

Deno.test("R6 execution that is ended by who hears of its attempt sends nothing, whatever its effect", async () => {
  for (const effect of ["safe", "idempotent", "unsafe"] as const) {
    const controller = new AbortController();
    const { clock, connector, client, group } = createFixture({ operations: { hang } }, {}, {
      onEvent: ({ type }) => type === "attempt.start" && controller.abort("left"),
    });
    let reason: unknown;
    void rejection(group.execute("hang", {}, { effect, signal: controller.signal }))
      .then((error) => reason = error);
    await settle();
    await settle();
    assertEquals(reason, "left");
    assertEquals([connector.requests.length, clock.timers], [0, 0]);
    const { pool, limiter } = client.stats().servers[0]!;
    assertEquals([pool.leases, limiter.inFlight], [0, 0]);
  }
});
