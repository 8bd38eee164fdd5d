/** Real servers of other people, over HTTP and stdio. */
import {
  assert,
  assertEquals,
  assertLess,
  assertStrictEquals,
  assertStringIncludes,
} from "@std/assert";
import type {
  Connection,
  Connector,
  JsonObject,
  OperationDescriptor,
} from "../../src/client/ports.ts";
import { createMcpConnector } from "../../src/mcp/mod.ts";
import { createStdioConnector } from "../../src/mcp/stdio.ts";
import type { ProgressReport } from "../../src/progress/events.ts";
import { isClientError } from "../../src/errors/errors.ts";
import {
  everythingCommand,
  filesystemCommand,
  startEverything,
  startFilesystemProxy,
} from "../support/peers.ts";
import { attempt, failureOf, limits, request } from "./support.ts";

async function connect(connector: Connector): Promise<Connection & AsyncDisposable> {
  const connection = await connector.connect(limits());
  return Object.assign(connection, { [Symbol.asyncDispose]: () => connection.close() });
}

async function find(connection: Connection, name: string): Promise<OperationDescriptor> {
  const { operations } = await connection.describe(limits());
  const operation = operations.find((one) => one.name === name);
  assert(operation !== undefined, `The server has no ${name}`);
  return operation;
}

/** Starts a long operation and returns once it has reported for the first time. */
async function startLong(
  connection: Connection,
  signal?: AbortSignal,
): Promise<{ outcome: Promise<unknown> }> {
  const long = await find(connection, "trigger-long-running-operation");
  const reported = Promise.withResolvers<void>();
  const outcome = connection.execute(request(long, { duration: 15, steps: 300 }), {
    ...limits(signal),
    onProgress: () => reported.resolve(),
  }).catch((error: unknown) => error);
  await reported.promise;
  return { outcome };
}

async function testEverything(t: Deno.TestContext, connection: Connection): Promise<void> {
  await t.step("describe(), validate() and execute()", async () => {
    const echo = await find(connection, "echo");
    assertEquals(connection.validate?.(echo, {}), [{
      pointer: "/message",
      message: "is required",
    }]);
    const result = await connection.execute(request(echo, { message: "hi" }), attempt());
    assertEquals(result, { status: "success", content: [{ type: "text", text: "Echo: hi" }] });
  });

  await t.step("resources, prompts and completion are operations", async () => {
    const execute = async (name: string, args: JsonObject = {}) =>
      await connection.execute(request(await find(connection, name), args), attempt());

    const data = async (name: string) => Object((await execute(name)).structuredContent);
    const { resources } = await data("resources/list");
    assertEquals(resources.length, 7);
    const { uri } = resources[0];
    const read = await execute("resources/read", { uri });
    const [{ type, resource }] = read.content as [{ type: string; resource: JsonObject }];
    assertEquals([type, resource["uri"], typeof resource["text"]], ["resource", uri, "string"]);
    const blob = await execute("resources/read", { uri: "demo://resource/dynamic/blob/1" });
    assertEquals(typeof Object(blob.content[0]?.["resource"])["blob"], "string");
    const missing = await failureOf(execute("resources/read", { uri: "demo://no-such" }));
    assertEquals([missing.code, missing.delivery], ["operation_not_found", "not_executed"]);
    const { resourceTemplates } = await data("resources/templates/list");
    assertEquals(resourceTemplates.length, 2);

    const { prompts } = await data("prompts/list");
    assertEquals(prompts.map(({ name }: JsonObject) => name), [
      "simple-prompt",
      "args-prompt",
      "completable-prompt",
      "resource-prompt",
    ]);
    const city = await execute("prompts/get", { name: "args-prompt", arguments: { city: "Rome" } });
    assertStringIncludes(String(city.content[0]?.["text"]), "Rome");
    const ref = { type: "ref/prompt", name: "completable-prompt" };
    const argument = { name: "department", value: "E" };
    const completed = await execute("completion/complete", { ref, argument });
    assertEquals(Object(completed.structuredContent).completion.values, ["Engineering"]);
  });

  await t.step("all progress arrives, before the result", async () => {
    const long = await find(connection, "trigger-long-running-operation");
    const reports: ProgressReport[] = [];
    const running = connection.execute(
      request(long, { duration: 0.5, steps: 5 }),
      attempt(reports),
    );
    await running.finally(() => reports.push({ progress: -1 }));
    assertEquals(reports.map(({ progress }) => progress), [1, 2, 3, 4, 5, -1]);
  });

  await t.step("an abort ends one call and spares the connection", async () => {
    const abort = new AbortController();
    const reason = new Error("enough");
    const { outcome } = await startLong(connection, abort.signal);
    abort.abort(reason);
    assertStrictEquals(await outcome, reason);
    await connection.check(limits());
  });
}

