import { assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { createClientError } from "../../src/errors/errors.ts";
import { classifyClientError, retry } from "../../src/resilience/retry.ts";
import { FakeClock } from "../support/fake_clock.ts";

Deno.test("retry() goes on when onRetry throws, and the throw is reported", async () => {
  const reported: unknown[] = [];
  const onError = (event: ErrorEvent): void => {
    event.preventDefault();
    reported.push(event.error);
  };
  globalThis.addEventListener("error", onError);
  try {
    const clock = new FakeClock();
    const broken = new Error("the listener broke");
    const running = retry((attempt) => {
      if (attempt < 2) throw createClientError("rate_limited", "Later");
      return "done";
    }, {
      clock,
      onRetry: () => {
        throw broken;
      },
    });
    await clock.advance(1_000);
    assertEquals(await running, "done");
    assertEquals(reported, [broken]);
  } finally {
    globalThis.removeEventListener("error", onError);
  }
});

Deno.test("F2 retry() refuses an option of a wrong type by its name", async () => {
  for (const name of ["classify", "onRetry", "random"]) {
    const message = `Cannot retry as '${name}' must be a function: current value is 1`;
    await assertRejects(() => retry(() => 1, { [name]: 1 }), TypeError, message);
  }
  const message = "Cannot retry as 'effect' must be 'safe' or 'idempotent' or 'unsafe': " +
    "current value is harmless";
  await assertRejects(() => retry(() => 1, { effect: "harmless" as never }), TypeError, message);
});

Deno.test("retry() waits on the system's clock by default", async () => {
  const attempts: number[] = [];
  const options = { throttledBaseDelayMs: 1, random: () => 2 ** -20 };
  const result = await retry((attempt) => {
    attempts.push(attempt);
    if (attempt < 3) throw createClientError("rate_limited", "Later");
    return "done";
  }, options);
  assertEquals([result, attempts], ["done", [1, 2, 3]]);
});

Deno.test("retry() throws what is no error of ours as it came, after one call", async () => {
  const alike = { code: "rate_limited", delivery: "not_sent", temporary: true };
  for (const thrown of [undefined, null, "text", alike, Object.assign(new Error(), alike)]) {
    let calls = 0;
    const caught = await retry(() => {
      calls++;
      throw thrown;
    }, { effect: "safe" }).then(() => "fulfilled", (error) => error);
    assertStrictEquals(caught, thrown);
    assertEquals(calls, 1);
  }
});

Deno.test("classifyClientError() tells what an error carries; only rate_limited is throttled", () => {
  for (const [code, throttled] of [["rate_limited", true], ["unavailable", false]] as const) {
    const error = createClientError(code, "Later", { delivery: "not_executed", retryAfterMs: 5 });
    assertEquals(classifyClientError(error), {
      delivery: "not_executed",
      temporary: true,
      retryAfterMs: 5,
      throttled,
    });
  }
  assertEquals(classifyClientError(new Error("foreign")), undefined);
});

Deno.test("R3 retry() does not wait for a hint of 0, but repeats at once", async () => {
  const clock = new FakeClock();
  let calls = 0;
  await assertRejects(() =>
    retry(() => {
      calls++;
      throw createClientError("rate_limited", "Later", { retryAfterMs: 0 });
    }, { clock, random: () => 0.5 })
  );
  assertEquals([calls, clock.sleeps], [3, []]);
});
