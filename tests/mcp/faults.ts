/** Every way in which a call can be answered with a failure, and what each proves. */
import type { ErrorCode } from "../../src/errors/codes.ts";
import type { Delivery } from "../../src/errors/delivery.ts";
import type { HealthEvidence } from "../../src/errors/health.ts";
import { type FaultHandler, RESULT } from "../support/fault_server.ts";

/** Which effects may be repeated and are worth it: all, all but unsafe, none. */
export type Repeat = "all" | "not_unsafe" | "none";

/** What an attempt must end with. */
export interface Proof {
  readonly code: ErrorCode;
  readonly delivery: Delivery;
  readonly health: HealthEvidence;
  readonly repeat: Repeat;
  /** Whether the last attempt's error says that repeating is worth it; as `repeat` without it. */
  readonly retryable?: false;
}

const proof = (
  code: ErrorCode,
  delivery: Delivery,
  health: HealthEvidence,
  repeat: Repeat,
): Proof => ({ code, delivery, health, repeat });

/** The rows of the classification table that a server's answer can lead to. */
export const RULES = {
  "C5": proof("rate_limited", "not_executed", "pushback", "all"),
  "C6": proof("unavailable", "not_executed", "pushback", "all"),
  "C7": proof("session_lost", "not_executed", "none", "all"),
  "C8": proof("unauthorized", "not_executed", "answered", "none"),
  "C9": proof("forbidden", "not_executed", "answered", "none"),
  "C10": { ...proof("protocol_error", "not_executed", "answered", "all"), retryable: false },
  "C12": proof("protocol_error", "not_executed", "answered", "none"),
  "C13": proof("operation_not_found", "not_executed", "answered", "none"),
  "C14 arguments": proof("invalid_arguments", "unknown", "answered", "none"),
  "C14": proof("operation_failed", "unknown", "answered", "none"),
  "C15": proof("operation_failed", "unknown", "answered", "not_unsafe"),
  "C16": proof("unavailable", "unknown", "hard", "not_unsafe"),
  "C16 early": proof("unavailable", "unknown", "answered", "not_unsafe"),
  "C16 503": proof("unavailable", "unknown", "overload", "not_unsafe"),
  "C17": proof("connection_lost", "unknown", "hard", "not_unsafe"),
  "C17 after the head": proof("connection_lost", "unknown", "none", "not_unsafe"),
  "C18": proof("protocol_error", "unknown", "answered", "not_unsafe"),
  "C19": proof("protocol_error", "unknown", "answered", "none"),
  "C20": proof("invalid_result", "executed", "answered", "none"),
  "C21 not supported": proof("operation_failed", "executed", "answered", "none"),
} as const satisfies Record<string, Proof>;

export type Rule = keyof typeof RULES;

/** One failure on the wire. */
export interface Fault {
  readonly what: string;
  /** The row of the table, where it is not the same for both eras. */
  readonly rule: Rule | { readonly modern: Rule; readonly legacy: Rule };
  readonly call: FaultHandler;
  /** How long the server asks to wait. */
  readonly retryAfterMs?: number;
  /** Handlers of other requests, made anew for each server. */
  readonly handlers?: () => Readonly<Record<string, FaultHandler>>;
  /** Whether connections end with a TCP reset. */
  readonly reset?: true;
  /** How often each attempt is sent, on purpose; once without it. */
  readonly sends?: number;
  /** The longest wait that belongs to it. */
  readonly allowedMs?: number;
  readonly credentials?: "renewed";
}

/** The longest answer that these faults are made for. */
export const MAX_ANSWER_BYTES = 4_000;

const json = "application/json";
const rpc = (id: string, member: string) => `data: {"jsonrpc":"2.0","id":${id},${member}}`;
/** An event with progress of no call that anybody made. */
export const PROGRESS = `data: {"jsonrpc":"2.0","method":"notifications/progress",` +
  `"params":{"progressToken":-1,"progress":1}}`;
/** Answers with a status alone. */
export const status = (code: number, headers = ""): FaultHandler => ({ answer }) =>
  answer(code, "text/plain", "no", headers);
/** Answers with a JSON-RPC error. */
export const refuse = (http: number, code: number): FaultHandler => ({ answer, id }) =>
  answer(http, json, `{"jsonrpc":"2.0","id":${id},"error":{"code":${code},"message":"no"}}`);
/** The same, but for a request that the server could not make out. */
const unnamed = (http: number, code: number): FaultHandler => ({ answer }) =>
  answer(http, json, `{"jsonrpc":"2.0","id":null,"error":{"code":${code},"message":"no"}}`);
const result = (member: string): FaultHandler => ({ answer, id }) =>
  answer(200, json, `{"jsonrpc":"2.0","id":${id},"result":${member}}`);
/** Answers with a result. */
export const answerResult: FaultHandler = result(RESULT);
/** Answers with a list of tools that is stale at once. */
export const listTools = (list: string): FaultHandler =>
  result(`{"resultType":"complete","ttlMs":0,"cacheScope":"private","tools":[${list}]}`);
