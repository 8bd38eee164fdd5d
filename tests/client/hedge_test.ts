/** Second copies of slow requests through a whole client (H1 to H5). */
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { createClientError } from "../../src/errors/errors.ts";
import { settle } from "../support/fake_clock.ts";
import { data, type MemoryOperation, untilAborted } from "../support/memory_connector.ts";
import { runs } from "../support/runs.ts";
import { createFixture, rejection } from "./support.ts";

/** How long an operation usually takes: its p50 and its p95. */
const USUAL_MS = 100;

/** A client whose operation takes 100 ms, and how it behaves when it is asked to be slow. */
function createHedging(
  group: Parameters<typeof createFixture>[1] = {},
  effect: "safe" | "idempotent" | "unsafe" = "safe",
) {
  let slow: MemoryOperation | undefined;
  const usual: MemoryOperation = async (_, { signal }) => {
    await fixture.clock.sleep(USUAL_MS, signal);
    return data({ usual: true });
  };
  const fixture = createFixture({
    operations: { read: (request, options) => (slow ?? usual)(request, options), other: usual },
  }, { hedge: true, ...group, operations: { read: { effect } } });
  const { clock, connector, events } = fixture;
  return {
    ...fixture,
    /** Lets it succeed so often in its usual time. */
    async teach(times: number) {
      for (let i = 0; i < times; i++) {
        const done = fixture.group.execute("read");
        await clock.advance(USUAL_MS);
        await done;
      }
      connector.requests.length = events.length = 0;
    },
    /** From now on it does something else. */
    becomes: (operation: MemoryOperation) => slow = operation,
    typesOf: () => events.map(({ type }) => type),
    hedges: () => events.filter(({ type }) => type === "hedge.sent").length,
  };
}

const hangFirst: MemoryOperation = ({ attempt }, { signal }) =>
  attempt === 1 ? untilAborted(signal) : data({ attempt });

Deno.test("H2 second copy goes out after the operation's p95, and the first result wins", async () => {
  const { clock, connector, group, events, teach, becomes } = createHedging();
  await teach(50);
  becomes(hangFirst);
  const response = group.execute("read");
  await clock.advance(USUAL_MS - 1);
  assertEquals(connector.requests.length, 1);
  await clock.advance(1);
  const { attempts, structuredContent, elapsedMs } = await response;
  assertEquals([attempts, structuredContent, elapsedMs], [2, { attempt: 2 }, USUAL_MS]);
  assertEquals(connector.requests.map(({ attempt }) => attempt), [1, 2]);
  const told = events.map((event) => "attempt" in event ? [event.type, event.attempt] : event.type);
  assertEquals(told, [
    "execution.start",
    ["attempt.start", 1],
    ["hedge.sent", 2],
    ["attempt.start", 2],
    ["attempt.end", 2],
    "hedge.won",
    ["attempt.end", 1],
    "execution.end",
  ]);
  assertEquals(clock.timers, 0);
});

Deno.test("H4 first copy may win too, and the second one is aborted within the macrotask", async () => {
  let lostReason: unknown;
  const { clock, group, client, events, teach, becomes } = createHedging();
  await teach(50);
  becomes(async ({ attempt }, { signal }) => {
    if (attempt === 1) await clock.sleep(150, signal);
    else {
      signal.addEventListener("abort", () => lostReason = signal.reason);
      await untilAborted(signal);
    }
    return data({ attempt });
  });
  const response = group.execute("read");
  await clock.advance(149);
  assertEquals(lostReason, undefined);
  await clock.advance(1);
  assertEquals((lostReason as { code?: string }).code, "cancelled");
  const { attempts, structuredContent } = await response;
  assertEquals([attempts, structuredContent], [2, { attempt: 1 }]);
  const ends = events.filter((event) => event.type === "attempt.end");
  assertEquals(ends.map(({ attempt, delivery, code }) => [attempt, delivery, code]), [
    [1, "executed", undefined],
    [2, "unknown", undefined],
  ]);
  assertEquals(events.at(-1)?.type, "execution.end");
  assert(events.some((event) => event.type === "hedge.lost" && event.afterMs === USUAL_MS));
  const { limiter, pool } = client.stats().servers[0]!;
  assertEquals([limiter.inFlight, pool.leases, clock.timers], [0, 0, 0]);
});

