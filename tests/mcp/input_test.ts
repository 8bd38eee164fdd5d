/** What servers of both eras ask for while they run an operation, and who answers it. */
import { assertEquals, assertStrictEquals } from "@std/assert";
import { AutoMCPClient, type ClientError } from "../../mod.ts";
import { createMcpConnector, type InputHandlers } from "../../src/mcp/mod.ts";
import { startFaultServer } from "../support/fault_server.ts";
import { startInputServer } from "../support/input_server.ts";

const ERAS = ["modern", "legacy"] as const;

/** A server whose tools ask, and a client that answers with the handlers. */
function start(
  era: typeof ERAS[number],
  input: InputHandlers,
  group: { effect?: "safe"; timeoutMs?: number } = {},
) {
  const server = startInputServer();
  const connector = createMcpConnector({
    url: server.url,
    era: era === "modern" ? "auto" : "legacy",
    input,
  });
  const client = new AutoMCPClient("test", {
    timeoutMs: 10_000,
    groups: { asking: { connector, baseDelayMs: 1, throttledBaseDelayMs: 1, ...group } },
  });
  return {
    server,
    group: client.group("asking"),
    async [Symbol.asyncDispose]() {
      await client.close();
      await server[Symbol.asyncDispose]();
    },
  };
}

function textOf(response: { content: readonly { [key: string]: unknown }[] }): unknown {
  return JSON.parse(String(response.content[0]?.["text"]));
}

async function rejection(promise: Promise<unknown>): Promise<ClientError> {
  try {
    await promise;
  } catch (error) {
    return error as ClientError;
  }
  throw new Error("Expected a rejection");
}

for (const era of ERAS) {
  Deno.test(`input.form answers a form, and what it leaves out gets the defaults, ${era}`, async () => {
    const asked: unknown[] = [];
    await using peer = start(era, {
      form: ({ message }, { operation }) => {
        asked.push([message, operation]);
        return { action: "accept", content: { name: "Ada" } };
      },
    });
    const response = await peer.group.execute("greet");
    assertEquals(textOf(response), {
      kind: "elicit",
      action: "accept",
      content: { name: "Ada", age: 36 },
    });
    assertEquals(asked, [["Who are you?", "greet"]]);
    assertEquals([response.attempts, peer.server.ran], [1, { greet: 1 }]);
  });

  Deno.test(`input answers everything that is asked at once, ${era}`, async () => {
    await using peer = start(era, {
      form: () => ({ action: "decline" }),
      url: ({ url }) => ({ action: url === "https://login.example/" ? "accept" : "cancel" }),
      sampling: ({ messages }) => ({
        role: "assistant",
        content: { type: "text", text: `${messages.length}` },
        model: "test",
      }),
      roots: () => ({ roots: [{ uri: "file:///work" }] }),
    });
    const [who, page, words, folders] = textOf(await peer.group.execute("everything")) as {
      kind: string;
      action?: string;
      result?: { content: { text: string } };
      roots?: unknown;
    }[];
    assertEquals([who?.action, page?.action], ["decline", "accept"]);
    assertEquals(words?.result?.content.text, "1");
    assertEquals(folders?.roots, [{ uri: "file:///work" }]);
  });

  Deno.test(`input.form that throws ends the call with what it threw, ${era}`, async () => {
    const cause = new Error("no terminal");
    await using peer = start(era, { form: () => Promise.reject(cause) });
    const error = await rejection(peer.group.execute("greet"));
    assertEquals([error.code, error.delivery, error.attempts], ["operation_failed", "executed", 1]);
    assertStrictEquals(error.cause, cause);
    assertEquals(peer.server.ran, {});
  });

  Deno.test(`input.form is told when the call is aborted, ${era}`, async () => {
    const abort = new AbortController();
    const reason = { why: "the user left" };
    const told = Promise.withResolvers<unknown>();
    await using peer = start(era, {
      form: (_, { signal }) => {
        signal.addEventListener("abort", () => told.resolve(signal.reason));
        abort.abort(reason);
        return new Promise(() => {});
      },
    });
    const work = peer.group.execute("greet", {}, { signal: abort.signal });
    assertStrictEquals(await work.catch((error) => error), reason);
    assertStrictEquals(await told.promise, reason);
  });

  Deno.test(`input.form is waited for until the deadline, ${era}`, async () => {
    await using peer = start(era, { form: () => new Promise(() => {}) }, { timeoutMs: 300 });
    const error = await rejection(peer.group.execute("greet"));
    assertEquals([error.code, (error.cause as ClientError).code, error.attempts], [
      "outcome_unknown",
      "deadline_exceeded",
      1,
    ]);
  });
}

