/** Every way in which a connection can fail to come about, or its server can have gone. */
import { EFFECTS } from "../../src/errors/delivery.ts";
import { type FaultHandler, type FaultServerOptions } from "../support/fault_server.ts";
import type { FaultCase } from "./fault_cases.ts";
import type { ProbeError } from "./fault_probe.ts";
import { MAX_ANSWER_BYTES, PROGRESS, status } from "./faults.ts";

const ERAS = ["modern", "legacy"] as const;

const refused = (status = "not_sent"): ProbeError => [
  ...["ConnectionError", "connection_refused", status, "hard"] as const,
  ...[true, null] as const,
];
const lost = (delivery: "not_sent" | "unknown"): ProbeError => [
  ...["ConnectionError", "connection_lost", delivery, "hard"] as const,
  ...[true, null] as const,
];
const unusable: ProbeError = ["ProtocolError", "protocol_error", "not_sent", "none", false, null];
const later = (health: string, retryAfterMs: number | null): ProbeError => [
  ...["RetryableError", "unavailable", "not_sent", health] as const,
  ...[true, retryAfterMs] as const,
];
const limited: ProbeError = ["RetryableError", "rate_limited", "not_sent", "pushback", true, 3_000];
const denied = (code: string): ProbeError => [
  ...["AuthenticationError", code, "not_sent", "none"] as const,
  ...[false, null] as const,
];
const HINT = "retry-after: 3\r\n";

/** Answers to the question for the era, none of which tells it. */
const PROBES: readonly (readonly [what: string, answer: FaultHandler, failure: ProbeError])[] = [
  ["401", status(401), denied("unauthorized")],
  ["403", status(403), denied("forbidden")],
  ["408", status(408), later("hard", null)],
  ["425", status(425), later("hard", null)],
  ["429", status(429, HINT), limited],
  ["500", status(500), later("hard", null)],
  ["503", status(503, HINT), later("pushback", 3_000)],
  ["a redirect", status(302, "location: /x\r\n"), unusable],
  ["HTML", ({ answer }) => answer(200, "text/html", "<p>"), unusable],
  ["invalid JSON", ({ answer }) => answer(200, "application/json", "{no"), unusable],
  ["202", ({ answer }) => answer(202, "", ""), unusable],
  ["no head", () => Promise.resolve(), lost("not_sent")],
  ["a stream that ends", ({ stream }) => stream(`id: e1\n${PROGRESS}`), lost("not_sent")],
];

/** Handshakes that fail although the era is known. */
const HANDSHAKES: readonly (readonly [string, FaultServerOptions, ProbeError])[] = [
  [
    "a handshake answered with 429",
    { era: "legacy", handlers: { initialize: status(429, HINT) } },
    limited,
  ],
  ...[true, false].map((keepAlive) =>
    [
      `a handshake that is cut off, ${keepAlive ? "warm" : "cold"}`,
      {
        era: "legacy",
        keepAlive,
        handlers: { "notifications/initialized": () => Promise.resolve() },
      },
      lost("not_sent"),
    ] as const
  ),
];

const task = { act: "connect", effect: "safe", maxAnswerBytes: MAX_ANSWER_BYTES } as const;

function connectCase(
  name: string,
  facts: Pick<FaultCase, "server" | "target">,
  failure: Parameters<typeof expect>[0],
  arrived: Readonly<Record<string, number>> = {},
): FaultCase {
  return { name: `C24: ${name}`, ...facts, task, expected: expect(failure, arrived) };
}

function expect(
  failure: ProbeError | ((facts: Parameters<FaultCase["expected"]>[0]) => ProbeError),
  arrived: Readonly<Record<string, number>>,
): FaultCase["expected"] {
  return (facts) => {
    const error = typeof failure === "function" ? failure(facts) : failure;
    return {
      failures: [error],
      end: error.slice(0, 3) as string[],
      attempts: 0,
      retryable: error[4],
      closed: false,
      arrived,
    };
  };
}

/** Cases of connecting; nothing of an operation can have been sent there. */
export const CONNECTS: readonly FaultCase[] = [
  ...PROBES.map(([what, answer, failure]) =>
    connectCase(
      `K9, the question for the era is answered with ${what}`,
      { server: () => ({ era: "legacy", handlers: { "server/discover": answer } }) },
      failure,
      { "server/discover": 1, initialize: 0 },
    )
  ),
  ...HANDSHAKES.map(([what, server, failure]) =>
    connectCase(what, { server: () => server }, failure)
  ),
  ...(["closed port", "unknown name"] as const).flatMap((target) => {
    const one = connectCase(
      `C3, ${target}`,
      { target },
      ({ provesRefusal }) => provesRefusal ? refused() : lost("not_sent"),
    );
    return [one, {
      ...one,
      name: `${one.name}, legacy`,
      task: { ...task, era: "legacy" as const },
    }];
  }),
  connectCase(
    "C4, a certificate that nobody has signed",
    { target: "unsigned" },
    ({ provesCertificate }) =>
      provesCertificate
        ? ["ConnectionError", "connection_refused", "not_sent", "none", false, null]
        : lost("not_sent"),
  ),
  ...ERAS.flatMap((era) =>
    EFFECTS.map((effect): FaultCase => ({
      name: `C3, ${effect}, ${era}: a call to a server that has gone`,
      server: () => ({ era, keepAlive: false }),
      task: { ...task, act: "gone", effect },
      expected(facts) {
        const proved = facts.provesRefusal;
        const delivery = proved ? "not_sent" : "unknown";
        const error = facts.provesRefusal ? refused(delivery) : lost("unknown");
        return {
          ...expect(error, { "tools/call": 0 })(facts),
          retryable: proved || effect !== "unsafe",
        };
      },
    }))
  ),
];
