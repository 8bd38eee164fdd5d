/** Answers without measure: each ends in a typed error, at once, in little memory, in every runtime. */
import { assertLessOrEqual } from "@std/assert";
import type { FaultHandler } from "../support/fault_server.ts";
import { NO_PROC, readPeakBytes } from "../support/memory.ts";
import { requires } from "../support/prerequisites.ts";
import { conclude, failure, type FaultCase } from "./fault_cases.ts";
import type { ProbeError } from "./fault_probe.ts";
import { RUNS } from "./fault_runs.ts";
import { answerResult, type Rule, RULES } from "./faults.ts";

const MIB = 2 ** 20;
/** What each answer would be, and would be read whole without a bound. */
const FLOOD_BYTES = 64 * MIB;
/** A bound that leaves room to see whether memory follows the bound or the flood. */
const MAX_ANSWER_BYTES = MIB;

const json = "content-type: application/json\r\n";
const events = "content-type: text/event-stream\r\n";
const LINE = "x".repeat(64 * 1_024);

const taken: number[] = [];
/** Writes 64 MiB, or what the peer takes of it. */
const flood = (head: string, before = "", chunk = LINE): FaultHandler => async ({ write }) => {
  await write(`HTTP/1.1 ${head}connection: close\r\n\r\n${before}`);
  let bytes = 0;
  try {
    for (; bytes < FLOOD_BYTES; bytes += chunk.length) await write(chunk);
  } finally {
    taken.push(bytes);
  }
};

/** 64 MiB that are sent as 64 KiB. */
const BOMB = await new Response(
  new Blob([new Uint8Array(FLOOD_BYTES)]).stream().pipeThrough(new CompressionStream("gzip")),
).bytes();
const bomb: FaultHandler = async ({ write }) => {
  await write(
    `HTTP/1.1 200 OK\r\n${json}content-encoding: gzip\r\ncontent-length: ${BOMB.length}\r\n\r\n`,
  );
  await write(BOMB);
};

const length = `content-length: ${FLOOD_BYTES}\r\n`;
const CALLS: readonly (readonly [what: string, rule: Rule, call: FaultHandler])[] = [
  ["JSON", "C19", flood(`200 OK\r\n${json}`)],
  ["JSON that says how long it is", "C19", flood(`200 OK\r\n${json}${length}`)],
  ["compressed JSON", "C19", bomb],
  ["an event of one line", "C19", flood(`200 OK\r\n${events}`, "data: ")],
  ["an event of many lines", "C19", flood(`200 OK\r\n${events}`, "", "data: x\n".repeat(8_192))],
  ["a comment", "C19", flood(`200 OK\r\n${events}`, ": ")],
  ["HTML", "C18", flood("200 OK\r\ncontent-type: text/html\r\n")],
  ["a failure", "C16", flood("500 x\r\n")],
  ["a refusal", "C19", flood(`400 x\r\n${json}`)],
  ["a redirect", "C12", flood("307 x\r\nlocation: http://elsewhere.invalid/\r\n")],
];
const TOO_LARGE: ProbeError = [
  ...["ProtocolError", "protocol_error", "not_sent", "none"] as const,
  ...[false, null] as const,
];

const task = { act: "execute", effect: "unsafe", maxAnswerBytes: MAX_ANSWER_BYTES } as const;
const CASES: readonly FaultCase[] = (["modern", "legacy"] as const).flatMap((era) => [
  ...CALLS.map(([what, rule, call]): FaultCase => ({
    name: `${era}: ${what}`,
    server: () => ({ era, handlers: { "tools/call": call } }),
    task,
    expected: () => ({
      failures: [failure(RULES[rule])],
      end: conclude(RULES[rule], "unsafe"),
      attempts: 1,
      retryable: false,
      closed: false,
      arrived: { "tools/call": 1 },
    }),
  })),
  {
    name: `${era}: a list of tools`,
    server: () => ({ era, handlers: { "tools/list": flood(`200 OK\r\n${json}`) } }),
    task,
    expected: () => ({
      failures: [],
      end: ["ProtocolError", "protocol_error", "not_sent"],
      attempts: 0,
      retryable: false,
      closed: false,
      arrived: { "tools/call": 0 },
    }),
  },
  {
    name: `${era}: the answer to the handshake`,
    server: () => ({
      era,
      handlers: {
        [era === "modern" ? "server/discover" : "initialize"]: flood(`200 OK\r\n${json}`),
      },
    }),
    task: { ...task, act: "connect" },
    expected: () => ({
      failures: [TOO_LARGE],
      end: ["ProtocolError", "protocol_error", "not_sent"],
      attempts: 0,
      retryable: false,
      closed: false,
      arrived: {},
    }),
  },
]);

/** What a server sends unasked is nobody's answer: the call goes well, and the stream is given up. */
const UNASKED: FaultCase = {
  name: "legacy: the stream of what nobody asked for",
  server: () => ({
    era: "legacy",
    handlers: { GET: flood(`200 OK\r\n${events}`, "data: "), "tools/call": answerResult },
  }),
  task,
  expected: () => ({
    failures: [],
    end: ["success"],
    attempts: 1,
    retryable: null,
    closed: false,
    arrived: { "tools/call": 1 },
  }),
};

/** The same with what a connector reads unless it is told otherwise. */
const PRESET: readonly FaultCase[] = CASES.slice(0, CALLS.length).map((one) => ({
  ...one,
  name: `${one.name}, 16 MiB`,
  task: { ...one.task, maxAnswerBytes: 16 * MIB },
}));

/**
 * The most that a process may grow by over all these answers, 1.4 GiB if they were read. Measured: 53
 * MiB in Node 22, 67 in Node 24, 65 in workerd, 70 in Deno; 113 in Bun, which inflates a compressed
 * answer before it hands it over. One answer read to its end costs 130 to 200 alone.
 */
const GROWTH_BYTES = 160 * MIB;
/**
 * The same where an answer may have 16 MiB. Measured: 125 MiB in Bun, 207 to 277 in Node, 224 in
 * workerd, 337 to 458 in Deno, which collects late; the dearest is an event of two million lines.
 */
const PRESET_GROWTH_BYTES = 640 * MIB;
/** The most that is taken above the bound: what lies in sockets. Measured: up to 20 MiB. */
const AHEAD_BYTES = 32 * MIB;

for (const { runtime, missing, run } of RUNS) {
  Deno.test({
    ...requires(`no answer takes more than its bound in ${runtime}`, missing ?? NO_PROC),
    async fn() {
      const small: FaultCase = { ...UNASKED, server: () => ({ era: "legacy" }) };
      const bounded = [small, ...CASES, UNASKED];
      const peaks: number[] = [];
      taken.length = 0;
      await run([...bounded, ...PRESET], {
        concurrency: 1,
        onEnd: () => {
          peaks.push(readPeakBytes());
          if (peaks.length !== bounded.length) return;
          assertLessOrEqual(Math.max(...taken), MAX_ANSWER_BYTES + AHEAD_BYTES);
          taken.length = 0;
        },
      });
      const [before = 0] = peaks;
      console.log(
        runtime,
        peaks.map((p) => Math.round((p - before) / MIB)).join(),
        taken.map((p) => Math.round(p / MIB)).join(),
      );
      assertLessOrEqual(peaks[bounded.length - 1]! - before, GROWTH_BYTES);
      assertLessOrEqual(peaks.at(-1)! - before, PRESET_GROWTH_BYTES);
      assertLessOrEqual(Math.max(...taken), 16 * MIB + AHEAD_BYTES);
    },
  });
}