Deno.test("input that nobody gives ends the call, and the error tells what was asked", async () => {
  // A server of the official SDK would refuse the call: it is told what the client offers.
  const question = {
    method: "elicitation/create",
    params: { message: "Sure?", requestedSchema: { type: "object", properties: {} } },
  };
  const result = { resultType: "input_required", inputRequests: { sure: question } };
  await using server = startFaultServer({
    era: "modern",
    handlers: {
      "tools/call": ({ answer, id }) =>
        answer(
          200,
          "application/json",
          `{"jsonrpc":"2.0","id":${id},"result":${JSON.stringify(result)}}`,
        ),
    },
  });
  const connector = createMcpConnector({ url: server.url });
  await using client = new AutoMCPClient("test", { groups: { asking: { connector } } });
  const error = await rejection(client.group("asking").execute("act"));
  assertEquals([error.code, error.delivery, error.attempts], ["operation_failed", "executed", 1]);
  assertEquals(error.asked, [{ method: question.method, ...question.params }]);
});

Deno.test("input without a handler is not offered, so that a server refuses what needs it", async () => {
  await using peer = start("modern", { roots: () => ({ roots: [] }) });
  const error = await rejection(peer.group.execute("greet"));
  assertEquals([error.code, error.delivery], ["protocol_error", "not_executed"]);
});

Deno.test("rounds carry the newest state, a new id each, and are one attempt", async () => {
  const messages: string[] = [];
  await using peer = start("modern", {
    form: ({ message }) => {
      messages.push(message);
      return { action: "accept", content: { name: "Ada" } };
    },
  });
  const response = await peer.group.execute("chain", { rounds: 3 });
  assertEquals([textOf(response), response.attempts], [{ round: 3 }, 1]);
  assertEquals(messages, ["Who 0? {}", "Who 2? {}"]);
  const { calls } = peer.server;
  assertEquals(calls.map(({ params }) => params["requestState"]), [undefined, "1", "2", "3"]);
  assertEquals(calls.map(({ params }) => Object.keys(Object(params["inputResponses"]))), [
    [],
    ["who1"],
    [],
    ["who3"],
  ]);
  assertEquals(new Set(calls.map(({ id }) => id)).size, 4);
});

Deno.test("rounds end after ten, and the call with them", async () => {
  await using peer = start("modern", {
    form: () => ({ action: "accept", content: { name: "Ada" } }),
  });
  assertEquals(textOf(await peer.group.execute("chain", { rounds: 10 })), { round: 10 });
  const error = await rejection(peer.group.execute("chain", { rounds: 11 }));
  assertEquals([error.code, error.delivery, error.attempts], ["operation_failed", "executed", 1]);
});

Deno.test("a refused round goes out again with the same answers, and nobody is asked twice", async () => {
  let asked = 0;
  await using peer = start("modern", {
    form: () => {
      asked++;
      return { action: "accept", content: { name: "Ada" } };
    },
  });
  peer.server.refuseNextRound();
  const response = await peer.group.execute("chain", { rounds: 1 });
  assertEquals([response.attempts, asked, peer.server.ran], [2, 1, { chain: 1 }]);
  const states = peer.server.calls.map(({ params }) => params["requestState"]);
  assertEquals(states, [undefined, "1", "1"]);
});

Deno.test("a lost round of an unsafe operation is unknown, that of a safe one goes out again", async () => {
  for (const effect of ["unsafe", "safe"] as const) {
    let asked = 0;
    await using peer = start("modern", {
      form: () => {
        asked++;
        return { action: "accept", content: { name: "Ada" } };
      },
    });
    peer.server.cutNextRound();
    const work = peer.group.execute("chain", { rounds: 1 }, { effect });
    if (effect === "safe") {
      assertEquals([(await work).attempts, asked, peer.server.ran], [2, 1, { chain: 2 }]);
      continue;
    }
    const error = await rejection(work);
    assertEquals([error.code, error.attempts, asked], ["outcome_unknown", 1, 1]);
    assertEquals(peer.server.ran, { chain: 1 });
  }
});
