import { assert, assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { executeWithBoundary } from "../../src/errors/boundary.ts";
import { toClientError } from "../../src/errors/classify.ts";
import { ERROR_CODES, type ErrorCode } from "../../src/errors/codes.ts";
import { ClientError, createClientError, isClientError } from "../../src/errors/errors.ts";
import type { Kit } from "../support/kit.ts";

const CODES = Object.keys(ERROR_CODES) as ErrorCode[];

export default function (t: Kit): void {
  t.test("ClientError names survive bundling", () => {
    const names = CODES.map((code) => createClientError(code, "").name);
    assertEquals(names.every((name) => /^[A-Z][A-Za-z]+Error$/.test(name)), true);
    assertEquals(String(createClientError("rate_limited", "later")), "RetryableError: later");
  });

  t.test("ClientError is an Error with stack and cause", () => {
    const cause = new TypeError("foreign");
    const error = createClientError("connection_lost", "cut", { cause });
    assert(error instanceof Error && error instanceof ClientError);
    assertStrictEquals(error.cause, cause);
    assertEquals(typeof error.stack, "string");
  });

  t.test("ClientError passes through JSON with its facts", () => {
    const error = createClientError("rate_limited", "later", { retryAfterMs: 5, attempts: 2 });
    assertEquals(JSON.parse(JSON.stringify(error)), {
      name: "RetryableError",
      code: "rate_limited",
      message: "later",
      delivery: "not_executed",
      temporary: true,
      retryable: true,
      attempts: 2,
      retryAfterMs: 5,
      issues: [],
      asked: [],
    });
  });

  t.test("isClientError() knows its own and no foreign value", () => {
    assert(CODES.every((code) => isClientError(createClientError(code, ""))));
    for (const foreign of [undefined, null, "rate_limited", new Error(), { code: "internal" }]) {
      assertEquals(isClientError(foreign), false);
    }
  });

  t.test("toClientError() repeats a safe operation after a cut stream, never an unsafe one", () => {
    const repeated = (["safe", "idempotent", "unsafe"] as const).map((effect) =>
      toClientError({ kind: "no_answer" }, { effect }).retryable
    );
    assertEquals(repeated, [true, true, false]);
  });

  t.test("executeWithBoundary() rethrows the reason of an aborted signal untouched", async () => {
    const reason = { no: "error" };
    const signal = AbortSignal.abort(reason);
    const boundary = executeWithBoundary(() => signal.throwIfAborted(), { action: "wait", signal });
    assertStrictEquals(await boundary.catch((error) => error), reason);
  });

  t.test("executeWithBoundary() keeps the text of a foreign error out of its own", async () => {
    const error = await assertRejects(
      () => executeWithBoundary(() => Promise.reject(new Error("secret")), { action: "run it" }),
      ClientError,
    );
    assertEquals(JSON.stringify(error).includes("secret"), false);
    assertEquals(error.message.includes("secret"), false);
  });
}
