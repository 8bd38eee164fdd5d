/**
 * What a whole client makes of each way an answer can fail: nothing unsafe runs twice, and what is
 * said not to have run has not.
 */
import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import { AutoMCPClient } from "../../src/client/client.ts";
import type { Connection, Connector } from "../../src/client/ports.ts";
import type { ErrorCode } from "../../src/errors/codes.ts";
import { type Effect, EFFECTS } from "../../src/errors/delivery.ts";
import { type ClientError, isClientError } from "../../src/errors/errors.ts";
import { type HealthEvidence, healthOf } from "../../src/errors/health.ts";
import { createMcpConnector, type McpConnectorOptions } from "../../src/mcp/mod.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { type FaultHandler, type FaultServer, startFaultServer } from "../support/fault_server.ts";
import { MAX_ANSWER_BYTES, PATHS, type Proof, ruleOf, RULES } from "./faults.ts";
import { failureOf } from "./support.ts";

const CLASSES: Readonly<Partial<Record<ErrorCode, string>>> = {
  rate_limited: "RetryableError",
  unavailable: "RetryableError",
  session_lost: "ConnectionError",
  connection_lost: "ConnectionError",
  unauthorized: "AuthenticationError",
  forbidden: "AuthenticationError",
  protocol_error: "ProtocolError",
  operation_not_found: "OperationError",
  invalid_arguments: "OperationError",
  operation_failed: "OperationError",
  invalid_result: "OperationError",
};
/** The codes that hide from nobody that the server did answer, whatever the effect. */
const ANSWERS: readonly ErrorCode[] = ["invalid_arguments", "operation_failed"];

/** A client with two attempts and no waits, and what its attempts ended with. */
function createFixture(server: FaultServer, options: Partial<McpConnectorOptions>) {
  const healths: HealthEvidence[] = [];
  const connector = createMcpConnector({
    url: server.url,
    maxAnswerBytes: MAX_ANSWER_BYTES,
    ...options,
  });
  const client = new AutoMCPClient("soundness", {
    maxAttempts: 2,
    random: () => 0,
    groups: { g: { connector: withHealth(connector, healths) } },
  });
  return { client, group: client.group("g"), healths };
}

/** Notes what each attempt says of the server. */
function withHealth(connector: Connector, healths: HealthEvidence[]): Connector {
  return {
    name: connector.name,
    async connect(options) {
      const connection = await connector.connect(options);
      const execute: Connection["execute"] = async (request, options) => {
        try {
          return await connection.execute(request, options);
        } catch (error) {
          if (isClientError(error)) healths.push(healthOf(error));
          throw error;
        }
      };
      return new Proxy(connection, {
        get(target, name) {
          if (name === "execute") return execute;
          const value = Reflect.get(target, name, target);
          return typeof value === "function" ? value.bind(target) : value;
        },
      });
    },
  };
}

/** How often an operation must be sent with two attempts. */
function toSends({ repeat }: Proof, effect: Effect): number {
  return repeat === "all" || (repeat === "not_unsafe" && effect !== "unsafe") ? 2 : 1;
}

/** The error as the whole execution's: what nobody can know of an unsafe operation is "unknown". */
function unwrap(error: ClientError, proof: Proof, effect: Effect): ClientError {
  const hidden = effect === "unsafe" && proof.delivery === "unknown" &&
    !ANSWERS.includes(proof.code);
  if (!hidden) return error;
  assertEquals([error.name, error.code], ["OutcomeUnknownError", "outcome_unknown"]);
  assert(isClientError(error.cause));
  return error.cause;
}

for (const { path, era, faults, options } of PATHS) {
  for (const fault of faults) {
    const rule = ruleOf(fault, era);
    for (const effect of EFFECTS) {
      Deno.test(`execute() K11 ${rule}, ${effect}, ${path}: ${fault.what}`, async () => {
        const proof: Proof = RULES[rule];
        const refused = proof.delivery === "not_executed";
        let ledger = 0;
        const call: FaultHandler = (exchange) => {
          // Whatever does not prove that nothing ran is taken at its worst.
          if (!refused) ledger++;
          return fault.call(exchange);
        };
        // On a connection that is kept, Deno may send what is safe again by itself.
        await using server = startFaultServer({
          era,
          keepAlive: false,
          handlers: { "tools/call": call },
        });
        const { client, group, healths } = createFixture(server, options);
        const error = await failureOf(group.execute("act", {}, { effect }));
        await client.close();

        const sends = toSends(proof, effect);
        assertEquals([error.delivery, error.attempts], [proof.delivery, sends]);
        assertEquals(server.count("tools/call"), sends);
        assertEquals(ledger, refused ? 0 : sends);
        assert(effect !== "unsafe" || ledger <= 1);
        assertEquals(error.retryable, sends === 2);
        assertEquals(healths, Array(sends).fill(proof.health));
        const last = unwrap(error, proof, effect);
        assertEquals([last.code, last.name], [proof.code, CLASSES[proof.code]]);
      });
    }
  }

  for (const effect of EFFECTS) {
    Deno.test(`execute() K11 C21, ${effect}, ${path}: a tool that says no is a result`, async () => {
      await using server = startFaultServer({
        era,
        handlers: {
          "tools/call": ({ answer, id }) =>
            answer(
              200,
              "application/json",
              `{"jsonrpc":"2.0","id":${id},"result":{"resultType":"complete","isError":true,"content":[]}}`,
            ),
        },
      });
      const { client, group, healths } = createFixture(server, options);
      const { status, attempts } = await group.execute("act", {}, { effect });
      await client.close();
      assertEquals([status, attempts, server.count("tools/call")], ["error", 1, 1]);
      assertEquals(healths, []);
    });

    Deno.test(`execute() K11 C22, ${effect}, ${path}: an abort leaves as it is`, async () => {
      const started = Promise.withResolvers<void>();
      const call: FaultHandler = async ({ gone }) => {
        started.resolve();
        await gone();
      };
      await using server = startFaultServer({ era, handlers: { "tools/call": call } });
      const { client, group, healths } = createFixture(server, options);
      const abort = new AbortController();
      const reason = { why: "the user left" };
      const running = group.execute("act", {}, { effect, signal: abort.signal });
      const outcome = running.catch((error) => error);
      await started.promise;
      abort.abort(reason);
      assertStrictEquals(await outcome, reason);
      await client.close();
      assertEquals([server.count("tools/call"), healths], [1, []]);
    });

    Deno.test(`execute() K11 C23, ${effect}, ${path}: the deadline passes during the call`, async () => {
      const clock = new FakeClock();
      const started = Promise.withResolvers<void>();
      const call: FaultHandler = async ({ gone }) => {
        started.resolve();
        await gone();
      };
      await using server = startFaultServer({ era, handlers: { "tools/call": call } });
      const connector = createMcpConnector({ url: server.url, clock, ...options });
      const client = new AutoMCPClient("soundness", {
        clock,
        maxAttempts: 1,
        groups: { g: { connector } },
      });
      const failure = failureOf(client.group("g").execute("act", {}, { effect, timeoutMs: 5_000 }));
      await started.promise;
      await clock.advance(5_000);
      const error = await failure;
      const expected = effect === "unsafe" ? "outcome_unknown" : "deadline_exceeded";
      assertEquals([error.code, error.delivery, error.attempts], [expected, "unknown", 1]);
      const last = effect === "unsafe" ? error.cause : error;
      assert(isClientError(last));
      assertEquals([last.code, healthOf(last)], ["deadline_exceeded", "none"]);
      assertEquals(server.count("tools/call"), 1);
      await client.close();
    });
  }
}
