import { assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { executeWithBoundary } from "../../src/errors/boundary.ts";
import { createClientError, OperationError } from "../../src/errors/errors.ts";

const context = { action: "execute add" };

Deno.test("executeWithBoundary() returns what the function returns, now or later", async () => {
  assertEquals(await executeWithBoundary(() => 1, context), 1);
  assertEquals(await executeWithBoundary(() => Promise.resolve(2), context), 2);
});

Deno.test("executeWithBoundary() passes an error of AutoMCP untouched", async () => {
  const error = createClientError("rate_limited", "later", { retryAfterMs: 5 });
  const boundary = (): Promise<never> => executeWithBoundary(() => Promise.reject(error), context);
  assertStrictEquals(await assertRejects(boundary), error);
});

Deno.test("executeWithBoundary() turns throws and rejections alike, and keeps the cause", async () => {
  const cause = new RangeError("of a library");
  const fail = (): never => {
    throw cause;
  };
  for (const fn of [fail, () => Promise.reject(cause)]) {
    const error = await assertRejects(() => executeWithBoundary(fn, context), OperationError);
    assertEquals(error.code, "operation_failed");
    assertStrictEquals(error.cause, cause);
    assertEquals(error.message, "Cannot execute add");
  }
});

Deno.test("executeWithBoundary() holds nothing repeatable that a foreign error left unknown", async () => {
  const fail = (): never => {
    throw "no error at all";
  };
  for (const effect of ["safe", "unsafe"] as const) {
    const error = await assertRejects(
      () => executeWithBoundary(fail, { ...context, effect }),
      OperationError,
    );
    assertEquals([error.delivery, error.retryable, error.cause], [
      ...["unknown", false, "no error at all"],
    ]);
  }
});

Deno.test("executeWithBoundary() lets an abort after success pass as success", async () => {
  const controller = new AbortController();
  const result = await executeWithBoundary(() => {
    controller.abort();
    return "done";
  }, { ...context, signal: controller.signal });
  assertEquals(result, "done");
});
