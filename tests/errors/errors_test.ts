import fc from "fast-check";
import { assert, assertEquals, assertFalse, assertStrictEquals } from "@std/assert";
import { ERROR_CODES, type ErrorCode } from "../../src/errors/codes.ts";
import { concludeError } from "../../src/errors/conclude.ts";
import { DELIVERIES, isSafeToRepeat } from "../../src/errors/delivery.ts";
import {
  ClientError,
  createClientError,
  type ErrorFacts,
  isClientError,
  OperationError,
  OutcomeUnknownError,
} from "../../src/errors/errors.ts";
import { type HealthEvidence, healthOf } from "../../src/errors/health.ts";

const CODES = Object.keys(ERROR_CODES) as ErrorCode[];
const code = fc.constantFrom(...CODES);
const facts: fc.Arbitrary<ErrorFacts> = fc.record({
  delivery: fc.constantFrom("not_sent", "not_executed", "unknown", "executed"),
  temporary: fc.boolean(),
  effect: fc.constantFrom("safe", "idempotent", "unsafe"),
  attempts: fc.nat(9),
  retryAfterMs: fc.nat(60_000),
  executionId: fc.uuid(),
}, { requiredKeys: [] });

Deno.test("ERROR_CODES has a sentence for each code", () => {
  for (const sentence of Object.values(ERROR_CODES)) assert(/^[A-Z].+\.$/.test(sentence), sentence);
  assertEquals(CODES, CODES.toSorted());
});

Deno.test("createClientError() gives each class its own name", () => {
  for (const code of CODES) {
    const error = createClientError(code, "");
    assertEquals(error.name, error.constructor.name);
    assertEquals(error.code, code);
  }
});

Deno.test("OutcomeUnknownError is an OperationError that is never retryable", () => {
  const error = createClientError("outcome_unknown", "", { effect: "safe" });
  assert(error instanceof OutcomeUnknownError && error instanceof OperationError);
  assertFalse(error.retryable);
});

Deno.test("ClientError without facts claims no more than its code proves", () => {
  for (const code of CODES) {
    const { delivery, temporary, retryable } = createClientError(code, "");
    assertEquals(retryable, temporary && isSafeToRepeat("unsafe", delivery));
  }
});

Deno.test("ClientError retryable is temporary and safe to repeat, for any facts", () => {
  fc.assert(fc.property(code, facts, (code, facts) => {
    const error = createClientError(code, "", facts);
    const repeatable = isSafeToRepeat(facts.effect ?? "unsafe", error.delivery);
    assertEquals(error.retryable, error.temporary && repeatable);
    assertEquals(error.delivery, facts.delivery ?? error.delivery);
  }));
});

Deno.test("ClientError.toJSON() survives JSON and tells nothing of a cause but name and code", () => {
  fc.assert(fc.property(code, facts, (code, facts) => {
    const secret = "Bearer s3cr3t";
    const cause = Object.assign(new TypeError(secret, { cause: secret }), {
      code: "ECONNRESET",
      headers: { authorization: secret },
      body: secret,
    });
    const error = createClientError(code, "said no", { ...facts, cause });
    const text = JSON.stringify(error);
    const document = JSON.parse(text);
    assertEquals(document, JSON.parse(JSON.stringify(error.toJSON())));
    assertEquals([document.message, document.code, document.delivery], [
      "said no",
      code,
      error.delivery,
    ]);
    assertEquals(document.cause, { name: "TypeError", code: "ECONNRESET" });
    assertFalse(text.includes("s3cr3t"));
  }));
});

Deno.test("ClientError.toJSON() leaves out what is not known and causes that are no errors", () => {
  const error = createClientError("internal", "x", { cause: { token: "s3cr3t" } });
  assertEquals(JSON.parse(JSON.stringify(error)), {
    name: "ClientError",
    code: "internal",
    message: "x",
    delivery: "unknown",
    temporary: false,
    retryable: false,
    attempts: 0,
    issues: [],
    asked: [],
  });
});

Deno.test("isClientError() knows errors of another copy of the package", async () => {
  const path = new URL("../../src/errors/errors.ts?copy", import.meta.url).href;
  const copy: typeof import("../../src/errors/errors.ts") = await import(path);
  const theirs = copy.createClientError("rate_limited", "later");
  assertFalse(theirs instanceof ClientError);
  assert(isClientError(theirs));
  assert(copy.isClientError(createClientError("rate_limited", "later")));
});

Deno.test("healthOf() derives what an error says of its server from code and delivery", () => {
  const expected: Record<HealthEvidence, readonly string[]> = {
    hard: ["connection_refused", "connection_lost"],
    overload: [],
    pushback: ["rate_limited", "shutting_down"],
    none: [
      ...["cancelled", "circuit_open", "deadline_exceeded", "internal", "session_lost", "shed"],
      ...["pool_closed", "pool_full", "pool_timeout"],
    ],
    answered: [],
  };
  for (const code of CODES) {
    const found = Object.entries(expected).find(([, codes]) => codes.includes(code))?.[0];
    for (const delivery of DELIVERIES) {
      const error = createClientError(code, "", { delivery });
      const unavailable = delivery === "not_executed" ? "pushback" : "hard";
      const health = found ?? (delivery === "not_sent" ? "none" : "answered");
      const derived = code === "unavailable" ? unavailable : health;
      assertEquals([code, delivery, healthOf(error)], [code, delivery, derived]);
    }
  }
  const refused = createClientError("connection_refused", "", { temporary: false });
  assertEquals(healthOf(refused), "none");
});

Deno.test("healthOf() tells what the maker knew, and nothing else shows it", () => {
  const plain = createClientError("connection_lost", "");
  const told = createClientError("connection_lost", "", { health: "none" });
  assertEquals([healthOf(plain), healthOf(told)], ["hard", "none"]);
  assertEquals(Object.keys(told), Object.keys(plain));
  assertEquals(JSON.stringify(told), JSON.stringify(plain));
  assertFalse("health" in told.toJSON());
});

Deno.test("healthOf() reads errors of another copy of the package", async () => {
  const path = new URL("../../src/errors/errors.ts?copy", import.meta.url).href;
  const copy: typeof import("../../src/errors/errors.ts") = await import(path);
  assertEquals(healthOf(copy.createClientError("rate_limited", "")), "pushback");
  assertEquals(healthOf(copy.createClientError("rate_limited", "", { health: "none" })), "none");
});

Deno.test("concludeError() keeps what an error says of its server, unless the facts say more", () => {
  const told = createClientError("unavailable", "", { health: "overload" });
  assertEquals(healthOf(concludeError(told, { delivery: "not_executed" })), "overload");
  // Derived before the delivery of the whole execution takes the place of the attempt's.
  const derived = createClientError("unavailable", "", { delivery: "not_executed" });
  assertEquals(healthOf(concludeError(derived, { delivery: "unknown" })), "pushback");
  assertEquals(healthOf(concludeError(told, { health: "none" })), "none");
});

Deno.test("concludeError() keeps class, message, stack and cause, and takes the execution's facts", () => {
  const cause = new Error("cut");
  const first = createClientError("connection_lost", "It broke", { cause, retryAfterMs: 5 });
  const last = concludeError(first, { effect: "safe", attempts: 3, executionId: "e-1" });
  assertEquals([last.name, last.message, last.stack], [first.name, first.message, first.stack]);
  assertStrictEquals(last.cause, cause);
  assertEquals(
    [last.attempts, last.executionId, last.retryAfterMs, last.retryable],
    [3, "e-1", 5, true],
  );
});
