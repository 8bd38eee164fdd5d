/** Servers that change their era while they are used: real ones of every kind, swapped on one port. */
import { assert, assertEquals, assertLessOrEqual, assertRejects } from "@std/assert";
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { AutoMCPClient } from "../../src/client/client.ts";
import type { GroupConfig } from "../../src/client/config.ts";
import { type ClientError, OutcomeUnknownError } from "../../src/errors/errors.ts";
import { ERA_TTL_MS } from "../../src/mcp/era.ts";
import { createMcpConnector, type McpConnectorOptions, type McpPrior } from "../../src/mcp/mod.ts";
import { rejection } from "../client/support.ts";
import { createRandom } from "../support/random.ts";
import { DISCOVERED, type FaultHandler, startFaultServer } from "../support/fault_server.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { type ServerKind, startSwappableServer } from "../support/swappable_server.ts";
import { until } from "../support/until.ts";
import { attempt, failureOf, limits, request } from "./support.ts";

function connectTo(
  url: string,
  options: Partial<McpConnectorOptions> = {},
  policy: Partial<GroupConfig> = {},
) {
  const connector = createMcpConnector({ url, ...options });
  const client = new AutoMCPClient("test", { groups: { g: { connector, ...policy } } });
  const group = client.group("g");
  return {
    connector,
    client,
    charge: (key: string) => group.execute("charge", { key }),
    hang: (key: string, timeoutMs = 30_000) => group.execute("hang", { key }, { timeoutMs }),
    era: () => client.stats().servers[0]!.era,
    [Symbol.asyncDispose]: () => client.close(),
  };
}

const KINDS: readonly ServerKind[] = [
  "legacy, 404",
  "legacy, 400",
  "legacy, no sessions",
  "modern",
  "modern and legacy",
];
const MODERN_PATHS = [
  ["of its own", {}],
  ["by the SDK", { authProvider: { token: () => Promise.resolve("t") } }],
] as const;

function eraOf(kind: ServerKind): "modern" | "legacy" {
  return kind.startsWith("modern") ? "modern" : "legacy";
}

/** A server of both eras gives no reason to leave the legacy one. */
function eraAfter(before: ServerKind, after: ServerKind): "modern" | "legacy" {
  if (after === "modern and legacy" && eraOf(before) === "legacy") return "legacy";
  return eraOf(after);
}

for (const [path, options] of MODERN_PATHS) {
  for (const before of KINDS) {
    for (const after of KINDS.filter((kind) => kind !== before)) {
      Deno.test(`createMcpConnector() follows a server from ${before} to ${after}, ${path}`, async () => {
        await using server = startSwappableServer(before);
        await using peer = connectTo(server.url, options);
        await peer.charge("before");
        assertEquals(peer.era(), eraOf(before));
        await server.swap(after);
        // An unsafe operation: it is sent again since the refusal proves that it did not run.
        await peer.charge("after");
        assertEquals(peer.era(), eraAfter(before, after));
        await Promise.all(["1", "2", "3"].map(peer.charge));
        assertEquals([...server.ledger].sort(), ["1", "2", "3", "after", "before"]);
      });
    }
  }
}

for (const [before, after] of [["modern", "legacy, 404"], ["legacy, 404", "modern"]] as const) {
  Deno.test(`createMcpConnector() repeats nothing that may have run, from ${before} to ${after}`, async () => {
    await using server = startSwappableServer(before);
    await using peer = connectTo(server.url);
    const lost = ["a", "b", "c"].map((key) => rejection(peer.hang(key)));
    await until(() => server.ledger.length === 3);
    await server.swap(after);
    const next = ["d", "e", "f"].map(peer.charge);
    for (const error of await Promise.all(lost)) {
      assert(error instanceof OutcomeUnknownError, String(error));
      assertEquals([(error.cause as ClientError).code, error.attempts], ["connection_lost", 1]);
    }
    await Promise.all(next);
    assertEquals([...server.ledger].sort(), ["a", "b", "c", "d", "e", "f"]);
    assertEquals(peer.era(), eraOf(after));
  });
}

