/** Answers that are no failure, or not the last word: each execution of them ends with a result. */
import { type FaultHandler, RESULT } from "../support/fault_server.ts";
import { answerResult, PROGRESS, refuse, resume, type Rule, status } from "./faults.ts";

/** What an execution must overcome by itself. */
export interface Recovery {
  readonly what: string;
  readonly eras: readonly ("modern" | "legacy")[];
  /** Made anew for each server. */
  readonly handlers: () => Record<string, FaultHandler>;
  /** What failed attempts show before that; the server asks for no wait. */
  readonly failures?: readonly Rule[];
  /** The result's; `"success"` without it. */
  readonly status?: "error";
  /** How often what arrives, where that is not one call. */
  readonly arrived?: Readonly<Record<string, number>>;
  /** The longest wait that belongs to it. */
  readonly allowedMs?: number;
}

const BOTH = ["modern", "legacy"] as const;
const json = "application/json";
const rpc = (id: string, member: string) => `{"jsonrpc":"2.0","id":${id},${member}}`;
/** Calls that are answered badly once, then well. */
const once = (first: FaultHandler) => (): Record<string, FaultHandler> => {
  let calls = 0;
  return { "tools/call": (exchange) => (calls++ === 0 ? first : answerResult)(exchange) };
};

/** A call whose stream ends after an event, and goes on when it is taken up again. */
function resumed(first: string): () => Record<string, FaultHandler> {
  return () => {
    let called = "";
    return {
      ...resume(({ stream }) => stream(`data: ${rpc(called, `"result":${RESULT}`)}`))(),
      "tools/call": ({ stream, id }) => {
        called = id;
        return stream(first);
      },
    };
  };
}

/** Rows of the table that end in a result. */
export const RECOVERIES: readonly Recovery[] = [
  {
    what: "a tool that says no",
    eras: BOTH,
    status: "error",
    handlers: () => ({
      "tools/call": ({ answer, id }) =>
        answer(
          200,
          json,
          rpc(id, `"result":{"resultType":"complete","isError":true,"content":[]}`),
        ),
    }),
  },
  ...[307, 308].map((code): Recovery => ({
    what: `${code} within the origin`,
    eras: BOTH,
    arrived: { "tools/call": 2 },
    handlers: () => ({
      "tools/call": (exchange) =>
        (exchange.request.path === "/new" ? answerResult : status(code, "location: /new\r\n"))(
          exchange,
        ),
    }),
  })),
  {
    what: "a stream that stays open after the result",
    eras: BOTH,
    // How long it may, for the sake of its connection.
    allowedMs: 1_000,
    handlers: () => ({
      "tools/call": ({ stream, id, gone }) =>
        stream(PROGRESS, `data: ${rpc(id, `"result":${RESULT}`)}`).then(gone),
    }),
  },
  {
    what: "a stream that ends after an event with an id",
    eras: ["legacy"],
    arrived: { GET: 2 },
    allowedMs: 500,
    handlers: resumed(`id: e1\n${PROGRESS}`),
  },
  {
    what: "a stream that ends and says when to come back",
    eras: ["legacy"],
    arrived: { GET: 2 },
    allowedMs: 100,
    handlers: resumed(`retry: 100\nid: e1\n${PROGRESS}`),
  },
  {
    what: "429 once",
    eras: BOTH,
    failures: ["C5"],
    arrived: { "tools/call": 2 },
    handlers: once(status(429, "retry-after: 0\r\n")),
  },
  {
    what: "503 with a hint once",
    eras: BOTH,
    failures: ["C6"],
    arrived: { "tools/call": 2 },
    handlers: once(status(503, "retry-after: 0\r\n")),
  },
  {
    what: "-32020 once",
    eras: ["modern"],
    arrived: { "tools/call": 2, "tools/list": 2 },
    handlers: once(refuse(400, -32020)),
  },
  {
    what: "-32022 once",
    eras: ["modern"],
    failures: ["C10"],
    arrived: { "tools/call": 2, "server/discover": 2 },
    handlers: once(refuse(400, -32022)),
  },
  ...[404, 410].map((code): Recovery => ({
    what: `a session that ${code} says is lost`,
    eras: ["legacy"],
    failures: ["C7"],
    arrived: { "tools/call": 2, initialize: 2 },
    handlers: once(status(code, "retry-after: 0\r\n")),
  })),
  {
    what: "a session that 400 says is lost",
    eras: ["legacy"],
    failures: ["C7"],
    arrived: { "tools/call": 2, initialize: 2 },
    handlers: once(({ answer, id }) =>
      answer(
        400,
        json,
        rpc(id, `"error":{"code":-32000,"message":"no"}`),
        "retry-after: 0\r\n",
      )
    ),
  },
];
