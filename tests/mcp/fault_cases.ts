/** The fault table as cases: a server with a fault, what is done to it, and what must come of it. */
import type { ErrorCode } from "../../src/errors/codes.ts";
import { type Effect, EFFECTS } from "../../src/errors/delivery.ts";
import type { FaultHandler, FaultServerOptions } from "../support/fault_server.ts";
import type { Runtime } from "../support/kit.ts";
import { CONNECTS } from "./connect_faults.ts";
import type { ProbeError, ProbeOutcome, ProbeTask } from "./fault_probe.ts";
import {
  answerResult,
  type Fault,
  listTools,
  MAX_ANSWER_BYTES,
  PATHS,
  type Proof,
  refuse,
  ruleOf,
  RULES,
} from "./faults.ts";
import { RECOVERIES } from "./recoveries.ts";

/** What a runtime's own `fetch` does, which decides what can be proved there. */
export interface RuntimeFacts {
  /** It tells a refused connection from one that broke after the request was sent. */
  readonly provesRefusal: boolean;
  /** It tells that a certificate was refused. */
  readonly provesCertificate: boolean;
  /** It sends once more, on a new connection, what was answered with 421 (fetch standard). */
  readonly repeats421: boolean;
}

const NODE = {
  provesRefusal: true,
  provesCertificate: true,
  // Harmless: 421 says that nothing ran.
  repeats421: true,
};

/** What differs between the runtimes by nature: all else is the same in them all. */
export const FACTS: Readonly<Partial<Record<Runtime, RuntimeFacts>>> = {
  // A body that can be read once keeps it from sending a call twice.
  deno: { ...NODE, repeats421: false },
  node22: NODE,
  node24: NODE,
  bun: { ...NODE, repeats421: false },
  // Whatever goes wrong with the network is the same error there.
  workerd: {
    provesRefusal: false,
    provesCertificate: false,
    repeats421: false,
  },
};

/** What a case must end with. */
export interface Expected extends Omit<ProbeOutcome, "open"> {
  /** How often requests with a method arrived. */
  readonly arrived: Readonly<Record<string, number>>;
}

/** A server with a fault, and what is done to it. */
export interface FaultCase {
  readonly name: string;
  /** Makes the server. */
  readonly server?: () => FaultServerOptions;
  /** What is called where there is no such server. */
  readonly target?: "closed port" | "unknown name" | "unsigned";
  /** Whether connections end with a TCP reset. */
  readonly reset?: true | undefined;
  readonly task: Omit<ProbeTask, "url">;
  readonly expected: (facts: RuntimeFacts) => Expected;
}

const CLASSES: Readonly<Partial<Record<ErrorCode, string>>> = {
  connection_refused: "ConnectionError",
  connection_lost: "ConnectionError",
  session_lost: "ConnectionError",
  rate_limited: "RetryableError",
  unavailable: "RetryableError",
  unauthorized: "AuthenticationError",
  forbidden: "AuthenticationError",
  protocol_error: "ProtocolError",
  operation_not_found: "OperationError",
  invalid_arguments: "OperationError",
  operation_failed: "OperationError",
  invalid_result: "OperationError",
  deadline_exceeded: "DeadlineExceededError",
};
/** The codes that hide from nobody that the server did answer, whatever the effect. */
const ANSWERS: readonly ErrorCode[] = ["invalid_arguments", "operation_failed"];

type Claim = Pick<Proof, "code" | "delivery">;

/** A failure as the probe tells it. */
export const failure = (
  { code, delivery, health, repeat, retryable }: Proof,
  retryAfterMs?: number,
): ProbeError => [
  ...claim({ code, delivery }),
  health,
  repeat !== "none" && retryable !== false,
  retryAfterMs ?? null,
];

function claim({ code, delivery }: Claim): [name: string, code: string, delivery: string] {
  return [CLASSES[code] ?? "", code, delivery];
}

/** An error as the whole execution's: what nobody can know of an unsafe operation is "unknown". */
export function conclude(last: Claim, effect: Effect): readonly string[] {
  const hidden = effect === "unsafe" && last.delivery === "unknown" && !ANSWERS.includes(last.code);
  return hidden
    ? ["OutcomeUnknownError", "outcome_unknown", "unknown", ...claim(last)]
    : claim(last);
}

function callCases(): FaultCase[] {
  return PATHS.flatMap((way) =>
    way.faults.flatMap((fault: Fault) =>
      EFFECTS.map((effect): FaultCase => {
        const { path, era } = way;
        const rule = ruleOf(fault, era);
        const proof: Proof = RULES[rule];
        const repeats = proof.repeat === "all" ||
          (proof.repeat === "not_unsafe" && effect !== "unsafe");
        const attempts = repeats ? 2 : 1;
        const sends = attempts * (fault.sends ?? 1);
        const misdirected = fault.what === "421";
        return {
          name: `${rule}, ${effect}, ${path}: ${fault.what}`,
          server: () => ({
            era,
            session: !("session" in way),
            handlers: { ...fault.handlers?.(), "tools/call": fault.call },
          }),
          reset: fault.reset,
          task: {
            act: "execute",
            effect,
            credentials: fault.credentials ?? ("credentials" in way ? way.credentials : undefined),
            maxAnswerBytes: MAX_ANSWER_BYTES,
            allowedMs: fault.allowedMs,
          },
          expected: ({ repeats421 }) => ({
            failures: Array<ProbeError>(attempts).fill(failure(proof, fault.retryAfterMs)),
            end: conclude(proof, effect),
            attempts,
            retryable: repeats && proof.retryable !== false,
            closed: proof.code === "session_lost" || rule === "C10",
            arrived: {
              "tools/call": sends * (misdirected && repeats421 ? 2 : 1),
            },
          }),
        };
      })
    )
  );
}

