import { assertEquals, assertInstanceOf, assertStrictEquals } from "@std/assert";
import { classifyAttempt, concludeExecution } from "../../src/client/verdict.ts";
import { ERROR_CODES, type ErrorCode } from "../../src/errors/codes.ts";
import { DELIVERIES, EFFECTS } from "../../src/errors/delivery.ts";
import { createClientError, OutcomeUnknownError } from "../../src/errors/errors.ts";
import type { FailedAttempt } from "../../src/resilience/retry.ts";

const CODES = Object.keys(ERROR_CODES) as ErrorCode[];

/** What a failure costs if it is repeated; without a row, an attempt and a wait. */
const COSTS: Partial<Record<ErrorCode, Partial<FailedAttempt> | "never">> = {
  pool_timeout: "never",
  pool_full: "never",
  shed: "never",
  session_lost: { repaired: true },
  connection_refused: { counts: false },
};

Deno.test("classifyAttempt() repeats what effect and delivery allow, by code at its own cost", () => {
  for (const code of CODES) {
    for (const delivery of DELIVERIES) {
      const error = createClientError(code, "Injected", { delivery, retryAfterMs: 7 });
      for (const effect of EFFECTS) {
        const cost = COSTS[code];
        const proved = delivery === "not_sent" || delivery === "not_executed";
        const isAllowed = proved || (delivery === "unknown" && effect !== "unsafe");
        const expected = !isAllowed || cost === "never" ? undefined : {
          delivery,
          temporary: error.temporary,
          retryAfterMs: 7,
          throttled: code === "rate_limited",
          ...cost,
        };
        const failed = classifyAttempt(error, effect, false);
        assertEquals(failed, expected, `${code}, ${delivery}, ${effect}`);
      }
    }
  }
});

Deno.test("classifyAttempt() never repeats a foreign error", () => {
  for (const foreign of [new TypeError("a defect"), undefined, "text", { code: "rate_limited" }]) {
    assertEquals(classifyAttempt(foreign, "safe", false), undefined);
  }
});

Deno.test("C7 classifyAttempt() has a lost session replaced once", () => {
  const lost = createClientError("session_lost", "Injected");
  assertEquals(classifyAttempt(lost, "unsafe", false)?.repaired, true);
  assertEquals(classifyAttempt(lost, "unsafe", true), undefined);
  const limited = createClientError("rate_limited", "Injected");
  assertEquals(classifyAttempt(limited, "unsafe", true)?.delivery, "not_executed");
});

Deno.test("C2 classifyAttempt() repeats a full wait for a lease, free, only if a passing failure caused it", () => {
  const table: [cause: unknown, isRepeated: boolean][] = [
    [createClientError("connection_refused", "down"), true],
    [createClientError("rate_limited", "later"), true],
    [createClientError("forbidden", "for good"), false],
    [createClientError("connection_refused", "certificate", { temporary: false }), false],
    [{ temporary: true }, false],
    [new Error("foreign"), false],
    [undefined, false],
  ];
  for (const [cause, isRepeated] of table) {
    const error = createClientError("pool_timeout", "Injected", { cause });
    const expected = isRepeated
      ? {
        delivery: "not_sent" as const,
        temporary: true,
        retryAfterMs: undefined,
        throttled: false,
        repaired: true,
      }
      : undefined;
    assertEquals(classifyAttempt(error, "unsafe", false), expected, String(cause));
  }
});

/** What stays itself although an unsafe operation may have run. */
const KEPT = ["operation_failed", "invalid_arguments", "cancelled", "outcome_unknown"];

Deno.test("concludeExecution() makes what nobody can know outcome_unknown, and nothing else", () => {
  for (const code of CODES) {
    for (const effect of EFFECTS) {
      for (const [i, before] of DELIVERIES.entries()) {
        for (const [j, delivery] of DELIVERIES.entries()) {
          const error = createClientError(code, "Injected", { delivery, effect, retryAfterMs: 9 });
          const facts = { effect, delivery: before, attempts: 4, executionId: "e-1" };
          const concluded = concludeExecution(error, "work", facts);
          const strongest = DELIVERIES[Math.max(i, j)]!;
          const isUnknown = effect === "unsafe" && strongest === "unknown" && !KEPT.includes(code);
          const row = `${code}, ${effect}, ${before}, ${delivery}`;
          assertEquals(
            [concluded.code, concluded.delivery, concluded.attempts, concluded.executionId],
            [isUnknown ? "outcome_unknown" : code, strongest, 4, "e-1"],
            row,
          );
          if (!isUnknown) {
            assertEquals([concluded.message, concluded.retryAfterMs], ["Injected", 9], row);
            continue;
          }
          assertInstanceOf(concluded, OutcomeUnknownError);
          assertStrictEquals(concluded.cause, error);
          assertEquals(concluded.message, "'work' may have run: Injected");
          assertEquals(concluded.retryable, false);
        }
      }
    }
  }
});
