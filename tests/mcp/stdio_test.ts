import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import type { ProgressReport } from "../../src/progress/events.ts";
import { createStdioConnector } from "../../src/mcp/stdio.ts";
import { attempt, failureOf, limits, request } from "./support.ts";

const SERVER = new URL("../support/stdio_server.ts", import.meta.url).pathname;

const small = (...flags: string[]) => ({
  command: Deno.execPath(),
  args: ["run", SERVER, ...flags],
});
const createConnector = (...flags: string[]) => createStdioConnector(small(...flags));

Deno.test("Connection.closed and the call tell at once that the child exited", async () => {
  const connection = await createConnector().connect(limits());
  const error = await failureOf(connection.execute(request("exit"), attempt()));
  assertEquals([error.code, error.delivery], ["connection_lost", "unknown"]);
  assert(connection.closed.aborted);
  const late = await failureOf(connection.execute(request("pid"), attempt()));
  assertEquals([late.code, late.delivery], ["connection_lost", "not_sent"]);
  await connection.close();
});

Deno.test("maxAnswerBytes: a line that is longer ends the child, and at once the call", async () => {
  const connector = createStdioConnector({ ...small(), maxAnswerBytes: 2 ** 20 });
  const connection = await connector.connect(limits());
  const { content } = await connection.execute(request("pid"), attempt());
  const error = await failureOf(connection.execute(request("flood"), attempt()));
  assertEquals([error.code, error.delivery], ["connection_lost", "unknown"]);
  assert(connection.closed.aborted);
  await connection.close();
  await poll(() => !isAlive(Number(content[0]?.["text"])));
});

Deno.test("maxAnswerBytes: counts a message to its end", async () => {
  const text = request("text", { length: 1_000 });
  const answer = { jsonrpc: "2.0", id: 2, result: { content: [{ type: "text", text: "" }] } };
  const maxAnswerBytes = 1_000 + JSON.stringify(answer).length + "\n".length;
  const connection = await createStdioConnector({ ...small(), maxAnswerBytes }).connect(limits());
  assertEquals((await connection.execute(text, attempt())).status, "success");
  await connection.close();
  const shorter = createStdioConnector({ ...small(), maxAnswerBytes: maxAnswerBytes - 1 });
  const tighter = await shorter.connect(limits());
  const error = await failureOf(tighter.execute(text, attempt()));
  assertEquals([error.code, error.delivery], ["connection_lost", "unknown"]);
  await tighter.close();
});

Deno.test("Connection.execute() loses no progress that comes with the result", async () => {
  const connection = await createConnector().connect(limits());
  const reports: ProgressReport[] = [];
  await connection.execute(request("burst"), attempt(reports));
  assertEquals(reports.map(({ progress }) => progress), [1, 2, 3]);
  await connection.close();
});

Deno.test("a child that says that its tools have changed is heard", async () => {
  let changes = 0;
  const onOperationsChanged = (): void => void changes++;
  const connection = await createConnector().connect({ ...limits(), onOperationsChanged });
  assertEquals(changes, 0);
  await connection.execute(request("change"), attempt());
  assertEquals(changes, 1);
  await connection.close();
});

Deno.test("Connection.close() ends the child", async () => {
  const connection = await createConnector().connect(limits());
  assert(connection.stateful);
  const { content } = await connection.execute(request("pid"), attempt());
  const pid = Number(content[0]?.["text"]);
  assert(isAlive(pid));
  await connection.close();
  assert(!isAlive(pid));
});

Deno.test("Connector.connect() ends the child of a handshake that is aborted", async () => {
  const file = await Deno.makeTempFile();
  // A program that reads and never answers.
  const connector = createStdioConnector({
    command: "sh",
    args: ["-c", `echo $$ > ${file}; exec cat > /dev/null`],
  });
  const abort = new AbortController();
  const reason = { why: "the user left" };
  const outcome = connector.connect(limits(abort.signal)).catch((error) => error);
  const pid = Number(await poll(() => Deno.readTextFileSync(file).trim()));
  abort.abort(reason);
  assertStrictEquals(await outcome, reason);
  await poll(() => !isAlive(pid));
  await Deno.remove(file);
});

Deno.test("Connector.connect() starts a server again that exits on the probe", async () => {
  const connection = await createConnector("--exit-on-probe").connect(limits());
  assertEquals([connection.era, connection.server?.name], ["legacy", "small"]);
  await connection.check(limits()).catch(() => {});
  await connection.close();
});

Deno.test("Connector.connect() proves that a missing program sent nothing, for good", async () => {
  const connector = createStdioConnector({ command: "no-such-program-here" });
  const error = await failureOf(connector.connect(limits()));
  assertEquals(
    [error.code, error.delivery, error.temporary],
    ["connection_refused", "not_sent", false],
  );
});

Deno.test("Connector.connect() fails on a program that is no server", async () => {
  const error = await failureOf(createStdioConnector({ command: "true" }).connect(limits()));
  assertEquals([error.code, error.delivery], ["connection_lost", "not_sent"]);
});

Deno.test("createStdioConnector() refuses what it cannot use", () => {
  assertThrows(
    () => createStdioConnector({ command: "" }),
    TypeError,
    "'command' must be the name of a program",
  );
  assertThrows(
    () => createStdioConnector({ command: "a", arg: [] } as never),
    TypeError,
    "did you mean 'args'?",
  );
  for (const maxAnswerBytes of [0, 1.5, NaN]) {
    assertThrows(
      () => createStdioConnector({ command: "a", maxAnswerBytes }),
      RangeError,
      "'maxAnswerBytes' must be an integer >= 1",
    );
  }
  assertThrows(
    () => createStdioConnector({ command: "a", era: "old" } as never),
    TypeError,
    `'era' must be 'auto' or 'legacy': current value is old`,
  );
});

/** Asks again and again, for at most two seconds, until the answer is truthy. */
async function poll<T>(ask: () => T): Promise<T> {
  for (let left = 200; left > 0; left--) {
    const answer = ask();
    if (answer) return answer;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error("Nothing happened in time");
}

/** A process that has ended but was not waited for is a zombie, and no longer alive. */
function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(Deno.readTextFileSync(`/proc/${pid}/status`));
  } catch {
    return false;
  }
}
