import { assert, assertEquals, assertMatch } from "@std/assert";
import { type Evidence, toClientError } from "../../src/errors/classify.ts";

/** One evidence of each kind and, of HTTP, of each judgement. */
const EVIDENCES: readonly Evidence[] = [
  { kind: "connect_failed" },
  { kind: "connect_failed", certificateRefused: true },
  { kind: "http", status: 401 },
  { kind: "http", status: 403 },
  { kind: "http", status: 404, sessionHeld: true },
  { kind: "http", status: 404 },
  { kind: "http", status: 429 },
  { kind: "http", status: 503 },
  { kind: "rpc", code: -32601 },
  { kind: "rpc", code: -32602 },
  { kind: "no_answer" },
  { kind: "unusable_answer" },
  { kind: "too_large" },
  { kind: "invalid_result" },
];

Deno.test("toClientError() says in a sentence of its own what was seen", () => {
  const messages = EVIDENCES.map((evidence) => toClientError(evidence, { effect: "safe" }).message);
  for (const message of messages) assertMatch(message, /^(?:The|No) [a-z].{15,}$/);
  assertEquals(new Set(messages).size, messages.length);
});

Deno.test("toClientError() names the status or the JSON-RPC code that it does not name otherwise", () => {
  const table: [Evidence, string][] = [
    [{ kind: "http", status: 502 }, "502"],
    [{ kind: "http", status: 503, retryAfterMs: 1 }, "503"],
    [{ kind: "http", status: 418 }, "418"],
    [{ kind: "http", status: 500, rpcCode: -32603 }, "-32603"],
    [{ kind: "http", status: 400, modern: true, rpcCode: -32022 }, "-32022"],
    [{ kind: "rpc", code: 42 }, "42"],
    [{ kind: "rpc", code: -32700 }, "-32700"],
  ];
  for (const [evidence, number] of table) {
    const { message } = toClientError(evidence, { effect: "safe" });
    assert(message.endsWith(` ${number}`), message);
  }
});

Deno.test("toClientError() leaves out a cause and a hint that nobody gave", () => {
  const error = toClientError({ kind: "no_answer" }, { effect: "safe" });
  assertEquals([Object.hasOwn(error, "cause"), error.retryAfterMs], [false, undefined]);
});

Deno.test("C7 toClientError() takes no other answer for a lost session, though one was held", () => {
  const table: [status: number, rpcCode: number | undefined, code: string][] = [
    [400, undefined, "protocol_error"],
    [400, -32603, "operation_failed"],
    [400, -32001, "operation_failed"],
    [401, undefined, "unauthorized"],
    [500, undefined, "unavailable"],
    [500, -32000, "operation_failed"],
    [429, -32000, "rate_limited"],
    [405, undefined, "protocol_error"],
  ];
  for (const [status, rpcCode, code] of table) {
    const held = { kind: "http", status, sessionHeld: true } as const;
    const evidence = rpcCode === undefined ? held : { ...held, rpcCode };
    assertEquals(toClientError(evidence, { effect: "safe" }).code, code, `${status} ${rpcCode}`);
  }
});