Deno.test("H1 only safe operations of who asked for it get a second copy", async () => {
  const cases = [
    { effect: "safe", hedge: true, copies: 1 },
    { effect: "safe", hedge: false, copies: 0 },
    { effect: "idempotent", hedge: true, copies: 0 },
    { effect: "unsafe", hedge: true, copies: 0 },
  ] as const;
  for (const { effect, hedge, copies } of cases) {
    for (const where of ["group", "call"] as const) {
      const policy = { hedge: where === "group" ? hedge : !hedge };
      const fixture = createHedging(policy, effect);
      await fixture.teach(50);
      fixture.becomes(async (_, { signal }) => {
        await fixture.clock.sleep(1_000, signal);
        return data({});
      });
      const response = fixture.group.execute("read", {}, where === "call" ? { hedge } : {});
      await fixture.clock.advance(2_000);
      assertEquals([fixture.hedges(), (await response).attempts], [copies, 1 + copies]);
    }
  }
});

Deno.test("H2 operation whose p95 is not known gets no second copy", async () => {
  for (const [times, copies] of [[49, 0], [50, 1]] as const) {
    const { clock, group, hedges, teach, becomes } = createHedging();
    await teach(times);
    becomes(hangFirst);
    const caught = group.execute("read", {}, { timeoutMs: 1_000 }).catch(() => {});
    await clock.advance(1_000);
    await caught;
    assertEquals(hedges(), copies, `${times}`);
  }
});

Deno.test("H2 second copy never waits: for a lease, behind others, for the server or for time", async (t) => {
  const steps: Record<string, {
    policy?: Parameters<typeof createFixture>[1];
    timeoutMs?: number;
    before?: (fixture: ReturnType<typeof createHedging>) => void;
  }> = {
    "pool full": { policy: { poolSize: 1 } },
    "limit reached by another call": {
      policy: { poolSize: 2 },
      before: ({ group }) => void group.execute("read", {}, { timeoutMs: 1_000 }).catch(() => {}),
    },
    "others wait": {
      policy: { poolSize: 2 },
      before: ({ group }) => {
        for (let i = 0; i < 3; i++) void group.execute("other").catch(() => {});
      },
    },
    "gate shut": {
      before: ({ clock, group }) => {
        clock.setTimer(USUAL_MS / 2, () => group.breaker.isolate());
      },
    },
    "too little time": { timeoutMs: 2 * USUAL_MS },
  };
  for (const [name, { policy, timeoutMs = 1_000, before }] of Object.entries(steps)) {
    await t.step(name, async () => {
      const fixture = createHedging(policy);
      await fixture.teach(50);
      fixture.becomes((_, { signal }) => untilAborted(signal));
      const caught = rejection(fixture.group.execute("read", {}, { timeoutMs }));
      await settle();
      before?.(fixture);
      await fixture.clock.advance(1_000);
      const { code, attempts } = await caught;
      assertEquals([code, attempts, fixture.hedges()], ["deadline_exceeded", 1, 0]);
      assertEquals(fixture.clock.timers, 0);
    });
  }
});

Deno.test("H3 second copies cost a tenth of the safe executions and one, at most ten at once", async () => {
  const { clock, group, hedges, teach, becomes } = createHedging({ poolSize: 100 });
  // Fifty safe executions bring five tokens, beside the one at the start.
  await teach(50);
  becomes(hangFirst);
  for (let i = 0; i < 40; i++) {
    const done = group.execute("read", {}, { timeoutMs: 400 }).catch(() => {});
    await clock.advance(400);
    await done;
  }
  // 6 + 40 / 10, less what rounding keeps back.
  assert(hedges() >= 9 && hedges() <= 10, `${hedges()}`);
});

