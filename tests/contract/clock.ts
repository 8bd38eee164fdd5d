import { assert, assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { type Clock, MAX_TIMER_MS, systemClock } from "../../src/resilience/clock.ts";
import { FakeClock } from "../support/fake_clock.ts";
import type { Kit } from "../support/kit.ts";

/** What any clock must do; `advance` makes its time pass. */
function clockContract(
  t: Kit,
  name: string,
  clock: Clock,
  advance: (ms: number) => Promise<void>,
): void {
  t.test(`${name}.now() never goes back`, async () => {
    const before = clock.now();
    await advance(2);
    assert(clock.now() > before);
  });

  t.test(`${name}.wall() counts from the Unix epoch`, () => {
    assert(clock.wall() > Date.UTC(2025, 0, 1));
  });

  t.test(`${name}.setTimer() fires once, and in the order of the waits`, async () => {
    const fired: string[] = [];
    clock.setTimer(30, () => void fired.push("late"));
    clock.setTimer(1, () => void fired.push("early"));
    await advance(120);
    assertEquals(fired, ["early", "late"]);
  });

  t.test(`${name}.setTimer() fires for who lives on though nobody must live on for it`, async () => {
    let fired = 0;
    clock.setTimer(1, () => void fired++, { keepAlive: false });
    clock.setTimer(1, () => void fired++, { keepAlive: false })();
    await advance(20);
    assertEquals(fired, 1);
  });

  t.test(`${name}.setTimer() undone never fires, and undoing twice is harmless`, async () => {
    let fired = false;
    const undo = clock.setTimer(1, () => fired = true);
    undo();
    undo();
    await advance(20);
    assertEquals(fired, false);
  });

  t.test(`${name}.setTimer() clamps a wait that runtimes cannot take`, async () => {
    let fired = 0;
    // Unclamped, 2^31 ms overflow to a wait of 1 ms and fire at once.
    const undo = clock.setTimer(MAX_TIMER_MS + 1, () => void fired++);
    clock.setTimer(-1, () => void fired++);
    await advance(20);
    undo();
    assertEquals(fired, 1);
  });

  t.test(`${name}.sleep() rejects with the reason of a signal that is aborted`, async () => {
    const reason = new Error("the caller's own");
    assertStrictEquals(
      await assertRejects(() => clock.sleep(1, AbortSignal.abort(reason))),
      reason,
    );
  });

  t.test(`${name}.sleep() rejects in the same task as the abort`, async () => {
    const controller = new AbortController();
    let settled: unknown;
    clock.sleep(60_000, controller.signal).catch((reason) => settled = reason);
    const reason = { no: "error" };
    controller.abort(reason);
    await Promise.resolve();
    await Promise.resolve();
    assertStrictEquals(settled, reason);
  });

  t.test(`${name}.sleep() ends with the wait and ignores a later abort`, async () => {
    const controller = new AbortController();
    const sleep = clock.sleep(1, controller.signal);
    await advance(20);
    await sleep;
    controller.abort();
  });
}

export default function (t: Kit): void {
  clockContract(t, "systemClock", systemClock, (ms) => new Promise((go) => setTimeout(go, ms)));
  const fake = new FakeClock();
  clockContract(t, "FakeClock", fake, (ms) => fake.advance(ms));

  t.test("FakeClock leaves no timer after an aborted and a finished sleep", async () => {
    const clock = new FakeClock();
    const controller = new AbortController();
    const sleeps = Promise.allSettled([clock.sleep(5, controller.signal), clock.sleep(1)]);
    controller.abort();
    await clock.advance(1);
    assertEquals((await sleeps).map(({ status }) => status), ["rejected", "fulfilled"]);
    assertEquals(clock.timers, 0);
  });
}
