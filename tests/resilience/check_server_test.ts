import { assert, assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { type ClientError, ConnectionError } from "../../src/errors/errors.ts";
import { checkServer } from "../../src/resilience/check_server.ts";
import { FakeClock, settle } from "../support/fake_clock.ts";
import { CountedAbort } from "./support.ts";

/** A check that the test ends, and what becomes of it. */
function createCheck() {
  const clock = new FakeClock();
  const closing = new CountedAbort();
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const signals: AbortSignal[] = [];
  const outcome = checkServer(
    (signal) => {
      signals.push(signal);
      return promise;
    },
    closing.signal,
    clock,
  );
  outcome.catch(() => {});
  const left = () => [clock.timers, closing.listeners];
  return { clock, closing, signals, outcome, resolve, reject, left };
}

Deno.test("F5 checkServer() leaves no timer and no listener, however the check ends", async () => {
  const ends: ((check: ReturnType<typeof createCheck>) => unknown)[] = [
    ({ resolve }) => resolve(),
    ({ reject }) => reject(new Error("down")),
    ({ closing }) => closing.abort(new Error("closed")),
    ({ clock }) => clock.advance(5_000),
  ];
  for (const end of ends) {
    const check = createCheck();
    assertEquals(check.left(), [1, 1]);
    await end(check);
    await settle();
    assertEquals(check.left(), [0, 0]);
  }
});

Deno.test("B5 checkServer() gives a check 5 s, then ends it with connection_lost", async () => {
  const { clock, signals, outcome, resolve } = createCheck();
  let settled = false;
  outcome.catch(() => settled = true);
  await clock.advance(4_999);
  assertEquals([settled, signals[0]!.aborted], [false, false]);
  await clock.advance(1);
  const error = await assertRejects(() => outcome, ConnectionError);
  assertEquals([error.code, error.message], ["connection_lost", "No sign of life within 5000 ms"]);
  assertStrictEquals(signals[0]!.reason as ClientError, error);
  // What it says later changes nothing.
  resolve();
  await settle();
});

Deno.test("checkServer() throws what the check throws, and the reason of who closes it", async () => {
  const down = new Error("down");
  const failed = createCheck();
  failed.reject(down);
  assertStrictEquals(await failed.outcome.catch((error) => error), down);
  const thrown = checkServer(
    () => {
      throw down;
    },
    new AbortController().signal,
    new FakeClock(),
  );
  assertStrictEquals(await thrown.catch((error) => error), down);
  const closed = createCheck();
  closed.closing.abort("closed");
  assertEquals(await closed.outcome.catch((error) => error), "closed");
  assert(closed.signals[0]!.aborted);
});

Deno.test("checkServer() asks nobody once it is closed", async () => {
  const clock = new FakeClock();
  let asked = 0;
  const check = () => Promise.resolve(asked++);
  const outcome = checkServer(check, AbortSignal.abort("closed"), clock);
  assertEquals([await outcome.catch((error) => error), asked, clock.timers], ["closed", 0, 0]);
});