Deno.test("createMcpConnector() works with server-everything", async (t) => {
  await using peer = await startEverything();
  await using connection = await connect(createMcpConnector({ url: peer.url }));
  assertEquals([connection.era, connection.maxConcurrency], ["legacy", 32]);
  await testEverything(t, connection);
});

Deno.test("createMcpConnector() survives the end of server-everything", async () => {
  const peer = await startEverything();
  const connector = createMcpConnector({ url: peer.url });
  await using connection = await connect(connector);
  const { outcome } = await startLong(connection);
  const endedAt = performance.now();
  await peer[Symbol.asyncDispose]();
  const lost = await outcome;
  assert(isClientError(lost));
  assertEquals([lost.code, lost.delivery], ["connection_lost", "unknown"]);
  assertLess(performance.now() - endedAt, 2_000);

  const refused = await failureOf(connector.connect(limits()));
  assertEquals([refused.code, refused.delivery], ["connection_refused", "not_sent"]);

  await using _again = await startEverything({ port: peer.port });
  const error = await failureOf(connection.check(limits()));
  assertEquals([error.code, connection.closed.aborted], ["session_lost", true]);
  await using next = await connect(connector);
  await next.check(limits());
});

for (const legacyOnly of [false, true]) {
  Deno.test(
    `createMcpConnector() works with the filesystem server, ${legacyOnly ? "legacy" : "modern"}`,
    async () => {
      const folder = await Deno.makeTempDir();
      try {
        await using peer = await startFilesystemProxy({ legacyOnly, folder });
        await using connection = await connect(createMcpConnector({ url: peer.url }));
        assertEquals(connection.era, legacyOnly ? "legacy" : "modern");
        const write = await find(connection, "write_file");
        assertEquals(write.hints, {
          readOnly: false,
          idempotent: true,
          destructive: true,
          openWorld: false,
        });
        const path = `${folder}/note.txt`;
        await connection.execute(request(write, { path, content: "kept" }), attempt());
        assertEquals(await Deno.readTextFile(path), "kept");
        const read = await find(connection, "read_text_file");
        const result = await connection.execute(request(read, { path }), attempt());
        assertEquals(result.structuredContent, { content: "kept" });
        const denied = await connection.execute(request(read, { path: "/etc/passwd" }), attempt());
        assertEquals(denied.status, "error");
      } finally {
        await Deno.remove(folder, { recursive: true });
      }
    },
  );
}

Deno.test("createStdioConnector() works with server-everything", async (t) => {
  const connector = createStdioConnector({ ...everythingCommand(), stderr: "ignore" });
  await using connection = await connect(connector);
  assertEquals(connection.era, "legacy");
  await testEverything(t, connection);
  const { outcome } = await startLong(connection);
  await connection.close();
  const lost = await outcome;
  assert(isClientError(lost));
  assertEquals([lost.code, connection.closed.aborted], ["connection_lost", true]);
});

Deno.test("createStdioConnector() works with the filesystem server", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const connector = createStdioConnector({ ...filesystemCommand(folder), stderr: "ignore" });
    await using connection = await connect(connector);
    const write = await find(connection, "write_file");
    const path = `${folder}/note.txt`;
    await connection.execute(request(write, { path, content: "kept" }), attempt());
    assertEquals(await Deno.readTextFile(path), "kept");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
