/** What the fault table leaves out: a time-out while connecting, and what an option changes. */
import { assertEquals } from "@std/assert";
import { healthOf } from "../../src/errors/health.ts";
import { createMcpConnector } from "../../src/mcp/mod.ts";
import { Deadline } from "../../src/resilience/deadline.ts";
import { startFaultServer } from "../support/fault_server.ts";
import { status } from "./faults.ts";
import { attempt, failureOf, limits, request } from "./support.ts";

Deno.test("Connector.connect() C24, K9: takes no era from a probe that the deadline ends", async () => {
  await using server = startFaultServer({
    era: "legacy",
    handlers: { "server/discover": ({ gone }) => gone() },
  });
  const connecting = createMcpConnector({ url: server.url }).connect({
    ...limits(),
    deadline: Deadline.after(1_000),
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
