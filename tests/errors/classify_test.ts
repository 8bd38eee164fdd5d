import fc from "fast-check";
import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import { type Evidence, toClientError } from "../../src/errors/classify.ts";
import type { ErrorCode } from "../../src/errors/codes.ts";
import type { Delivery, Effect } from "../../src/errors/delivery.ts";
import { type HealthEvidence, healthOf } from "../../src/errors/health.ts";

const EFFECTS: readonly Effect[] = ["safe", "idempotent", "unsafe"];

/** Which effects may be repeated and are worth it: all, all but unsafe, none. */
type Repeat = "all" | "not_unsafe" | "none";
const RETRYABLE: Record<Repeat, readonly boolean[]> = {
  all: [true, true, true],
  not_unsafe: [true, true, false],
  none: [false, false, false],
};

type Row = readonly [
  rule: string,
  code: ErrorCode,
  Delivery,
  Repeat,
  HealthEvidence,
  readonly Evidence[],
];

const http = (...statuses: number[]): Evidence[] =>
  statuses.map((status) => ({ kind: "http", status }));
const modern = (status: number, ...codes: number[]): Evidence[] =>
  codes.map((rpcCode) => ({ kind: "http", status, modern: true, rpcCode }));
const legacy = (status: number, ...codes: number[]): Evidence[] =>
  codes.map((rpcCode) => ({ kind: "http", status, rpcCode }));
const rpc = (...codes: number[]): Evidence[] => codes.map((code) => ({ kind: "rpc", code }));

const ROWS: readonly Row[] = [
  ["C3", "connection_refused", "not_sent", "all", "hard", [{ kind: "connect_failed" }]],
  ["C4", "connection_refused", "not_sent", "none", "none", [
    { kind: "connect_failed", certificateRefused: true },
  ]],
  ["C5", "rate_limited", "not_executed", "all", "pushback", [
    ...http(429),
    { kind: "http", status: 429, retryAfterMs: 1_000 },
    { kind: "http", status: 429, rpcCode: -32603 },
  ]],
  ["C6", "unavailable", "not_executed", "all", "pushback", [
    { kind: "http", status: 503, retryAfterMs: 0 },
    { kind: "http", status: 503, retryAfterMs: 1_000, rpcCode: -32603 },
  ]],
  ["C7", "session_lost", "not_executed", "all", "none", [
    { kind: "http", status: 404, sessionHeld: true },
    { kind: "http", status: 410, sessionHeld: true },
    { kind: "http", status: 400, sessionHeld: true, rpcCode: -32000 },
    { kind: "http", status: 404, sessionHeld: true, rpcCode: -32601 },
  ]],
  ["C8", "unauthorized", "not_executed", "none", "answered", [
    ...http(401),
    { kind: "http", status: 401, rpcCode: -32603 },
  ]],
  ["C9", "forbidden", "not_executed", "none", "answered", http(403)],
  ["C10, C11, C12 by code", "protocol_error", "not_executed", "none", "answered", [
    ...modern(400, -32022, -32021, -32020),
    ...rpc(-32700, -32600),
    { kind: "http", status: 400, rpcCode: -32700 },
  ]],
  ["C12 unread", "protocol_error", "not_executed", "none", "answered", [
    { kind: "http", status: 400, unread: true, rpcCode: -32000 },
    { kind: "http", status: 400, unread: true, rpcCode: -32603, modern: true },
  ]],
  ["C12 by status", "protocol_error", "not_executed", "none", "answered", [
    ...http(405, 406, 413, 415, 421),
    ...http(300, 302, 307, 399),
  ]],
  ["C13", "operation_not_found", "not_executed", "none", "answered", [
    ...rpc(-32601),
    { kind: "http", status: 404, rpcCode: -32601 },
  ]],
  ["C14 arguments", "invalid_arguments", "unknown", "none", "answered", [
    ...rpc(-32602),
    { kind: "http", status: 400, rpcCode: -32602 },
  ]],
  [
    "C14 application codes",
    "operation_failed",
    "unknown",
    "none",
    "answered",
    rpc(-32769, -31999, -1, 0, 42),
  ],
  ["C15", "operation_failed", "unknown", "not_unsafe", "answered", [
    ...rpc(-32603, -32768, -32000, -32001, -32099),
    ...rpc(-32022, -32021, -32020),
    ...legacy(400, -32022, -32021, -32020),
    ...modern(404, -32022, -32021, -32020),
    ...modern(400, -32019, -32023, -32099),
    { kind: "http", status: 500, rpcCode: -32603 },
    { kind: "http", status: 400, rpcCode: -32000 },
    { kind: "http", status: 400, unread: false, rpcCode: -32000 },
    { kind: "http", status: 500, unread: true, rpcCode: -32000 },
  ]],
  ["C16", "unavailable", "unknown", "not_unsafe", "hard", [
    ...http(500, 502, 504),
    ...http(520, 521, 522, 523, 524, 525, 526, 527),
  ]],
  ["C16 early", "unavailable", "unknown", "not_unsafe", "answered", http(408, 425)],
  ["C16 503", "unavailable", "unknown", "not_unsafe", "overload", http(503)],
  ["C17", "connection_lost", "unknown", "not_unsafe", "hard", [
    { kind: "no_answer" },
    { kind: "no_answer", headReceived: false, timedOut: false },
  ]],
  ["C17 with a sign of life", "connection_lost", "unknown", "not_unsafe", "none", [
    { kind: "no_answer", headReceived: true },
    { kind: "no_answer", timedOut: true },
    { kind: "no_answer", headReceived: true, timedOut: true },
  ]],
  ["C18", "protocol_error", "unknown", "not_unsafe", "answered", [{ kind: "unusable_answer" }]],
  ["C19", "protocol_error", "unknown", "none", "answered", [
    ...http(400, 404, 410, 418, 501, 507, 519, 528, 299),
    { kind: "too_large" },
  ]],
  ["C20", "invalid_result", "executed", "none", "answered", [{ kind: "invalid_result" }]],
];

