import { assertEquals, assertInstanceOf, assertStrictEquals } from "@std/assert";
import {
  type AttemptSituation,
  classifyAttempt,
  concludeExecution,
} from "../../src/client/verdict.ts";
import { ERROR_CODES, type ErrorCode } from "../../src/errors/codes.ts";
import { DELIVERIES, type Delivery, type Effect, EFFECTS } from "../../src/errors/delivery.ts";
import { createClientError, OutcomeUnknownError } from "../../src/errors/errors.ts";
import type { FailedAttempt } from "../../src/resilience/retry.ts";

const CODES = Object.keys(ERROR_CODES) as ErrorCode[];

/** The usual situation, but for what is said. */
function during(effect: Effect, other: Partial<AttemptSituation> = {}): AttemptSituation {
  return {
    effect,
    repairs: new Set(["session", "connection"]),
    replacesSession: true,
    connectionEnded: false,
    resumes: false,
    gateIsShut: false,
    ...other,
  };
}

/** What a failure costs if it is repeated; without a row, an attempt and a wait. */
const COSTS: Partial<Record<ErrorCode, Partial<FailedAttempt> | "never">> = {
  circuit_open: "never",
  pool_timeout: "never",
  pool_full: "never",
  shed: "never",
  session_lost: { repaired: true },
  connection_refused: { counts: false, free: false },
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
          ...(cost ?? { free: false }),
        };
        const failed = classifyAttempt(error, during(effect));
        assertEquals(failed, expected, `${code}, ${delivery}, ${effect}`);
      }
    }
  }
});

Deno.test("classifyAttempt() K6: asks for an answer again unless it has been told that there is none", () => {
  for (const effect of EFFECTS) {
    const judge = (code: ErrorCode, delivery: Delivery) =>
      classifyAttempt(
        createClientError(code, "Injected", { delivery }),
        during(effect, { resumes: true }),
      );
    const again = { throttled: false, retryAfterMs: undefined, temporary: true };
    assertEquals(judge("connection_lost", "unknown"), {
      ...again,
      delivery: "unknown",
      free: false,
      counts: false,
    });
    assertEquals(judge("unavailable", "unknown")?.counts, false);
    assertEquals(judge("connection_refused", "not_sent")?.counts, false);
    assertEquals(judge("operation_failed", "unknown"), undefined);
    assertEquals(judge("invalid_result", "executed"), undefined);
    assertEquals(judge("pool_full", "not_sent"), undefined);
  }
});

Deno.test("classifyAttempt() never repeats a foreign error", () => {
  for (const foreign of [new TypeError("a defect"), undefined, "text", { code: "rate_limited" }]) {
    assertEquals(classifyAttempt(foreign, during("safe")), undefined);
  }
});

Deno.test("C7 classifyAttempt() has a lost session replaced once, unless sessions hold state", () => {
  const lost = createClientError("session_lost", "Injected");
  assertEquals(classifyAttempt(lost, during("unsafe"))?.repaired, true);
  assertEquals(classifyAttempt(lost, during("unsafe", { repairs: new Set() })), undefined);
  assertEquals(classifyAttempt(lost, during("unsafe", { replacesSession: false })), undefined);
  const limited = createClientError("rate_limited", "Injected");
  const failed = classifyAttempt(limited, during("unsafe", { repairs: new Set() }));
  assertEquals([failed?.delivery, failed?.repaired], ["not_executed", undefined]);
});

Deno.test("C10 classifyAttempt() has a connection that ended replaced once, if nothing ran", () => {
  const refused = createClientError("protocol_error", "Injected", { delivery: "not_executed" });
  const ended = during("unsafe", { connectionEnded: true });
  const repaired = classifyAttempt(refused, ended);
  assertEquals([repaired?.repaired, repaired?.temporary], [true, true]);
  const again = classifyAttempt(refused, ended);
  assertEquals([again?.repaired, again?.temporary], [undefined, false]);
  assertEquals(classifyAttempt(refused, during("unsafe"))?.repaired, undefined);
  const cut = createClientError("connection_lost", "Injected");
  const lost = classifyAttempt(cut, during("safe", { connectionEnded: true }));
  assertEquals([lost?.repaired, lost?.temporary], [undefined, true]);
});

Deno.test("K12 classifyAttempt() charges nothing while the gate is shut for what did not run", () => {
  for (const code of CODES) {
    for (const delivery of DELIVERIES) {
      const error = createClientError(code, "Injected", { delivery });
      const failed = classifyAttempt(error, during("safe", { gateIsShut: true }));
      if (failed === undefined || failed.repaired) continue;
      const proved = delivery === "not_sent" || delivery === "not_executed";
      assertEquals(failed.free, proved, `${code}, ${delivery}`);
    }
  }
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
    assertEquals(classifyAttempt(error, during("unsafe")), expected, String(cause));
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