const statuses = (rule: Rule, ...codes: number[]): Fault[] =>
  codes.map((code) => ({ what: String(code), rule, call: status(code) }));

/** Answers a resume with what is given, and takes no other GET. */
export const resume = (answer: FaultHandler) => (): Record<string, FaultHandler> => ({
  GET: (exchange) =>
    exchange.request.headers.has("last-event-id") ? answer(exchange) : exchange.answer(405, "", ""),
});

/** What both eras can meet. */
const SHARED: readonly Fault[] = [
  { what: "no head", rule: "C17", call: () => Promise.resolve() },
  {
    what: "a reset in place of a head",
    rule: "C17",
    reset: true,
    call: () => Promise.resolve(),
  },
  {
    what: "cut JSON",
    rule: "C17 after the head",
    call: ({ write }) =>
      write(`HTTP/1.1 200 OK\r\ncontent-type: ${json}\r\ncontent-length: 500\r\n\r\n{"jsonrpc"`),
  },
  {
    what: "stream that ends",
    rule: "C17 after the head",
    call: ({ stream }) => stream(PROGRESS),
  },
  {
    what: "stream that breaks",
    rule: "C17 after the head",
    call: ({ write }) =>
      write(
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n" +
          "5\r\ndata:\r\n",
      ),
  },
  { what: "202", rule: "C18", call: ({ answer }) => answer(202, "", "") },
  {
    what: "204",
    rule: "C18",
    call: ({ write }) => write("HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n"),
  },
  { what: "HTML", rule: "C18", call: ({ answer }) => answer(200, "text/html", "<p>") },
  { what: "invalid JSON", rule: "C18", call: ({ answer }) => answer(200, json, "{no") },
  { what: "JSON, not RPC", rule: "C18", call: ({ answer }) => answer(200, json, "{}") },
  {
    what: "another id",
    rule: "C18",
    call: ({ answer }) => answer(200, json, `{"jsonrpc":"2.0","id":99,"result":${RESULT}}`),
  },
  {
    what: "another id in a stream that stays open",
    rule: "C18",
    call: ({ stream, gone }) => stream(rpc("99", `"result":${RESULT}`)).then(gone),
  },
  {
    what: "broken event in a stream that stays open",
    rule: "C18",
    call: ({ stream, gone }) => stream(`data: {"jsonrpc":"2.0","id`).then(gone),
  },
  {
    what: "JSON over the cap",
    rule: "C19",
    call: ({ answer }) => answer(200, json, " ".repeat(MAX_ANSWER_BYTES + 1)),
  },
  {
    what: "event over the cap in a stream that stays open",
    rule: "C19",
    call: ({ stream, gone }) => stream(`data: "${" ".repeat(MAX_ANSWER_BYTES)}"`).then(gone),
  },
  {
    what: "line without end over the cap",
    rule: "C19",
    call: ({ write, gone }) =>
      write(
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n" +
          `data: ${"x".repeat(MAX_ANSWER_BYTES)}`,
      ).then(gone),
  },
  ...statuses("C5", 429),
  { what: "429 with a hint", rule: "C5", retryAfterMs: 0, call: status(429, "retry-after: 0\r\n") },
  { what: "503 with a hint", rule: "C6", retryAfterMs: 0, call: status(503, "retry-after: 0\r\n") },
  { what: "503 with no hint", rule: "C16 503", call: status(503, "retry-after: soon\r\n") },
  ...statuses("C16 503", 503),
  ...statuses("C16", 500, 502, 504, 520, 527),
  ...statuses("C16 early", 408, 425),
  ...statuses("C8", 401),
  ...statuses("C9", 403),
  {
    what: "403 that asks for a scope",
    rule: "C9",
    call: status(403, 'www-authenticate: Bearer error="insufficient_scope", scope="more"\r\n'),
  },
  ...statuses("C12", 405, 406, 413, 415, 421),
  ...[307, 308].map((code): Fault => ({
    what: `${code} to elsewhere`,
    rule: "C12",
    call: status(code, "location: http://elsewhere.invalid/\r\n"),
  })),
  ...statuses("C19", 418, 501),
  { what: "404", rule: { modern: "C19", legacy: "C7" }, call: status(404) },
  { what: "410", rule: { modern: "C19", legacy: "C7" }, call: status(410) },
  { what: "404 with -32601", rule: { modern: "C13", legacy: "C7" }, call: refuse(404, -32601) },
  { what: "400 with -32000", rule: { modern: "C15", legacy: "C7" }, call: refuse(400, -32000) },
  {
    // It was refused before it was read.
    what: "400 with -32602 that names no request",
    rule: "C12",
    call: unnamed(400, -32602),
  },
  { what: "500 with -32603 that names no request", rule: "C15", call: unnamed(500, -32603) },
  { what: "400 with -32602", rule: "C14 arguments", call: refuse(400, -32602) },
  { what: "-32602", rule: "C14 arguments", call: refuse(200, -32602) },
  { what: "-32601", rule: "C13", call: refuse(200, -32601) },
  { what: "-32700", rule: "C12", call: refuse(200, -32700) },
  { what: "-32600", rule: "C12", call: refuse(200, -32600) },
  { what: "400 with -32021", rule: { modern: "C12", legacy: "C15" }, call: refuse(400, -32021) },
  { what: "500 with -32020", rule: "C15", call: refuse(500, -32020) },
  { what: "-32020", rule: "C15", call: refuse(200, -32020) },
  {
    what: "-32020 in a stream",
    rule: "C15",
    call: ({ stream, id }) => stream(rpc(id, `"error":{"code":-32020,"message":"no"}`)),
  },
  { what: "-32603", rule: "C15", call: refuse(200, -32603) },
  { what: "500 with -32603", rule: "C15", call: refuse(500, -32603) },
  { what: "an application's code", rule: "C14", call: refuse(200, 7) },
  {
    what: "result of another shape",
    rule: "C20",
    call: result(`{"resultType":"complete","content":7}`),
  },
  ...[`{"sum":"3"}`, undefined].map((structured): Fault => ({
    what: structured === undefined ? "result without its data" : "result with other data",
    rule: "C20",
    call: result(
      `{"resultType":"complete","content":[]${
        structured ? `,"structuredContent":${structured}` : ""
      }}`,
    ),
    handlers: () => ({
      "tools/list": listTools(
        `{"name":"act","inputSchema":{"type":"object"},"outputSchema":` +
          `{"type":"object","properties":{"sum":{"type":"number"}}}}`,
      ),
    }),
  })),
  {
    what: "result in a stream, of another shape",
    rule: "C20",
    call: ({ stream, id }) =>
      stream(PROGRESS, rpc(id, `"result":{"resultType":"complete","content":7}`)),
  },
];