function recoveryCases(): FaultCase[] {
  return RECOVERIES.flatMap(
    ({ what, eras, handlers, failures = [], status = "success", arrived, allowedMs }) =>
      eras.flatMap((era) =>
        EFFECTS.map((effect): FaultCase => ({
          name: `${effect}, ${era}: ${what}`,
          server: () => ({ era, handlers: handlers() }),
          task: { act: "execute", effect, maxAnswerBytes: MAX_ANSWER_BYTES, allowedMs },
          expected: () => ({
            failures: failures.map((rule) => failure(RULES[rule], rule === "C10" ? undefined : 0)),
            end: [status],
            attempts: failures.length + 1,
            retryable: null,
            closed: failures.includes("C7") || failures.includes("C10"),
            arrived: { "tools/call": 1, ...arrived },
          }),
        }))
      ),
  );
}

/** A call that is never answered. */
const silence: FaultHandler = ({ gone }) => gone();

function endingCases(): FaultCase[] {
  const lost: ProbeError = ["ConnectionError", "connection_lost", "unknown", "none", true, null];
  const late: Claim = { code: "deadline_exceeded", delivery: "unknown" };
  return PATHS.filter((way) => !("session" in way)).flatMap((way) =>
    EFFECTS.flatMap((effect): FaultCase[] => {
      const { path, era } = way;
      const credentials = "credentials" in way ? way.credentials : undefined;
      const task = { effect, credentials, maxAnswerBytes: MAX_ANSWER_BYTES };
      const server = () => ({ era, handlers: { "tools/call": silence } });
      const arrived = { "tools/call": 1 };
      // Closing the stream is the cancel of the modern era; the legacy one has a message for it.
      const cancelled = { ...arrived, "notifications/cancelled": era === "legacy" ? 1 : 0 };
      return [
        {
          name: `C22, ${effect}, ${path}: the caller leaves during the call`,
          server,
          task: { ...task, act: "abort" },
          expected: () => ({
            failures: [],
            end: ["the caller's reason"],
            attempts: null,
            retryable: null,
            closed: false,
            arrived: cancelled,
          }),
        },
        {
          name: `C23, ${effect}, ${path}: the deadline passes during the call`,
          server,
          task: { ...task, act: "deadline" },
          expected: () => ({
            failures: [[...claim(late), "none", true, null]],
            end: conclude(late, effect),
            attempts: 1,
            retryable: effect !== "unsafe",
            closed: false,
            arrived: cancelled,
          }),
        },
        {
          name:
            `C17, ${effect}, ${path}: the connection is closed during the call, and called again`,
          server,
          task: { ...task, act: "close" },
          expected: () => ({
            failures: [lost, [
              "ConnectionError",
              "connection_lost",
              "not_sent",
              "none",
              true,
              null,
            ]],
            end: claim({ code: "connection_lost", delivery: "unknown" }),
            attempts: 0,
            retryable: effect !== "unsafe",
            closed: true,
            arrived,
          }),
        },
      ];
    })
  );
}

/** What the list of tools tells, and the answer to a call does not. */
const LISTED: readonly FaultCase[] = (["modern", "legacy"] as const).flatMap((era) => {
  const task = { act: "execute", effect: "unsafe", maxAnswerBytes: MAX_ANSWER_BYTES } as const;
  const end = { attempts: 0, retryable: false, closed: false };
  return [
    {
      // Some servers would answer with a result that says so.
      name: `K13, ${era}: a tool that the server does not have`,
      server: () => ({ era, handlers: { "tools/list": listTools("") } }),
      task,
      expected: () => ({
        ...end,
        failures: [],
        end: claim({ code: "operation_not_found", delivery: "not_sent" }),
        arrived: { "tools/call": 0 },
      }),
    },
    {
      name: `C13, ${era}: -32602 to a tool that the server has dropped`,
      server: () => ({ era, handlers: dropTool() }),
      task: { ...task, warm: true },
      expected: () => ({
        ...end,
        failures: [failure(RULES["C14 arguments"])],
        end: claim({ code: "operation_not_found", delivery: "not_executed" }),
        attempts: 1,
        arrived: { "tools/call": 2, "tools/list": 2 },
      }),
    },
  ];
});

/** Lists a tool and runs it once, then knows it no more. */
function dropTool(): Record<string, FaultHandler> {
  let lists = 0, calls = 0;
  return {
    "tools/list": (exchange) =>
      listTools(lists++ === 0 ? `{"name":"act","inputSchema":{"type":"object"}}` : "")(exchange),
    "tools/call": (exchange) => (calls++ === 0 ? answerResult : refuse(200, -32602))(exchange),
  };
}

/** Every case: each effect, both eras. */
export function createCases(): readonly FaultCase[] {
  return [...callCases(), ...recoveryCases(), ...endingCases(), ...LISTED, ...CONNECTS];
}
