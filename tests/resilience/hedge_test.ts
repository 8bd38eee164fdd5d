import { assertEquals, assertRejects } from "@std/assert";
import { type Copy, hedge } from "../../src/resilience/hedge.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { flush } from "./support.ts";

const AFTER_MS = 100;

/** A copy that the test ends. */
interface TestCopy extends Copy<string> {
  succeed(): void;
  fail(): void;
}

/** A first copy that runs, and others that start when their time has come. */
function createHedge({ mayStart = true } = {}) {
  const clock = new FakeClock();
  const copies: TestCopy[] = [];
  const log: string[] = [];
  const start = (): TestCopy => {
    const name = `copy ${copies.length + 1}`;
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    const copy: TestCopy = {
      result: promise,
      abort: () => void log.push(`${clock.now()} abort ${name}`),
      succeed: () => resolve(name),
      fail: () => reject(new Error(`${name} failed`)),
    };
    copies.push(copy);
    log.push(`${clock.now()} start ${name}`);
    return copy;
  };
  const outcome = hedge(start(), {
    afterMs: AFTER_MS,
    setTimer: (ms, callback) => clock.setTimer(ms, callback),
    start: () => mayStart ? start() : void log.push("may not start"),
    onEnd: (won) => void log.push(won ? "won" : "lost"),
  });
  outcome.catch(() => {});
  return { clock, copies, log, outcome };
}

Deno.test("H2 hedge() sends another copy after its time, and one only", async () => {
  const { clock, copies, log, outcome } = createHedge();
  await clock.advance(AFTER_MS - 1);
  assertEquals(log, ["0 start copy 1"]);
  await clock.advance(1);
  assertEquals(log, ["0 start copy 1", "100 start copy 2"]);
  await clock.advance(60_000);
  assertEquals([copies.length, clock.timers], [2, 0]);
  copies[0]!.succeed();
  assertEquals(await outcome, "copy 1");
});

Deno.test("H4 hedge() takes the first result and aborts the other copy at once, whichever wins", async () => {
  for (const [winner, ends] of [[0, "lost"], [1, "won"]] as const) {
    const { clock, copies, log, outcome } = createHedge();
    await clock.advance(AFTER_MS);
    copies[winner]!.succeed();
    // Within the macrotask, and before the caller hears of it.
    await flush();
    assertEquals(log.slice(2), [ends, `100 abort copy ${2 - winner}`]);
    assertEquals([await outcome, clock.timers], [`copy ${winner + 1}`, 0]);
  }
});

Deno.test("H4 hedge() waits for the other copy when one fails, and throws the last failure", async () => {
  for (const [failing, other] of [[0, 1], [1, 0]] as const) {
    for (const succeeds of [true, false]) {
      const { clock, copies, log, outcome } = createHedge();
      await clock.advance(AFTER_MS);
      copies[failing]!.fail();
      await flush();
      assertEquals(log.length, 2);
      if (succeeds) copies[other]!.succeed();
      else copies[other]!.fail();
      const name = `copy ${other + 1}`;
      if (succeeds) assertEquals(await outcome, name);
      else await assertRejects(() => outcome, Error, `${name} failed`);
      assertEquals(log[2], succeeds && other === 1 ? "won" : "lost");
      assertEquals(log.length, succeeds ? 4 : 3);
      assertEquals(clock.timers, 0);
    }
  }
});

Deno.test("H4 hedge() sends no copy after the end, and undoes its timer", async () => {
  for (const succeeds of [true, false]) {
    const { clock, copies, log, outcome } = createHedge();
    await clock.advance(AFTER_MS - 1);
    if (succeeds) copies[0]!.succeed();
    else copies[0]!.fail();
    await flush();
    assertEquals(clock.timers, 0);
    await clock.advance(1_000);
    assertEquals(log, ["0 start copy 1"]);
    if (succeeds) assertEquals(await outcome, "copy 1");
    else await assertRejects(() => outcome, Error, "copy 1 failed");
  }
});

Deno.test("H2 hedge() goes on with one copy where another may not go out now", async () => {
  for (const succeeds of [true, false]) {
    const { clock, copies, log, outcome } = createHedge({ mayStart: false });
    await clock.advance(AFTER_MS);
    if (succeeds) copies[0]!.succeed();
    else copies[0]!.fail();
    await clock.advance(1_000);
    assertEquals(log, ["0 start copy 1", "may not start"]);
    assertEquals(clock.timers, 0);
    if (succeeds) assertEquals(await outcome, "copy 1");
    else await assertRejects(() => outcome, Error, "copy 1 failed");
  }
});

Deno.test("H4 hedge() never aborts the copy that won, also if the other one ends after it", async () => {
  for (const [winner, loser] of [[0, 1], [1, 0]] as const) {
    for (const ending of ["succeed", "fail"] as const) {
      const { clock, copies, log, outcome } = createHedge();
      await clock.advance(AFTER_MS);
      // In one tick: the loser's end is under way before anybody can abort it.
      copies[winner]!.succeed();
      copies[loser]![ending]();
      await clock.advance(1_000);
      assertEquals(log.slice(2), [winner === 1 ? "won" : "lost", `100 abort copy ${loser + 1}`]);
      assertEquals(await outcome, `copy ${winner + 1}`);
    }
  }
});