Deno.test("Connection.describe() and check() can be asked again of a server that has changed its era", async () => {
  for (const ask of ["describe", "check"] as const) {
    await using server = startSwappableServer("modern");
    const connector = createMcpConnector({ url: server.url });
    const connection = await connector.connect(limits());
    await server.swap("legacy, 404");
    const { code, temporary } = await failureOf(connection[ask](limits()));
    assertEquals([code, temporary], ["protocol_error", true]);
    assert(connection.closed.aborted);
    assertEquals(connector.prior, undefined);
    await connection.close();
  }
});

Deno.test("ClientGroup.describe() asks a server again that has changed its era", async () => {
  await using server = startSwappableServer("modern");
  await using peer = connectTo(server.url);
  await peer.client.connect();
  await server.swap("legacy, 404");
  assertEquals((await peer.client.group("g").describe()).operations.length, 2);
  assertEquals(peer.era(), "legacy");
});

Deno.test("createMcpConnector() leaves a server that ran a call in the manner of the other era", async () => {
  await using server = startSwappableServer("modern");
  // Servers that do not look at the version run the call, and answer without the type of the result.
  let careless = false;
  const fetch: typeof globalThis.fetch = (input, init) => {
    const headers = new Headers(init?.headers);
    if (careless) headers.delete("mcp-protocol-version");
    return globalThis.fetch(input, { ...init, headers });
  };
  await using peer = connectTo(server.url, { fetch });
  await peer.charge("1");
  await server.swap("legacy, no sessions");
  careless = true;
  const { code, delivery } = await rejection(peer.charge("2"));
  assertEquals([code, delivery], ["invalid_result", "executed"]);
  await peer.charge("3");
  assertEquals([server.ledger, peer.era()], [["1", "2", "3"], "legacy"]);
});

Deno.test("createMcpConnector() stays with a server that refuses a call but not its era", async () => {
  const refuse: FaultHandler = ({ answer }) => answer(405, "", "");
  await using server = startFaultServer({ era: "modern", handlers: { "tools/call": refuse } });
  const connection = await createMcpConnector({ url: server.url }).connect(limits());
  const calls = Array.from({ length: 5 }, () => connection.execute(request("act"), attempt()));
  const errors = await Promise.all(calls.map(failureOf));
  assertEquals(new Set(errors.map(({ code }) => code)), new Set(["protocol_error"]));
  assertEquals([connection.closed.aborted, server.count("tools/call")], [false, 5]);
  assertLessOrEqual(server.count("server/discover"), 6);
  await connection.close();
});

Deno.test("createMcpConnector() asks a legacy server for its era again after an hour", async () => {
  await using server = startFaultServer({ era: "legacy" });
  const clock = new FakeClock();
  const connector = createMcpConnector({ url: server.url, clock });
  const connect = async () => await (await connector.connect(limits())).close();
  await connect();
  await clock.advance(ERA_TTL_MS - 1);
  await connect();
  assertEquals([server.count("server/discover"), connector.prior?.era], [1, "legacy"]);
  await clock.advance(1);
  assertEquals(connector.prior, undefined);
  await connect();
  assertEquals([server.count("server/discover"), server.count("initialize")], [2, 3]);
});

Deno.test("Connection ends after an hour where it holds no session, and only after a call", async () => {
  for (const [session, ends] of [[false, true], [true, false]] as const) {
    await using server = startFaultServer({ era: "legacy", session });
    const clock = new FakeClock();
    const connector = createMcpConnector({ url: server.url, clock });
    const connection = await connector.connect(limits());
    await connection.execute(request("act"), attempt());
    assertEquals(connection.closed.aborted, false);
    await clock.advance(ERA_TTL_MS);
    await connection.execute(request("act"), attempt());
    assertEquals([connection.closed.aborted, server.count("tools/call")], [ends, 2]);
    await connection.close();
  }
});

Deno.test("McpConnectorOptions.era: 'legacy' never asks, whatever a server answers", async () => {
  await using server = startSwappableServer("legacy, 404");
  await using peer = connectTo(server.url, { era: "legacy" });
  await peer.charge("1");
  await server.swap("modern");
  const { code, delivery } = await rejection(peer.charge("2"));
  assertEquals([code, delivery, server.count("server/discover")], [
    "protocol_error",
    "not_executed",
    0,
  ]);
});

