/** Every way an answer can fail, on a real socket: what is proved, and how often it was sent. */
import { assertEquals } from "@std/assert";
import { type HealthEvidence, healthOf } from "../../src/errors/health.ts";
import { createMcpConnector } from "../../src/mcp/mod.ts";
import { Deadline } from "../../src/resilience/deadline.ts";
import { type FaultHandler, startFaultServer } from "../support/fault_server.ts";
import { MAX_ANSWER_BYTES, PATHS, PROGRESS, ruleOf, RULES, status } from "./faults.ts";
import { attempt, failureOf, limits, request } from "./support.ts";

for (const { path, era, faults, options } of PATHS) {
  for (const fault of faults) {
    const rule = ruleOf(fault, era);
    Deno.test(`Connection.execute() ${rule}, ${path}: ${fault.what}`, async () => {
      await using server = startFaultServer({ era, handlers: { "tools/call": fault.call } });
      const connector = createMcpConnector({
        url: server.url,
        maxAnswerBytes: MAX_ANSWER_BYTES,
        ...options,
      });
      const connection = await connector.connect(limits());
      assertEquals(connection.era, era);
      const error = await failureOf(
        connection.execute(request("act", {}, { effect: "unsafe" }), attempt()),
      );
      const { code, delivery, health } = RULES[rule];
      assertEquals(
        [error.code, error.delivery, healthOf(error), error.retryAfterMs],
        [code, delivery, health, fault.retryAfterMs],
      );
      assertEquals(server.count("tools/call"), 1);
      assertEquals(server.count("GET"), era === "modern" ? 0 : 1);
      assertEquals(connection.closed.aborted, code === "session_lost");
      await connection.close();
    });
  }
}

type Expected = readonly [
  code: string,
  delivery: string,
  health: HealthEvidence,
  retryAfterMs?: number,
];

const PROBES: readonly { what: string; answer: FaultHandler; expected: Expected }[] = [
  { what: "401", answer: status(401), expected: ["unauthorized", "not_sent", "none"] },
  { what: "403", answer: status(403), expected: ["forbidden", "not_sent", "none"] },
  { what: "408", answer: status(408), expected: ["unavailable", "not_sent", "hard"] },
  { what: "425", answer: status(425), expected: ["unavailable", "not_sent", "hard"] },
  {
    what: "429",
    answer: status(429, "retry-after: 3\r\n"),
    expected: ["rate_limited", "not_sent", "pushback", 3_000],
  },
  { what: "500", answer: status(500), expected: ["unavailable", "not_sent", "hard"] },
  {
    what: "503",
    answer: status(503, "retry-after: 3\r\n"),
    expected: ["unavailable", "not_sent", "pushback", 3_000],
  },
  {
    what: "a redirect",
    answer: status(302, "location: /x\r\n"),
    expected: ["protocol_error", "not_sent", "none"],
  },
  {
    what: "HTML",
    answer: ({ answer }) => answer(200, "text/html", "<p>"),
    expected: ["protocol_error", "not_sent", "none"],
  },
  {
    what: "202",
    answer: ({ answer }) => answer(202, "", ""),
    expected: ["protocol_error", "not_sent", "none"],
  },
  {
    what: "no head",
    answer: () => Promise.resolve(),
    expected: ["connection_lost", "not_sent", "hard"],
  },
  {
    what: "a stream that ends",
    answer: ({ stream }) => stream(`id: e1\n${PROGRESS}`),
    expected: ["connection_lost", "not_sent", "hard"],
  },
];

