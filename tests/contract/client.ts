import { assert, assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { AutoMCPClient } from "../../src/client/client.ts";
import type { ClientConfig, GroupConfig } from "../../src/client/config.ts";
import type { ClientEvent } from "../../src/client/events.ts";
import type { Effect } from "../../src/errors/delivery.ts";
import {
  CancelledError,
  ClientError,
  createClientError,
  DeadlineExceededError,
  OperationError,
  OutcomeUnknownError,
} from "../../src/errors/errors.ts";
import { FakeClock } from "../support/fake_clock.ts";
import type { Kit } from "../support/kit.ts";
import {
  data,
  hang,
  MemoryConnector,
  type MemoryConnectorOptions,
  type MemoryOperation,
} from "../support/memory_connector.ts";

/** A client with one group `g` over a connector in memory, on a fake clock. */
function createClient(
  operations: Readonly<Record<string, MemoryOperation>>,
  config: Partial<ClientConfig> = {},
  group: Partial<GroupConfig> & { effect?: Effect } = {},
  options: MemoryConnectorOptions = {},
): { clock: FakeClock; client: AutoMCPClient; connector: MemoryConnector; events: ClientEvent[] } {
  const clock = new FakeClock();
  const connector = new MemoryConnector({ operations, ...options });
  const events: ClientEvent[] = [];
  const { effect = "safe", ...policy } = group;
  const policies = Object.fromEntries(Object.keys(operations).map((name) => [name, { effect }]));
  const client = new AutoMCPClient("test", {
    clock,
    random: () => 0.5,
    onEvent: (event) => void events.push(event),
    groups: { g: { connector, operations: policies, ...policy } },
    ...config,
  });
  return { clock, client, connector, events };
}

const lost: MemoryOperation = ({ effect }) => {
  throw createClientError("connection_lost", "cut", { effect });
};

export default function (t: Kit): void {
  t.test("AutoMCPClient executes an operation and answers in plain JSON", async () => {
    const { client } = createClient({
      add: ({ arguments: { a, b } }) => data({ sum: Number(a) + Number(b) }),
    });
    const response = await client.group("g").execute<{ sum: number }>("add", { a: 1, b: 2 });
    assertEquals(JSON.parse(JSON.stringify(response)), response);
    const { status, success, attempts, group, operation, structuredContent } = response;
    assertEquals([status, success, attempts, group, operation], ["success", true, 1, "g", "add"]);
    assertEquals(structuredContent?.sum, 3);
    await client.close();
  });

  t.test("AutoMCPClient takes an operation that said no as a response, not as a failure", async () => {
    const no: MemoryOperation = () => ({
      status: "error",
      content: [{ type: "text", text: "no" }],
    });
    const { client, connector } = createClient({ no });
    const { status, success } = await client.group("g").execute("no");
    assertEquals([status, success, connector.requests.length], ["error", false, 1]);
    await client.close();
  });

  t.test("AutoMCPClient repeats what is safe and sends what is unsafe once", async () => {
    for (const [effect, sends] of [["safe", 3], ["idempotent", 3], ["unsafe", 1]] as const) {
      const { clock, client, connector } = createClient({ lost }, {}, { effect });
      const failing = client.group("g").execute("lost").catch((error) => error);
      await clock.advance(10_000);
      const error = await failing;
      assertEquals([connector.requests.length, error.attempts], [sends, sends]);
      if (effect === "unsafe") {
        assert(error instanceof OutcomeUnknownError);
        assertEquals((error.cause as ClientError).code, "connection_lost");
        assertEquals([error.delivery, error.retryable], ["unknown", false]);
      } else assertEquals([error.code, error.retryable], ["connection_lost", true]);
      await client.close();
      assertEquals(clock.timers, 0);
    }
  });

  t.test("AutoMCPClient repeats an unsafe operation that was refused, after the server's wait", async () => {
    const refusing: MemoryOperation = ({ attempt }) => {
      if (attempt > 1) return data({ attempt });
      throw createClientError("rate_limited", "later", { retryAfterMs: 1_000 });
    };
    const { clock, client } = createClient({ refusing }, {}, { effect: "unsafe" });
    const running = client.group("g").execute("refusing");
    await clock.advance(5_000);
    const { attempts, elapsedMs } = await running;
    assertEquals([attempts, elapsedMs], [2, 1_250]);
    await client.close();
  });

  t.test("AutoMCPClient ends what hangs at its deadline, and says whether it may have run", async () => {
    for (const effect of ["safe", "unsafe"] as const) {
      const { clock, client } = createClient({ hang }, { timeoutMs: 1_000 }, { effect });
      const failing = client.group("g").execute("hang").catch((error) => error);
      await clock.advance(1_000);
      const error = await failing;
      const late = effect === "safe" ? error : error.cause;
      assert(late instanceof DeadlineExceededError);
      assertEquals(error instanceof OutcomeUnknownError, effect === "unsafe");
      await client.close();
      assertEquals(clock.timers, 0);
    }
  });

  t.test("AutoMCPClient passes the caller's abort through as the same object", async () => {
    const { clock, client } = createClient({ hang });
    const controller = new AbortController();
    const options = { signal: controller.signal };
    const running = client.group("g").execute("hang", {}, options).catch((reason) => reason);
    await clock.advance(10);
    const reason = { no: "error" };
    controller.abort(reason);
    assertStrictEquals(await running, reason);
    const again = client.group("g").execute("hang", {}, options).catch((thrown) => thrown);
    assertStrictEquals(await again, reason);
    await client.close();
    assertEquals(clock.timers, 0);
  });

  t.test("Execution.cancel() rejects the response and ends progress and events", async () => {
    const { clock, client } = createClient({ hang });
    const execution = client.group("g").start("hang");
    await clock.advance(10);
    execution.cancel();
    execution.cancel();
    await assertRejects(() => execution.response, CancelledError);
    const types: string[] = [];
    for await (const { type } of execution.events) types.push(type);
    assertEquals(types, ["attempt", "cancelled"]);
    await client.close();
  });

  t.test("Execution.progress grows while the operation runs and ends with it", async () => {
    let step: (value: number) => void = () => {};
    let finish: () => void = () => {};
    const stepping: MemoryOperation = (_, { onProgress }) =>
      new Promise((resolve) => {
        step = (progress) => onProgress({ progress, total: 4, message: `step ${progress}` });
        finish = () => resolve(data({}));
      });
    const { clock, client } = createClient({ stepping });
    const execution = client.group("g").start("stepping");
    const seen: unknown[] = [];
    const reading = (async () => {
      for await (const { fraction, message } of execution.progress) seen.push([fraction, message]);
    })();
    await clock.advance(0);
    for (const value of [1, 2]) {
      step(value);
      await clock.advance(200);
      assertEquals(seen.length, value);
    }
    step(4);
    finish();
    await clock.advance(0);
    await reading;
    assertEquals(seen, [[0.25, "step 1"], [0.5, "step 2"], [1, "step 4"]]);
    assertEquals((await execution.response).success, true);
    await client.close();
    assertEquals(clock.timers, 0);
  });

  t.test("AutoMCPClient has never more than poolSize calls in flight, and keeps no place", async () => {
    const add: MemoryOperation = async () => {
      for (let turn = 0; turn < 5; turn++) await Promise.resolve();
      return data({});
    };
    const { clock, client, connector } = createClient({ add }, { poolSize: 10 });
    const calls = Array.from({ length: 100 }, () => client.group("g").execute("add"));
    const responses = await Promise.all(calls);
    assertEquals([responses.length, connector.maxInFlight], [100, 10]);
    const [server] = client.stats().servers;
    assertEquals([server?.pool.leases, server?.pool.waiting], [0, 0]);
    await client.close();
    assertEquals(clock.timers, 0);
  });

  t.test("AutoMCPClient shares the pool of groups that are given the same connector", async () => {
    const connector = new MemoryConnector();
    const client = new AutoMCPClient("test", { groups: { a: { connector }, b: { connector } } });
    const sum = { a: 1, b: 1 };
    await Promise.all([
      client.group("a").execute("add", sum),
      client.group("b").execute("add", sum),
    ]);
    assertEquals([client.stats().servers.length, connector.connects], [1, 1]);
    await client.close();
  });

  t.test("AutoMCPClient refuses unknown groups, operations and arguments before it sends", async () => {
    const validate = () => [{ pointer: "/a", message: "must be a number" }];
    const { client, connector } = createClient({ add: () => data({}) }, {}, {}, { validate });
    const group = client.group("g");
    const unknown = await assertRejects(() => group.execute("sub"), OperationError);
    const invalid = await assertRejects(() => group.execute("add", { a: "1" }), OperationError);
    assertEquals([unknown.code, unknown.delivery], ["operation_not_found", "not_sent"]);
    assertEquals([invalid.code, invalid.delivery], ["invalid_arguments", "not_sent"]);
    assertEquals(invalid.issues, [{ pointer: "/a", message: "must be a number" }]);
    const missing = await assertRejects(async () => await client.group("h").execute("add"));
    assertEquals((missing as ClientError).code, "group_not_found");
    assertEquals(connector.requests.length, 0);
    await client.close();
  });

  t.test("AutoMCPClient believes a server's hints only if it is told to", async () => {
    for (const trustAnnotations of [false, true]) {
      const { clock, client, connector } = createClient(
        { lost },
        {},
        { trustAnnotations, operations: {} },
        { hints: { lost: { readOnly: true } } },
      );
      const failing = client.group("g").execute("lost").catch((error) => error);
      await clock.advance(10_000);
      assertEquals((await failing).code, trustAnnotations ? "connection_lost" : "outcome_unknown");
      assertEquals(connector.requests.length, trustAnnotations ? 3 : 1);
      await client.close();
    }
  });

  t.test("RetryableClientGroup.executeWithRetry() cannot make an unsafe operation repeatable", async () => {
    const { clock, client, connector } = createClient({ lost }, {}, { effect: "unsafe" });
    const failing = client.group("g").executeWithRetry("lost", {}, { maxAttempts: 9 })
      .catch((error) => error);
    await clock.advance(30_000);
    assertEquals([(await failing).code, connector.requests.length], ["outcome_unknown", 1]);
    await client.close();
  });

  t.test("RetryableClientGroup.retryStats adds up", async () => {
    const { clock, client } = createClient({ lost, add: () => data({}) });
    const group = client.group("g");
    await group.execute("add");
    const failing = group.execute("lost").catch((error) => error);
    await clock.advance(10_000);
    await failing;
    const aborting = group.execute("add", {}, { signal: AbortSignal.abort() }).catch(() => {});
    await aborting;
    const { started, running, completed, failed, aborted, attempts, retries } = group.retryStats;
    assertEquals([started, running, completed, failed, aborted], [3, 0, 1, 1, 1]);
    assertEquals([attempts, retries], [4, 2]);
    assertEquals(group.retryStats.failedByCode, { connection_lost: 1 });
    assertEquals(group.retryStats.retriesByCode, { connection_lost: 2 });
    await client.close();
  });

  t.test("AutoMCPClient tells each start and end, in pairs and in order", async () => {
    const { clock, client, events } = createClient({ lost });
    const failing = client.group("g").execute("lost").catch(() => {});
    await clock.advance(10_000);
    await failing;
    await client.close();
    assertEquals(events.map(({ type }) => type).filter((type) => !type.startsWith("pool.")), [
      "execution.start",
      ...["attempt.start", "attempt.end", "retry.scheduled"],
      ...["attempt.start", "attempt.end", "retry.scheduled"],
      ...["attempt.start", "attempt.end"],
      "execution.end",
    ]);
  });

  t.test("AutoMCPClient.close() ends what runs after its grace and refuses what comes later", async () => {
    const { clock, client, connector } = createClient({ hang });
    const running = client.group("g").execute("hang").catch((error) => error);
    await clock.advance(1);
    const closing = client.close({ graceMs: 100 });
    await clock.advance(100);
    await closing;
    assert((await running) instanceof ClientError);
    assertEquals(connector.connections.map(({ closes }) => closes), [1]);
    const late = await client.group("g").execute("hang").catch((error) => error);
    assertEquals(late.code, "pool_closed");
    await client.close();
    assertEquals(clock.timers, 0);
  });

  t.test("AutoMCPClient refuses a configuration that it does not know, and names the nearest key", () => {
    const connector = new MemoryConnector();
    const wrong: [object, string, string][] = [
      [{ groups: {}, timeoutMS: 1 }, "TypeError", "timeoutMs"],
      [{ groups: { g: { connector, maxAttempt: 1 } } }, "TypeError", "maxAttempts"],
      [{ groups: { g: { connector } }, poolSize: 0 }, "RangeError", "poolSize"],
      [{ groups: { g: { connector, timeoutMs: NaN } } }, "RangeError", "timeoutMs"],
      [{ groups: { g: {} } }, "TypeError", "connector"],
      [{}, "TypeError", "groups"],
    ];
    for (const [config, name, word] of wrong) {
      try {
        new AutoMCPClient("test", config as ClientConfig);
      } catch (error) {
        assert(error instanceof Error);
        assertEquals([error.name, error.message.includes(word)], [name, true], error.message);
        continue;
      }
      throw new Error(`Not refused: ${JSON.stringify(config)}`);
    }
  });
}
