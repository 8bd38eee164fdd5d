/** Whose question is whose on a legacy connection, and what is not asked twice. */
import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import { AutoMCPClient, type ClientError } from "../../mod.ts";
import { WireClocks } from "../../src/mcp/wire_clocks.ts";
import { createMcpConnector, type InputHandlers } from "../../src/mcp/mod.ts";
import { FakeClock, settle } from "../support/fake_clock.ts";
import { RESULT, startFaultServer } from "../support/fault_server.ts";
import { startInputServer } from "../support/input_server.ts";

function connect(url: string, input: InputHandlers): AutoMCPClient {
  const connector = createMcpConnector({ url, era: "legacy", input });
  return new AutoMCPClient("test", {
    timeoutMs: 20_000,
    groups: { asking: { connector, baseDelayMs: 1 } },
  });
}

Deno.test("a legacy question belongs to the call on whose stream it comes", async () => {
  await using server = startInputServer();
  const asked: unknown[] = [];
  const both = Promise.withResolvers<void>();
  const cause = new Error("not this one");
  await using client = connect(server.url, {
    form: async (_, { operation }) => {
      if (asked.push(operation) === 2) both.resolve();
      await both.promise;
      if (operation === "chain") throw cause;
      return { action: "accept", content: { name: "Ada" } };
    },
  });
  const group = client.group("asking");
  const failing = group.execute("chain", { rounds: 1 }).catch((error) => error as ClientError);
  const { success } = await group.execute("greet");
  const error = await failing;
  assert(error instanceof Error);
  assertStrictEquals(error.cause, cause);
  assertEquals([success, asked.toSorted()], [true, ["chain", "greet"]]);
});

Deno.test("a legacy question that was answered before the stream broke is not asked again", async () => {
  let attempts = 0;
  const answers: unknown[] = [];
  let answered = Promise.withResolvers<void>();
  const schema = { type: "object", properties: { name: { type: "string" } } };
  await using server = startFaultServer({
    era: "legacy",
    handlers: {
      "tools/call": async ({ stream, write, id }) => {
        const question = {
          jsonrpc: "2.0",
          id: 100 + attempts++,
          method: "elicitation/create",
          params: { message: "Who?", requestedSchema: schema },
        };
        await stream(`data: ${JSON.stringify(question)}`);
        await answered.promise;
        answered = Promise.withResolvers();
        // The first time, the stream ends without the result.
        if (attempts > 1) {
          await write(`data: {"jsonrpc":"2.0","id":${id},"result":${RESULT}}\n\n`);
        }
      },
      // What answers the question carries no method.
      POST: async ({ answer, request }) => {
        answers.push((request.message as { result?: unknown }).result);
        await answer(202, "", "");
        answered.resolve();
      },
    },
  });
  let asked = 0;
  await using client = connect(server.url, {
    form: () => {
      asked++;
      return { action: "accept", content: { name: "Ada" } };
    },
  });
  const response = await client.group("asking").execute("act", {}, { effect: "safe" });
  assertEquals([response.attempts, asked], [2, 1]);
  const accepted = { action: "accept", content: { name: "Ada" } };
  assertEquals(answers, [accepted, accepted]);
});

Deno.test("WireClocks let a stream be silent while its server waits for an answer", async () => {
  const clock = new FakeClock();
  const clocks = new WireClocks({ clock, headersTimeoutMs: 1_000, bytesIdleTimeoutMs: 1_000 });
  const abort = new AbortController();
  const watch = clocks.watchBytes(abort, () => {});
  await clock.advance(500);
  clocks.hold(clock.sleep(60_000, abort.signal));
  await clock.advance(60_000);
  await settle();
  assertEquals(abort.signal.aborted, false);
  await clock.advance(999);
  assertEquals(abort.signal.aborted, false);
  await clock.advance(1_001);
  assertEquals(abort.signal.aborted, true);
  watch.stop();
  assertEquals(clock.timers, 0);
});
