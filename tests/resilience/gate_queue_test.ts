import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { GateQueue, type Queued } from "../../src/resilience/gate_queue.ts";
import { type Caller, createGate } from "./gate_support.ts";

const outcomes = (callers: readonly Caller[]): string[] => callers.map(({ outcome }) => outcome);

const queued = fc.array(
  fc.record({
    priority: fc.constantFrom("interactive" as const, "background" as const),
    deadlineAtMs: fc.constantFrom(0, 1, 2, 3, 1e9, Infinity),
  }),
  { maxLength: 24, size: "max" },
);

/** The place of one in the order that is promised. */
const isBefore = (a: Queued, b: Queued): boolean =>
  a.priority !== b.priority
    ? a.priority === "interactive"
    : a.deadlineAtMs !== b.deadlineAtMs
    ? a.deadlineAtMs < b.deadlineAtMs
    : a.order < b.order;

Deno.test("A3 GateQueue holds whoever waits by priority, then deadline, then arrival", () => {
  fc.assert(
    fc.property(queued, fc.array(fc.nat(30), { maxLength: 12 }), (all, removals) => {
      const queue = new GateQueue<Queued>();
      const waiting: Queued[] = all.map((one, order) => ({ ...one, order }));
      for (const one of waiting) queue.add(one);
      for (const place of removals) {
        const [removed] = waiting.splice(place % (waiting.length || 1), 1);
        if (removed === undefined) continue;
        assertEquals([queue.remove(removed), queue.remove(removed)], [true, false]);
      }
      const expected = waiting.sort((a, b) => isBefore(a, b) ? -1 : 1);
      const orders = queue.all().map(({ order }) => order);
      assertEquals(orders, expected.map(({ order }) => order));
      const lowest = expected.findLast(() => true)?.priority;
      assertEquals(queue.size, expected.length);
      assertEquals(queue.first, expected[0]);
      assertEquals(queue.dispensable, expected.find(({ priority }) => priority === lowest));
    }),
    { numRuns: 2_000 },
  );
});

Deno.test("A3 Gate serves by priority, then deadline, then arrival: of equal time that is first come", async () => {
  const { clock, passed, enter, leave } = createGate({ maxLimit: 1 });
  const [first, background, late, soon, early, next] = [
    enter(),
    enter({ priority: "background", timeoutMs: 1_000 }),
    enter({ timeoutMs: 9_000 }),
    enter({ timeoutMs: 3_000 }),
    enter({ timeoutMs: 3_000 }),
    enter({ timeoutMs: 9_000 }),
  ];
  for (let i = 0; i < 6; i++) {
    await clock.advance(1);
    leave(passed.at(-1)!);
  }
  const order = [first, soon, early, late, next, background];
  assertEquals(passed.map((caller) => order.indexOf(caller)), [0, 1, 2, 3, 4, 5]);
});

Deno.test("A3 Gate compares instants, not lengths of time", async () => {
  const { clock, passed, enter, leave } = createGate({ maxLimit: 1 });
  const first = enter();
  const older = enter({ timeoutMs: 2_000 });
  await clock.advance(1_500);
  const newer = enter({ timeoutMs: 1_000 });
  leave(first);
  await clock.advance(0);
  leave(older);
  await clock.advance(0);
  assertEquals([passed[1] === older, passed[2] === newer], [true, true]);
});

Deno.test("A3 Gate drops who is lowest and has the least time when one too many waits, maybe the newcomer", async () => {
  type Newcomer = Parameters<ReturnType<typeof createGate>["enter"]>[0];
  const table: [Newcomer, number][] = [
    [{ timeoutMs: 5_000 }, 2],
    [{ timeoutMs: 500, priority: "background" }, 3],
    [{ timeoutMs: 5_000, priority: "background" }, 2],
  ];
  for (const [newcomer, dropped] of table) {
    const { clock, gate, enter } = createGate({ maxLimit: 1, queue: { maxQueue: 2 } });
    const callers = [enter(), enter({ timeoutMs: 100 })];
    callers.push(enter({ timeoutMs: 1_000, priority: "background" }));
    await clock.advance(0);
    assertEquals(gate.stats(), { waiting: 2, shed: 0, overflowed: 0 });
    callers.push(enter(newcomer));
    await clock.advance(0);
    const expected = ["passed", "waiting", "waiting", "waiting"];
    expected[dropped] = "shed";
    assertEquals([outcomes(callers), gate.stats()], [
      expected,
      { waiting: 2, shed: 0, overflowed: 1 },
    ]);
  }
  // Without anybody in the background, it is the nearest deadline.
  const { clock, enter } = createGate({ maxLimit: 1, queue: { maxQueue: 1 } });
  const callers = [enter(), enter({ timeoutMs: 2_000 }), enter({ timeoutMs: 1_000 })];
  await clock.advance(0);
  assertEquals(outcomes(callers), ["passed", "waiting", "shed"]);
});