const MODERN: readonly Fault[] = [
  { what: "400 with -32020", rule: "C12", sends: 2, call: refuse(400, -32020) },
  { what: "400 with -32022", rule: "C10", call: refuse(400, -32022) },
  { what: "result without a type", rule: "C20", call: result(`{"content":[]}`) },
  {
    what: "result that asks for input",
    rule: "C21 not supported",
    call: result(
      `{"resultType":"input_required","requestState":"s","inputRequests":{"a":` +
        `{"method":"roots/list","params":{}}}}`,
    ),
  },
  {
    what: "result of a type that nobody knows",
    rule: "C21 not supported",
    call: result(`{"resultType":"later","content":[]}`),
  },
  {
    what: "task without an id",
    rule: "C20",
    call: result(`{"resultType":"task","status":"working"}`),
  },
  {
    what: "stream with an event id that ends",
    rule: "C17 after the head",
    call: ({ stream }) => stream(`id: e1\n${PROGRESS}`),
  },
];

const LEGACY: readonly Fault[] = [
  { what: "400 with -32020", rule: "C15", call: refuse(400, -32020) },
  { what: "400 with -32022", rule: "C15", call: refuse(400, -32022) },
  ...[404, 405].map((code): Fault => ({
    what: `stream with an event id that ends, and ${code} to its resume`,
    rule: "C17 after the head",
    call: ({ stream }) => stream(`id: e1\n${PROGRESS}`),
    handlers: resume(status(code)),
    allowedMs: 500,
  })),
  {
    what: "stream with an event id that ends, and no head to its resume",
    rule: "C17 after the head",
    call: ({ stream }) => stream(`id: e1\n${PROGRESS}`),
    handlers: resume(() => Promise.resolve()),
    allowedMs: 500,
  },
];

/** What is the same to a legacy server without sessions, but for what would tell of their loss. */
const SESSIONLESS: readonly Fault[] = [
  { what: "404", rule: "C19", call: status(404) },
  { what: "404 with -32601", rule: "C13", call: refuse(404, -32601) },
  { what: "400 with -32000", rule: "C15", call: refuse(400, -32000) },
  { what: "422 with -32602", rule: "C14 arguments", call: refuse(422, -32602) },
];

/** With credentials that are renewed once, the first refusal is not the last word. */
const RENEWED: Fault = {
  what: "401 again after a renewal",
  rule: "C8",
  sends: 2,
  credentials: "renewed",
  call: status(401),
};

/** The ways to a server; with credentials that are renewed, the SDK makes a modern server's calls. */
export const PATHS = [
  { path: "modern", era: "modern", faults: [...SHARED, ...MODERN] },
  {
    path: "modern by the SDK",
    era: "modern",
    credentials: "fixed",
    faults: [...SHARED, ...MODERN, RENEWED],
  },
  { path: "legacy", era: "legacy", faults: [...SHARED, ...LEGACY, RENEWED] },
  { path: "legacy without sessions", era: "legacy", session: false, faults: SESSIONLESS },
] as const satisfies readonly {
  path: string;
  era: "modern" | "legacy";
  credentials?: "fixed";
  session?: false;
  faults: readonly Fault[];
}[];

/** Returns the row of the table that a fault leads to. */
export function ruleOf({ rule }: Fault, era: "modern" | "legacy"): Rule {
  return typeof rule === "string" ? rule : rule[era];
}
