/** Sessions of real servers that are made with the official SDK of the legacy era. */
import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { AutoMCPClient } from "../../src/client/client.ts";
import type { GroupConfig } from "../../src/client/config.ts";
import type { ClientEvent } from "../../src/client/events.ts";
import { OutcomeUnknownError } from "../../src/errors/errors.ts";
import { createMcpConnector } from "../../src/mcp/mod.ts";
import { rejection } from "../client/support.ts";
import { startSwappableServer, type SwappableServer } from "../support/swappable_server.ts";
import { until } from "../support/until.ts";

function connectTo(server: SwappableServer, policy: Partial<GroupConfig> = {}) {
  const connector = createMcpConnector({ url: server.url });
  const events: ClientEvent[] = [];
  const client = new AutoMCPClient("test", {
    groups: { g: { connector, ...policy } },
    onEvent: (event) => void events.push(event),
  });
  const group = client.group("g");
  return {
    client,
    charge: (key: string) => group.execute("charge", { key }),
    hang: (key: string, timeoutMs?: number) =>
      group.execute("hang", { key }, timeoutMs === undefined ? {} : { timeoutMs }),
    count: (type: ClientEvent["type"]) => events.filter((event) => event.type === type).length,
    [Symbol.asyncDispose]: () => client.close(),
  };
}

for (const kind of ["legacy, 404", "legacy, 400"] as const) {
  Deno.test(`C7 a lost session costs its callers one new session, ${kind}`, async () => {
    await using server = startSwappableServer(kind);
    await using peer = connectTo(server, { poolSize: 20, limiter: { initialLimit: 20 } });
    await peer.charge("first");
    server.forget();
    const keys = Array.from({ length: 20 }, (_, index) => String(index));
    const responses = await Promise.all(keys.map(peer.charge));
    assertEquals([...server.ledger].sort(), ["first", ...keys].sort());
    assertEquals([server.count("initialize"), server.sessions], [2, 1]);
    assertEquals(peer.count("session.replaced"), 1);
    assert(responses.every(({ attempts }) => attempts <= 2));
  });

  Deno.test(`C7 a call has its session replaced once, ${kind}`, async () => {
    await using server = startSwappableServer(kind);
    await using peer = connectTo(server);
    await peer.charge("1");
    server.forgetful = true;
    const error = await rejection(peer.charge("2"));
    assertEquals([error.code, error.delivery, error.attempts], [
      "session_lost",
      "not_executed",
      2,
    ]);
    assertEquals([server.count("initialize"), server.ledger], [2, ["1"]]);
    server.forgetful = false;
    await peer.charge("3");
    assertEquals(server.ledger, ["1", "3"]);
  });

  Deno.test(`onSessionLoss: "error" reports the loss, and the next call works, ${kind}`, async () => {
    await using server = startSwappableServer(kind);
    await using peer = connectTo(server, { onSessionLoss: "error" });
    await peer.charge("1");
    server.forget();
    const error = await rejection(peer.charge("2"));
    assertEquals([error.code, error.delivery, error.retryable, error.attempts], [
      "session_lost",
      "not_executed",
      false,
      1,
    ]);
    await peer.charge("3");
    assertEquals([server.ledger, server.count("initialize")], [["1", "3"], 2]);
  });

  Deno.test(`Connection.close() ends the session and all of its streams, ${kind}`, async () => {
    await using server = startSwappableServer(kind);
    const peer = connectTo(server);
    await peer.charge("1");
    await until(() => server.open === 1);
    assertEquals(server.sessions, 1);
    await peer.client.close();
    assertEquals([server.sessions, server.count("DELETE")], [0, 1]);
    await until(() => server.open === 0);
  });
}

Deno.test("a call that times out leaves no stream open on a legacy server", async () => {
  await using server = startSwappableServer("legacy, 404");
  await using peer = connectTo(server);
  await peer.charge("1");
  // What is left is the stream that a session has for itself.
  await until(() => server.open === 1);
  const errors = await Promise.all(
    ["a", "b", "c", "d"].map((key) => rejection(peer.hang(key, 100))),
  );
  assert(errors.every((error) => error instanceof OutcomeUnknownError));
  await until(() => server.open === 1);
  await until(() => server.count("notifications/cancelled") === 4);
  assertEquals(server.count("initialize"), 1);
  await peer.charge("2");
  assertNotEquals(server.sessions, 0);
});