Deno.test("A3 Gate has 512 callers wait by default and drops the 513th", async () => {
  const { clock, gate, enter } = createGate({ maxLimit: 1 });
  const callers = Array.from({ length: 513 }, () => enter());
  await clock.advance(0);
  assertEquals(gate.stats(), { waiting: 512, shed: 0, overflowed: 0 });
  // Of equal time, the first of those who wait has the least.
  callers.push(enter());
  await clock.advance(0);
  assertEquals(gate.stats(), { waiting: 512, shed: 0, overflowed: 1 });
  assertEquals(callers[1]!.outcome, "shed");
  const { message } = callers[1]!.error as Error;
  assertEquals(message, "Too many calls wait for the server already");
});

Deno.test("A3 Gate lets nobody who hears that it opens pass those who wait", async () => {
  const tried: (number | undefined)[] = [];
  const { clock, gate, enter, pause } = createGate({
    maxLimit: 1,
    onEvent: (event) => {
      if (event.type === "breaker.transition" && event.to === "closed") tried.push(gate.tryEnter());
    },
  });
  pause(1_000);
  const caller = enter();
  await clock.advance(500);
  assertEquals([tried, caller.outcome, gate.limiter.inFlight], [[undefined], "passed", 1]);
});

/** A gate of one place whose attempts took so long, of which it knows so many successes. */
function createTaught(elapsedMs: number, successes: number, shedFactor?: number) {
  const queue = shedFactor === undefined ? {} : { shedFactor };
  const fixture = createGate({ maxLimit: 1, queue });
  for (let i = 0; i < Math.max(1, successes); i++) {
    fixture.attempt({ elapsedMs, succeeded: i < successes });
  }
  return fixture;
}

Deno.test("A4 Gate sheds at its turn who has less than 1.5 times the average, if another one waits", async () => {
  for (const [timeoutMs, outcome] of [[1_499, "shed"], [1_500, "passed"]] as const) {
    const { clock, gate, events, enter, leave } = createTaught(1_000, 0);
    await clock.advance(7);
    const first = enter();
    const callers = [enter({ timeoutMs: timeoutMs + 10 }), enter()];
    await clock.advance(10);
    assertEquals(outcomes(callers), ["waiting", "waiting"]);
    leave(first);
    await clock.advance(0);
    assertEquals(outcomes(callers), [outcome, outcome === "shed" ? "passed" : "waiting"]);
    const shed = events.filter(({ type }) => type === "queue.shed");
    const event = { type: "queue.shed" as const, waitedMs: 10, neededMs: 1_500 };
    const message = "The time that is left is too short for the operation";
    assertEquals(
      (callers[0]!.error as Error | undefined)?.message,
      shed.length > 0 ? message : undefined,
    );
    assertEquals(shed, outcome === "shed" ? [event] : []);
    assertEquals(gate.stats().shed, shed.length);
  }
});

Deno.test("A4 Gate sends who waits alone, however stale the estimate is", async () => {
  const { clock, gate, enter, leave } = createTaught(1e9, 0);
  const first = enter({ timeoutMs: 1 });
  const alone = enter({ timeoutMs: 1 });
  leave(first);
  await clock.advance(0);
  assertEquals([first.outcome, alone.outcome, gate.stats().shed], ["passed", "passed", 0]);
  // Of several, the last one is alone.
  const callers = [1, 2, 3].map((timeoutMs) => enter({ timeoutMs }));
  leave(alone);
  await clock.advance(0);
  assertEquals(outcomes(callers), ["shed", "shed", "passed"]);
});