for (const kind of ["modern", "legacy, 404"] as const) {
  Deno.test(`McpConnector.prior spares a later connector the question, ${kind}`, async () => {
    await using server = startSwappableServer(kind);
    await using first = connectTo(server.url);
    assertEquals(first.connector.prior, undefined);
    await first.charge("1");
    const prior: McpPrior = JSON.parse(JSON.stringify(first.connector.prior));
    assertEquals(prior.era, eraOf(kind));
    const asked = server.count("server/discover");
    await using second = connectTo(server.url, { prior });
    await second.charge("2");
    assertEquals([server.count("server/discover"), second.era()], [asked, eraOf(kind)]);
    assertEquals(second.connector.prior, prior);
    assertEquals(second.client.stats().servers[0]!.state, "open");
  });
}

for (const [before, after] of [["modern", "legacy, 404"], ["legacy, 404", "modern"]] as const) {
  Deno.test(`McpConnectorOptions.prior that is wrong costs a question, ${before} to ${after}`, async () => {
    await using server = startSwappableServer(before);
    await using first = connectTo(server.url);
    await first.charge("1");
    const { prior } = first.connector;
    await server.swap(after);
    await using second = connectTo(server.url, { ...(prior && { prior }) });
    await second.charge("2");
    assertEquals([server.ledger, second.era()], [["1", "2"], eraOf(after)]);
    assertEquals(second.connector.prior?.era, eraOf(after));
  });
}

Deno.test("McpConnectorOptions.prior that is old, malformed or used before is none", async () => {
  await using server = startFaultServer({ era: "modern" });
  const clock = new FakeClock();
  const discover = JSON.parse(DISCOVERED);
  const askedAtMs = clock.wall();
  const cases: readonly [prior: McpPrior, asked: readonly number[]][] = [
    [{ era: "modern", discover, askedAtMs }, [0, 1]],
    [{ era: "modern", discover, askedAtMs: askedAtMs - ERA_TTL_MS + 1 }, [0, 1]],
    [{ era: "modern", discover, askedAtMs: askedAtMs - ERA_TTL_MS }, [1, 2]],
    [{ era: "modern", discover, askedAtMs: askedAtMs + 30_000 }, [0, 1]],
    [{ era: "modern", discover, askedAtMs: askedAtMs + ERA_TTL_MS }, [1, 2]],
    [{ era: "modern", discover: { supportedVersions: "all" }, askedAtMs }, [1, 2]],
    [{ era: "modern", discover: { ...discover, supportedVersions: ["2031-01-01"] }, askedAtMs }, [
      1,
      2,
    ]],
  ];
  for (const [prior, asked] of cases) {
    const connector = createMcpConnector({ url: server.url, clock, prior });
    const before = server.count("server/discover");
    for (const count of asked) {
      const connection = await connector.connect(limits());
      assertEquals([connection.era, server.count("server/discover") - before], ["modern", count]);
      await connection.close();
    }
  }
});

Deno.test("McpConnectorOptions.prior is checked at the door", async () => {
  const cases: [unknown, string][] = [
    ["modern", "'prior' must be an object"],
    [{}, "'prior.era' must be 'modern' or 'legacy'"],
    [{ era: "legacy" }, "'prior.askedAtMs' must be a number >= 0"],
    [{ era: "legacy", askedAtMs: NaN }, "'prior.askedAtMs' must be a number >= 0"],
    [{ era: "modern", askedAtMs: 0 }, "'prior.discover' must be an object"],
  ];
  for (const [prior, message] of cases) {
    const url = "http://a.example";
    await assertRejects(
      async () => await createMcpConnector({ url, prior } as never),
      Error,
      message,
    );
  }
});