for (const [rule, code, delivery, repeat, health, evidences] of ROWS) {
  for (const evidence of evidences) {
    Deno.test(`toClientError() ${rule}: ${JSON.stringify(evidence)}`, () => {
      const errors = EFFECTS.map((effect) => toClientError(evidence, { effect }));
      assertEquals(
        errors.map((error) => [error.code, error.delivery, error.retryable]),
        RETRYABLE[repeat].map((retryable) => [code, delivery, retryable]),
      );
      assertEquals(errors.map(healthOf), [health, health, health]);
    });
  }
}

Deno.test("toClientError() K8: a 503 that proves nothing keeps its hint", () => {
  const evidence: Evidence = { kind: "http", status: 503, retryAfterMs: 2_000 };
  const error = toClientError(evidence, { effect: "unsafe", treat503AsNotExecuted: false });
  assertEquals(
    [error.code, error.delivery, error.retryable, error.retryAfterMs],
    ["unavailable", "unknown", false, 2_000],
  );
  assertEquals(healthOf(error), "overload");
});

Deno.test("toClientError() keeps the cause and never reads its text", () => {
  const cause = new Error("429 too many requests, session not found, ECONNREFUSED");
  const error = toClientError({ kind: "no_answer" }, { effect: "safe", cause });
  assertStrictEquals(error.cause, cause);
  assertEquals(error.code, "connection_lost");
});

const evidence: fc.Arbitrary<Evidence> = fc.oneof(
  fc.record({ kind: fc.constant("connect_failed" as const), certificateRefused: fc.boolean() }),
  fc.record({
    kind: fc.constant("http" as const),
    status: fc.oneof(
      fc.constantFrom(400, 401, 403, 404, 410, 429, 500, 503),
      fc.integer({ min: 201, max: 599 }),
    ),
    retryAfterMs: fc.nat(120_000),
    sessionHeld: fc.boolean(),
    modern: fc.boolean(),
    rpcCode: fc.integer({ min: -33_000, max: -31_000 }),
  }, { requiredKeys: ["kind", "status"] }),
  fc.record({
    kind: fc.constant("rpc" as const),
    code: fc.oneof(fc.integer(), fc.integer({ min: -33_000, max: -31_000 })),
  }),
  fc.record({
    kind: fc.constant("no_answer" as const),
    headReceived: fc.boolean(),
    timedOut: fc.boolean(),
  }, { requiredKeys: ["kind"] }),
  fc.constantFrom<Evidence>(
    { kind: "unusable_answer" },
    { kind: "too_large" },
    { kind: "invalid_result" },
  ),
);

Deno.test("toClientError() never calls an unsafe operation repeatable unless it is proved not run", () => {
  fc.assert(fc.property(evidence, (seen) => {
    const error = toClientError(seen, { effect: "unsafe" });
    const proved = error.delivery === "not_sent" || error.delivery === "not_executed";
    assert(proved || !error.retryable);
  }));
});

Deno.test("toClientError() lets the effect change nothing but retryable", () => {
  fc.assert(fc.property(evidence, (seen) => {
    const [safe, idempotent, unsafe] = EFFECTS.map((effect) => toClientError(seen, { effect }));
    const facts = (
      error = safe,
    ) => error && [error.code, error.delivery, error.temporary, error.message, healthOf(error)];
    assertEquals(facts(idempotent), facts(safe));
    assertEquals(facts(unsafe), facts(safe));
    assertEquals(idempotent?.retryable, safe?.retryable);
    assert(!unsafe?.retryable || safe?.retryable);
  }));
});