Deno.test("A4 Gate sheds at its turn by the operation's usual time where that is more", async () => {
  // 100 ms on average of late, but the operation takes 1 000.
  const taught = createTaught(1_000, 20);
  for (let i = 0; i < 60; i++) taught.attempt({ elapsedMs: 100, succeeded: false });
  const { clock, enter, leave } = taught;
  const first = enter();
  const callers = [
    enter({ timeoutMs: 900, operation: "other" }),
    enter({ timeoutMs: 1_000 }),
    enter({ timeoutMs: 2_000 }),
  ];
  await clock.advance(1);
  assertEquals(outcomes(callers), ["waiting", "shed", "waiting"]);
  leave(first);
  await clock.advance(0);
  assertEquals(outcomes(callers), ["passed", "shed", "waiting"]);
});

Deno.test("A4 Gate sheds by a timer who has less than the operation takes, also alone or parked", async () => {
  for (const parked of [false, true]) {
    const { clock, gate, checks, enter, trip } = createTaught(1_000, 20);
    const busy = parked ? undefined : enter();
    if (parked) trip();
    const callers = [enter({ timeoutMs: 9_000 }), enter({ timeoutMs: 3_000 })];
    if (parked) checks[0]?.fail(new Error("down"));
    await clock.advance(1_999);
    assertEquals(outcomes(callers), ["waiting", "waiting"]);
    await clock.advance(1);
    assertEquals(outcomes(callers), ["waiting", parked ? "circuit_open" : "shed"]);
    await clock.advance(5_999);
    assertEquals(outcomes(callers)[0], "waiting");
    await clock.advance(1);
    assertEquals(outcomes(callers)[0], parked ? "circuit_open" : "shed");
    assertEquals(gate.stats(), { waiting: 0, shed: 2, overflowed: 0 });
    if (busy !== undefined) gate.leave(busy.generation);
    // The last check of a server that nobody waits for still runs for its own time.
    await clock.advance(5_000);
    assertEquals([gate.limiter.inFlight, clock.timers], [0, 0]);
  }
});

Deno.test("A4 Gate keeps one timer, for whoever is hopeless first", async () => {
  const { clock, enter } = createTaught(1_000, 20);
  enter();
  const callers = [30_000, 20_000, 10_000].map((timeoutMs) => {
    const caller = enter({ timeoutMs });
    assertEquals([clock.timers, clock.nextTimerMs], [1, timeoutMs - 1_000]);
    return caller;
  });
  callers[2]!.controller.abort("enough");
  await clock.advance(9_000);
  // The timer was set for one who has gone; the next one is for the next.
  assertEquals([clock.timers, clock.nextTimerMs], [1, 10_000]);
  await clock.advance(10_000);
  assertEquals(outcomes(callers), ["waiting", "shed", "enough"]);
  callers[0]!.controller.abort("enough");
  assertEquals(clock.timers, 0);
});

Deno.test("A4 Gate with a shedFactor of 0 drops nobody for want of time", async () => {
  const { clock, gate, enter, leave } = createTaught(1_000, 20, 0);
  const first = enter();
  const callers = [enter({ timeoutMs: 0 }), enter({ timeoutMs: 0 })];
  assertEquals(clock.timers, 0);
  leave(first);
  await clock.advance(0);
  assertEquals([outcomes(callers), gate.stats().shed], [["passed", "waiting"], 0]);
});

Deno.test("A4 Gate takes the shedFactor that it is given", async () => {
  for (
    const [shedFactor, timeoutMs, outcome] of [[3, 2_999, "shed"], [0.5, 500, "passed"]] as const
  ) {
    const { clock, enter, leave } = createTaught(1_000, 0, shedFactor);
    const first = enter();
    const callers = [enter({ timeoutMs }), enter()];
    leave(first);
    await clock.advance(0);
    assertEquals(callers[0]!.outcome, outcome);
  }
});

Deno.test("F3 Gate holds no timer at rest, whatever was done at it", async () => {
  const { clock, gate, checks, enter, leave, trip, pause, passed } = createTaught(100, 20);
  pause(1_000);
  for (let i = 0; i < 3; i++) enter();
  await clock.advance(500);
  for (let left = 0; left < 3; left++) {
    leave(passed[left]!);
    await clock.advance(0);
  }
  trip();
  enter();
  await clock.advance(375);
  checks[0]!.answer();
  await clock.advance(0);
  leave(passed.at(-1)!);
  assertEquals([gate.stats().waiting, gate.limiter.inFlight, clock.timers], [0, 0, 0]);
  assert(gate.isFree);
});