Deno.test("H3 tokens for second copies are capped", async () => {
  const { clock, group, hedges, teach, becomes } = createHedging({
    poolSize: 100,
    limiter: { initialLimit: 100 },
  });
  await teach(300);
  becomes((_, { signal }) => untilAborted(signal));
  const all = Promise.allSettled(
    Array.from({ length: 40 }, () => group.execute("read", {}, { timeoutMs: 400 })),
  );
  await clock.advance(400);
  await all;
  assertEquals(hedges(), 10);
});

Deno.test("H4 failure of one copy waits for the other; if both fail, the last failure counts once", async () => {
  const lost = () => createClientError("connection_lost", "Injected", { effect: "safe" });
  for (const secondFails of [false, true]) {
    const { clock, connector, group, typesOf, teach, becomes } = createHedging({ maxAttempts: 2 });
    await teach(50);
    becomes(async ({ attempt }, { signal }) => {
      await clock.sleep(attempt === 1 ? 150 : 200, signal);
      if (attempt === 1 || (attempt === 2 && secondFails)) throw lost();
      return data({ attempt });
    });
    const response = group.execute("read");
    await clock.advance(1_000);
    const { structuredContent, attempts } = await response;
    // The pair was one of two attempts: there was another one, of which no copy was needed.
    const winner = secondFails ? 3 : 2;
    assertEquals([structuredContent, attempts], [{ attempt: winner }, secondFails ? 4 : 2]);
    assertEquals(
      connector.requests.map(({ attempt }) => attempt),
      secondFails ? [1, 2, 3, 4] : [1, 2],
    );
    assertEquals(
      typesOf().filter((type) => type === "retry.scheduled").length,
      secondFails ? 1 : 0,
    );
  }
});

Deno.test("H4 copies are no attempts of maxAttempts", async () => {
  const { clock, connector, group, teach, becomes } = createHedging({ maxAttempts: 2 });
  await teach(50);
  becomes(async ({ effect }, { signal }) => {
    await clock.sleep(150, signal);
    throw createClientError("connection_lost", "Injected", { effect });
  });
  const caught = rejection(group.execute("read"));
  await clock.advance(5_000);
  const { code, attempts } = await caught;
  assertEquals([code, attempts, connector.requests.length], ["connection_lost", 4, 4]);
});

Deno.test("H4 pushback to a copy ends hedging for the execution", async () => {
  const { clock, group, hedges, teach, becomes } = createHedging();
  await teach(50);
  becomes(async ({ attempt }, { signal }) => {
    await clock.sleep(300, signal);
    if (attempt === 2) throw createClientError("rate_limited", "Injected", { retryAfterMs: 10 });
    if (attempt === 1) throw createClientError("connection_lost", "Injected", { effect: "safe" });
    return data({ attempt });
  });
  const response = group.execute("read");
  await clock.advance(5_000);
  assertEquals([(await response).attempts, hedges()], [3, 1]);
});

Deno.test("H4 loser says nothing of the server, whatever becomes of it", async () => {
  const { clock, client, group, teach, becomes } = createHedging();
  await teach(50);
  const { results } = group.breaker.stats();
  becomes(async ({ attempt }) => {
    // Deaf to its signal, and broken in the end.
    if (attempt === 2) return data({});
    await clock.sleep(5_000);
    throw createClientError("connection_lost", "Injected");
  });
  const response = group.execute("read");
  await clock.advance(200);
  assertEquals((await response).attempts, 2);
  const after = group.breaker.stats();
  assertEquals([after.results - results <= 1, after.failures], [true, 0]);
  assertEquals(client.stats().servers[0]!.pool.leases, 1);
  await clock.advance(5_000);
  assertEquals(group.breaker.stats().failures, 0);
  assertEquals(client.stats().servers[0]!.pool.leases, 0);
});