for (const [before, after] of [["modern", "legacy, 404"], ["legacy, 404", "modern"]] as const) {
  Deno.test(`the SDK's own client does not follow a server from ${before} to ${after}`, async () => {
    await using server = startSwappableServer(before);
    const client = new Client({ name: "control", version: "1" }, {
      versionNegotiation: { mode: "auto" },
    });
    await client.connect(new StreamableHTTPClientTransport(new URL(server.url)));
    const charge = (key: string) => client.callTool({ name: "charge", arguments: { key } });
    await charge("1");
    await server.swap(after);
    for (const key of ["2", "3", "4"]) await assertRejects(() => charge(key));
    assertEquals(server.ledger, ["1"]);
    await client.close();
  });
}

const NO_ERA: readonly [what: string, answer: FaultHandler][] = [
  ...[401, 403, 408, 425, 429, 500, 502, 503, 504].map((status) =>
    [`${status}`, ({ answer }) => answer(status, "", "")] as [string, FaultHandler]
  ),
  ["a reset", () => Promise.resolve()],
];

for (const [what, answer] of NO_ERA) {
  Deno.test(`Connection K9: a doubt that is answered with ${what} ends nothing`, async () => {
    let doubted = false;
    const known: FaultHandler = ({ answer, id }) =>
      answer(200, "application/json", `{"jsonrpc":"2.0","id":${id},"result":${DISCOVERED}}`);
    const unread: FaultHandler = ({ answer }) =>
      answer(
        400,
        "application/json",
        `{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"no"}}`,
      );
    await using server = startFaultServer({
      era: "modern",
      keepAlive: false,
      handlers: {
        "tools/call": unread,
        "server/discover": (exchange) => (doubted ? answer : known)(exchange),
      },
    });
    const connector = createMcpConnector({ url: server.url });
    const connection = await connector.connect(limits());
    doubted = true;
    const work = connection.execute(request("act", {}, { effect: "unsafe" }), attempt());
    const { code, delivery } = await failureOf(work);
    assertEquals([code, delivery, connection.closed.aborted], [
      "protocol_error",
      "not_executed",
      false,
    ]);
    assertEquals([connector.prior?.era, server.count("server/discover")], ["modern", 2]);
    await connection.close();
  });
}

Deno.test("createMcpConnector() gets through to a server that is upgraded replica by replica", async () => {
  await using old = startSwappableServer("legacy, no sessions");
  await using next = startSwappableServer("modern");
  const random = createRandom(7);
  const fetch: typeof globalThis.fetch = (_, init) =>
    globalThis.fetch(random() < 0.5 ? old.url : next.url, init);
  await using peer = connectTo(old.url, { fetch }, { maxAttempts: 10 });
  const keys = Array.from({ length: 20 }, (_, index) => String(index));
  for (const key of keys) await peer.charge(key);
  assertEquals([...old.ledger, ...next.ledger].sort(), [...keys].sort());
});

Deno.test("AutoMCPClient runs nothing twice on a server that changes again and again under load", async () => {
  await using server = startSwappableServer("modern");
  await using peer = connectTo(server.url);
  const random = createRandom(24);
  const outcomes = new Map<string, ClientError | undefined>();
  const calls: Promise<unknown>[] = [];
  for (let round = 0; round < 12; round++) {
    for (let index = 0; index < 10; index++) {
      const key = `${round}-${index}`;
      calls.push(
        (index % 5 === 0 ? peer.hang(key, 3_000) : peer.charge(key)).then(
          () => outcomes.set(key, undefined),
          (error) => outcomes.set(key, error),
        ),
      );
    }
    // Some are answered, some wait for a connection, and every fifth runs until its server ends.
    const settled = round * 8 + Math.floor(random() * 8);
    await until(() => outcomes.size >= settled);
    await server.swap(KINDS[Math.floor(random() * KINDS.length)]!);
  }
  await Promise.all(calls);
  assertEquals(new Set(server.ledger).size, server.ledger.length);
  const ran = new Set(server.ledger);
  for (const [key, error] of outcomes) {
    if (error === undefined) assert(ran.has(key), `${key} succeeded without a run`);
    else if (error.delivery !== "unknown" && error.delivery !== "executed") {
      assert(!ran.has(key), `${key} ran, and ended with ${error.code}, ${error.delivery}`);
    }
  }
  await peer.charge("last");
  assertEquals(server.ledger.at(-1), "last");
});