for (const { what, answer, expected } of PROBES) {
  Deno.test(`Connector.connect() C24, K9: takes no era from a probe answered with ${what}`, async () => {
    await using server = startFaultServer({
      era: "legacy",
      handlers: { "server/discover": answer },
    });
    const connector = createMcpConnector({ url: server.url });
    const error = await failureOf(connector.connect(limits()));
    const [code, delivery, health, retryAfterMs] = expected;
    assertEquals(
      [error.code, error.delivery, healthOf(error), error.retryAfterMs],
      [code, delivery, health, retryAfterMs],
    );
    assertEquals(error.temporary, !["unauthorized", "forbidden", "protocol_error"].includes(code));
    assertEquals([server.count("server/discover"), server.count("initialize")], [1, 0]);
  });
}

Deno.test("Connector.connect() C24, K9: takes no era from a probe that the deadline ends", async () => {
  await using server = startFaultServer({
    era: "legacy",
    handlers: { "server/discover": ({ gone }) => gone() },
  });
  const connecting = createMcpConnector({ url: server.url }).connect({
    ...limits(),
    deadline: Deadline.after(50),
  });
  const error = await failureOf(connecting);
  assertEquals([error.code, error.delivery, error.temporary, healthOf(error)], [
    "deadline_exceeded",
    "not_sent",
    true,
    "hard",
  ]);
  assertEquals([server.count("server/discover"), server.count("initialize")], [1, 0]);
});

for (const keepAlive of [true, false]) {
  Deno.test(`Connector.connect() C24: a handshake that is cut off may work later, ${keepAlive ? "warm" : "cold"}`, async () => {
    await using server = startFaultServer({
      era: "legacy",
      keepAlive,
      handlers: { "notifications/initialized": () => Promise.resolve() },
    });
    const error = await failureOf(createMcpConnector({ url: server.url }).connect(limits()));
    assertEquals([error.code, error.delivery, error.temporary, healthOf(error)], [
      "connection_lost",
      "not_sent",
      true,
      "hard",
    ]);
  });
}

Deno.test("Connector.connect() fails with what the handshake was answered with", async () => {
  await using server = startFaultServer({
    era: "legacy",
    handlers: { initialize: status(429, "retry-after: 4\r\n") },
  });
  const error = await failureOf(createMcpConnector({ url: server.url }).connect(limits()));
  assertEquals([error.code, error.delivery, error.retryAfterMs], [
    "rate_limited",
    "not_sent",
    4_000,
  ]);
});

Deno.test("Connector.connect() C3: proves that a refused connection sent nothing", async () => {
  const server = startFaultServer({ era: "modern" });
  await server[Symbol.asyncDispose]();
  const error = await failureOf(createMcpConnector({ url: server.url }).connect(limits()));
  assertEquals([error.code, error.delivery, error.temporary, healthOf(error)], [
    "connection_refused",
    "not_sent",
    true,
    "hard",
  ]);
});

// What Deno is allowed to send again may have been refused the second time.
for (const [effect, delivery] of [["unsafe", "not_sent"], ["safe", "unknown"]] as const) {
  Deno.test(`Connection.execute() tells what a refused connection proves, ${effect}`, async () => {
    const server = startFaultServer({ era: "modern", keepAlive: false });
    const connection = await createMcpConnector({ url: server.url }).connect(limits());
    await server[Symbol.asyncDispose]();
    const error = await failureOf(connection.execute(request("act", {}, { effect }), attempt()));
    assertEquals([error.code, error.delivery, error.retryable, healthOf(error)], [
      "connection_refused",
      delivery,
      true,
      "hard",
    ]);
    await connection.close();
  });
}

Deno.test("treat503AsNotExecuted K8: false makes 503 with Retry-After unknown", async () => {
  await using server = startFaultServer({
    era: "modern",
    handlers: { "tools/call": status(503, "retry-after: 1\r\n") },
  });
  const connector = createMcpConnector({ url: server.url, treat503AsNotExecuted: false });
  const connection = await connector.connect(limits());
  const error = await failureOf(connection.execute(request("act"), attempt()));
  assertEquals([error.delivery, error.retryAfterMs, healthOf(error)], [
    "unknown",
    1_000,
    "overload",
  ]);
  await connection.close();
});