Deno.test("H5 progress is that of the copy which reported first, until that one is gone", async () => {
  const { clock, group, teach, becomes } = createHedging();
  await teach(50);
  becomes(async ({ attempt }, { signal, onProgress }) => {
    if (attempt === 1) {
      await clock.sleep(150, signal);
      for (const progress of [1, 2]) {
        onProgress({ progress, total: 10 });
        await clock.sleep(200, signal);
      }
      throw createClientError("connection_lost", "Injected", { effect: "safe" });
    }
    await clock.sleep(100, signal);
    for (const progress of [5, 6, 7]) {
      onProgress({ progress, total: 10 });
      await clock.sleep(200, signal);
    }
    return data({ attempt });
  });
  const execution = group.start("read");
  const seen: unknown[] = [];
  const reading = (async () => {
    for await (const { progress, attempt } of execution.progress) seen.push([progress, attempt]);
  })();
  await clock.advance(2_000);
  await execution.response;
  await reading;
  assertEquals(seen, [[1, 1], [2, 1], [7, 1]]);
});

Deno.test("H5 late report of an attempt that is over is not taken for one of the next", async () => {
  const { clock, events, group } = createFixture({
    operations: {
      work: async ({ attempt }, { onProgress, signal }) => {
        if (attempt === 1) {
          clock.setTimer(1_000, () => onProgress({ progress: 90, total: 100 }));
          throw createClientError("connection_lost", "Injected", { effect: "safe" });
        }
        await clock.sleep(2_000, signal);
        onProgress({ progress: 10, total: 100 });
        return data({});
      },
    },
  });
  const execution = group.start("work", {}, { effect: "safe" });
  await clock.advance(5_000);
  await execution.response;
  const seen = [];
  for await (const { progress } of execution.progress) seen.push(progress);
  assertEquals(seen, [10]);
  const dropped = events.find((event) => event.type === "progress.dropped");
  assertEquals([dropped?.reason, dropped?.count], ["late", 1]);
});

Deno.test("H2 gate that is shut by who hears of the second copy is left in order", async () => {
  const fixture = createHedging();
  const { clock, client, group, events, teach, becomes } = fixture;
  await teach(50);
  const push = events.push.bind(events);
  events.push = (event) => {
    if (event.type === "hedge.sent") group.breaker.isolate();
    return push(event);
  };
  becomes(hangFirst);
  const response = group.execute("read");
  await clock.advance(USUAL_MS);
  assertEquals((await response).attempts, 2);
  assertEquals(client.stats().servers[0]!.limiter.inFlight, 0);
});

Deno.test("H1 no operation that is not safe ever runs in two copies at once", async () => {
  const script = fc.record({
    effect: fc.constantFrom("idempotent", "unsafe"),
    durations: fc.array(fc.integer({ min: 0, max: 500 }), { minLength: 1, maxLength: 6 }),
    failures: fc.array(fc.constantFrom("rate_limited", "connection_lost", undefined), {
      minLength: 1,
      maxLength: 6,
    }),
  });
  const property = fc.asyncProperty(script, async ({ effect, durations, failures }) => {
    const fixture = createHedging({}, effect as "unsafe");
    const { clock, group, hedges, teach, becomes } = fixture;
    await teach(50);
    let [most, running, sends] = [0, 0, 0];
    becomes(async (_, { signal }) => {
      most = Math.max(most, ++running);
      const send = sends++;
      try {
        await clock.sleep(durations[send % durations.length]!, signal);
        const code = failures[send % failures.length];
        if (code !== undefined) throw createClientError(code as "rate_limited", "Injected");
        return data({});
      } finally {
        running--;
      }
    });
    const done = group.execute("read").catch(() => {});
    await clock.advance(30_000);
    await done;
    assertEquals([most, hedges()], [1, 0]);
  });
  await fc.assert(property, { numRuns: Math.min(runs(40), 1_000), seed: 1 });
});
