import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { sleepOn, systemClock, waitAtMost } from "../../src/resilience/clock.ts";
import { Deadline } from "../../src/resilience/deadline.ts";
import { Link, WaitList } from "../../src/resilience/wait_list.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { CountedAbort, flush } from "./support.ts";

Deno.test("F5 sleepOn() leaves no timer and no listener, aborted before, during or after", async () => {
  for (const abortAtMs of [0, 5, 10, 20]) {
    const clock = new FakeClock();
    const controller = new CountedAbort();
    const reason = { no: "error" };
    if (abortAtMs === 0) controller.abort(reason);
    let ended: unknown = "pending";
    sleepOn(clock, 10, controller.signal).then(() => ended = "slept", (error) => ended = error);
    await clock.advance(abortAtMs);
    if (abortAtMs > 10) assertEquals(controller.listeners, 0, "before the abort too");
    controller.abort(reason);
    await flush();
    if (abortAtMs < 10) assertStrictEquals(ended, reason);
    else assertEquals(ended, "slept");
    assertEquals([clock.timers, controller.listeners], [0, 0], `${abortAtMs}`);
  }
});

Deno.test("F3 waitAtMost() ends with the promise or the wait, and leaves no timer", async () => {
  const clock = new FakeClock();
  const { promise, resolve } = Promise.withResolvers<void>();
  const ended: string[] = [];
  waitAtMost(10, promise, clock).then(() => ended.push("short"));
  waitAtMost(1_000, promise, clock).then(() => ended.push("long"));
  await clock.advance(10);
  assertEquals([ended, clock.timers], [["short"], 1]);
  resolve();
  await flush();
  assertEquals([ended, clock.timers], [["short", "long"], 0]);
});

Deno.test("F1 systemClock.setTimer() and sleep() fire, and are undone", async () => {
  const controller = new CountedAbort();
  let fired = 0;
  systemClock.setTimer(60_000, () => fired++)();
  const reason = { no: "error" };
  const slept = systemClock.sleep(60_000, controller.signal).catch((error) => error);
  controller.abort(reason);
  assertStrictEquals(await slept, reason);
  await new Promise<void>((resolve) => systemClock.setTimer(-5, resolve));
  assertEquals([fired, controller.listeners], [0, 0]);
});

Deno.test("D1 Deadline: of any number of them the nearest wins, and nothing extends it", async () => {
  const lengths = fc.array(fc.oneof(fc.nat(1_000), fc.constant(Infinity)), { minLength: 1 });
  await fc.assert(fc.asyncProperty(lengths, fc.nat(1_500), async (lengths, passedMs) => {
    const clock = new FakeClock();
    const nearest = lengths.map((ms) => Deadline.after(ms, clock))
      .reduce((one, other) => one.nearer(other));
    await clock.advance(passedMs);
    const remainingMs = Math.max(0, Math.min(...lengths) - passedMs);
    assertEquals([nearest.remainingMs(), nearest.isPast()], [remainingMs, remainingMs === 0]);
  }));
});

Deno.test("F2 Deadline refuses NaN and negative lengths, takes 0, an instant of the past, Infinity", () => {
  const clock = new FakeClock();
  assertThrows(() => new Deadline(NaN, clock), RangeError, "'atMs'");
  for (const ms of [NaN, -1, -Infinity]) {
    assertThrows(() => Deadline.after(ms, clock), RangeError, "'timeoutMs'");
  }
  const past = new Deadline(-5, clock);
  assertEquals([past.remainingMs(), past.isPast()], [0, true]);
  assertEquals([new Deadline(Infinity, clock).remainingMs()], [Infinity]);
  assertEquals(Deadline.after(0, clock).isPast(), true);
});

Deno.test("P4 WaitList is a list in order of arrival, whoever leaves from wherever, twice too", () => {
  const step = fc.option(fc.nat(9), { nil: "add" as const });
  fc.assert(fc.property(fc.array(step, { size: "large", maxLength: 60 }), (steps) => {
    const list = new WaitList<Link>();
    let model: Link[] = [];
    const all: Link[] = [];
    for (const step of steps) {
      if (step === "add") {
        all.push(new Link());
        model.push(all.at(-1)!);
        list.add(all.at(-1)!);
      } else if (step < all.length) {
        list.remove(all[step]!);
        model = model.filter((one) => one !== all[step]);
      }
      assert(list.size === model.length && list.first === model[0]);
    }
    const served: Link[] = [];
    for (const one of list) {
      served.push(one);
      list.remove(one);
    }
    assert(served.length === model.length && served.every((one, index) => one === model[index]));
    assert(list.size === 0);
  }));
});
