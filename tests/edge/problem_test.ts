import { assertEquals, assertInstanceOf } from "@std/assert";
import { ERROR_CODES, type ErrorCode } from "../../src/errors/codes.ts";
import { createClientError, OutcomeUnknownError } from "../../src/errors/errors.ts";
import { healthOf } from "../../src/errors/health.ts";
import { problemToError, responseToError } from "../../src/edge/problem.ts";

function toError(response: Response) {
  const { signal } = new AbortController();
  return responseToError(response, { effect: "unsafe", signal, wallMs: 0 });
}

Deno.test("problemToError() gives every code its class", () => {
  for (const code of Object.keys(ERROR_CODES) as ErrorCode[]) {
    const error = problemToError({ code, detail: "Why" }, "unsafe");
    const { name, message, delivery } = createClientError(code, "Why");
    assertEquals([error?.name, error?.code, error?.message, error?.delivery], [
      name,
      code,
      message,
      delivery,
    ]);
  }
});

Deno.test("problemToError() keeps what the endpoint proved", () => {
  const errors = [{ pointer: "/a", message: "must be a number", value: "secret" }, { pointer: 1 }];
  const error = problemToError({
    code: "unavailable",
    title: "Unavailable",
    delivery: "not_executed",
    retryable: true,
    retryAfterMs: 1_500,
    executionId: "x1",
    errors,
    asked: [{ method: "elicitation/create", message: "Sure?" }, { method: 1 }],
  }, "unsafe");
  assertEquals(JSON.parse(JSON.stringify(error)), {
    name: "RetryableError",
    code: "unavailable",
    message: "Unavailable",
    delivery: "not_executed",
    temporary: true,
    retryable: true,
    attempts: 0,
    retryAfterMs: 1_500,
    executionId: "x1",
    issues: [{ pointer: "/a", message: "must be a number" }],
    asked: [{ method: "elicitation/create", message: "Sure?" }],
  });
});

Deno.test("problemToError() takes the endpoint's word on what passes, where a repeat is harmless", () => {
  const told = (retryable: boolean, effect: "safe" | "unsafe") =>
    problemToError({ code: "operation_failed", delivery: "unknown", retryable }, effect);
  assertEquals([told(true, "safe")?.retryable, told(false, "safe")?.retryable], [true, false]);
  assertEquals([told(true, "unsafe")?.retryable, told(true, "unsafe")?.temporary], [false, false]);
});

Deno.test("problemToError() tells the endpoint's health, not that of the server behind it", () => {
  const told = (code: ErrorCode, facts = {}) => {
    const error = problemToError({ code, ...facts }, "unsafe");
    return error && healthOf(error);
  };
  const codes: ErrorCode[] = ["rate_limited", "shutting_down", "circuit_open", "pool_full", "shed"];
  for (const code of [...codes, "connection_refused" as const]) {
    assertEquals(told(code), "pushback");
  }
  assertEquals(told("unavailable", { delivery: "not_executed" }), "pushback");
  assertEquals(told("unavailable"), "answered");
  assertEquals([told("connection_lost"), told("outcome_unknown")], ["answered", "answered"]);
  assertEquals([told("unauthorized"), told("operation_failed")], ["answered", "answered"]);
  assertEquals([told("cancelled"), told("deadline_exceeded")], ["none", "none"]);
});

Deno.test("problemToError() refuses what is no problem of AutoMCP", () => {
  for (const problem of [null, [], "x", {}, { code: 1 }, { code: "toString" }, { code: "new" }]) {
    assertEquals(problemToError(problem, "safe"), undefined);
  }
  const malformed = {
    code: "shed",
    delivery: "maybe",
    retryAfterMs: -1,
    errors: "x",
    asked: 7,
    detail: 7,
  };
  assertEquals(JSON.parse(JSON.stringify(problemToError(malformed, "safe"))), {
    name: "ResourceExhaustedError",
    code: "shed",
    message: ERROR_CODES.shed,
    delivery: "not_sent",
    temporary: true,
    retryable: true,
    attempts: 0,
    issues: [],
    asked: [],
  });
});

Deno.test("responseToError() reads a problem document", async () => {
  const headers = { "content-type": "application/problem+json; charset=utf-8" };
  const problem = JSON.stringify({ code: "outcome_unknown", delivery: "unknown" });
  assertInstanceOf(
    await toError(new Response(problem, { status: 502, headers })),
    OutcomeUnknownError,
  );
});

Deno.test("responseToError() judges other answers by their status", async () => {
  const facts = async (status: number, headers = {}) => {
    const error = await toError(new Response("<h1>Oops</h1>", { status, headers }));
    return [error.code, error.delivery, error.retryAfterMs];
  };
  assertEquals(await facts(401), ["unauthorized", "not_executed", undefined]);
  assertEquals(await facts(403), ["forbidden", "not_executed", undefined]);
  assertEquals(await facts(502), ["unavailable", "unknown", undefined]);
  assertEquals(await facts(503), ["unavailable", "unknown", undefined]);
  assertEquals(await facts(503, { "retry-after": "2" }), ["unavailable", "not_executed", 2_000]);
  assertEquals(await facts(307), ["protocol_error", "not_executed", undefined]);
  const problem = { "content-type": "application/problem+json" };
  assertEquals(await facts(429, problem), ["rate_limited", "not_executed", undefined]);
});
