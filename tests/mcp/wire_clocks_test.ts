/** The clocks of one exchange: how long a connection waits for a head, and for the next byte. */
import { assert, assertEquals } from "@std/assert";
import type { ConnectionOptions } from "../../src/client/ports.ts";
import { healthOf } from "../../src/errors/health.ts";
import { createMcpConnector } from "../../src/mcp/mod.ts";
import { WireFault } from "../../src/mcp/failure.ts";
import { WireClocks } from "../../src/mcp/wire_clocks.ts";
import { Deadline } from "../../src/resilience/deadline.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { type FaultHandler, RESULT, startFaultServer } from "../support/fault_server.ts";
import { failureOf, request } from "./support.ts";

const PATHS = [
  { path: "modern", era: "modern", options: {} },
  {
    path: "modern by the SDK",
    era: "modern",
    options: { authProvider: { token: () => Promise.resolve("t") } },
  },
  { path: "legacy", era: "legacy", options: {} },
] as const;

/** Without a deadline of its own: only the clocks under test may end the work. */
const limits = (): ConnectionOptions => ({
  signal: new AbortController().signal,
  deadline: new Deadline(Infinity, new FakeClock()),
});
const attempt = () => ({ ...limits(), onProgress: () => {} });

Deno.test("WireClocks.watchHead() D2: aborts in time, unless it is undone", async () => {
  const clock = new FakeClock();
  const clocks = new WireClocks({ clock, headersTimeoutMs: 100, bytesIdleTimeoutMs: Infinity });
  const [late, kept] = [new AbortController(), new AbortController()];
  clocks.watchHead(late);
  const undo = clocks.watchHead(kept);
  assertEquals(clock.timers, 1);
  await clock.advance(99);
  undo();
  assert(!late.signal.aborted);
  await clock.advance(1);
  assert(late.signal.aborted && !kept.signal.aborted);
  const { reason } = late.signal;
  assert(reason instanceof WireFault);
  assertEquals(reason.evidence, { kind: "no_answer" });
  assertEquals(clock.timers, 0);
});

Deno.test("WireClocks.watchBytes() D2: every byte starts the silence anew, on one timer", async () => {
  const clock = new FakeClock();
  const clocks = new WireClocks({ clock, headersTimeoutMs: Infinity, bytesIdleTimeoutMs: 100 });
  const abort = new AbortController();
  let silences = 0;
  const watch = clocks.watchBytes(abort, () => silences++);
  for (let step = 0; step < 10; step++) {
    await clock.advance(99);
    watch.touch();
    watch.touch();
    assertEquals([clock.timers, silences], [1, 0]);
  }
  await clock.advance(99);
  assert(!abort.signal.aborted);
  await clock.advance(1);
  assertEquals([abort.signal.aborted, silences, clock.timers], [true, 1, 0]);
  assertEquals(abort.signal.reason.evidence, {
    kind: "no_answer",
    headReceived: true,
    timedOut: true,
  });
});

Deno.test("WireClocks sets no timer for Infinity, and none stays after stop()", () => {
  const clock = new FakeClock();
  const off = new WireClocks({ clock, headersTimeoutMs: Infinity, bytesIdleTimeoutMs: Infinity });
  off.watchHead(new AbortController());
  off.watchBytes(new AbortController(), () => {}).touch();
  assertEquals(clock.timers, 0);
  const on = new WireClocks({ clock, headersTimeoutMs: 1, bytesIdleTimeoutMs: 1 });
  on.watchHead(new AbortController())();
  on.watchBytes(new AbortController(), () => {}).stop();
  assertEquals(clock.timers, 0);
});

/** An answer to a call that a test writes bit by bit, with a `fetch` that lets all else through. */
function createStream() {
  const opened = Promise.withResolvers<(text: string) => void>();
  const state = { opened: opened.promise, cancelled: false, fetch: forward };
  async function forward(url: URL | RequestInfo, init: RequestInit = {}): Promise<Response> {
    const body = await new Response(init.body ?? null).text();
    if (!body.includes('"tools/call"')) {
      return fetch(url, body === "" ? init : { ...init, body });
    }
    const stream = new ReadableStream<Uint8Array>({
      start: (controller) =>
        opened.resolve((text) => controller.enqueue(new TextEncoder().encode(text))),
      cancel: () => void (state.cancelled = true),
    });
    return new Response(stream, { headers: { "content-type": "text/event-stream" } });
  }
  return state;
}

/** A request that is never answered, and when it came. */
function createSilence() {
  const started = Promise.withResolvers<void>();
  const gone = Promise.withResolvers<void>();
  const handler: FaultHandler = async (exchange) => {
    started.resolve();
    await exchange.gone().catch(() => {});
    gone.resolve();
  };
  return { handler, started: started.promise, gone: gone.promise };
}

for (const { path, era, options } of PATHS) {
  const asked = era === "modern" ? "server/discover" : "ping";
  for (const method of ["tools/list", asked]) {
    Deno.test(`headersTimeoutMs D2: gives up ${method} without a head, ${path}`, async () => {
      const silence = createSilence();
      const handlers: Record<string, FaultHandler> = {};
      const clock = new FakeClock();
      await using server = startFaultServer({ era, handlers });
      const connector = createMcpConnector({ url: server.url, clock, ...options });
      const connection = await connector.connect(limits());
      handlers[method] = silence.handler;
      const failure = failureOf(
        method === "tools/list" ? connection.describe(limits()) : connection.check(limits()),
      );
      let settled = false;
      failure.then(() => settled = true);
      await silence.started;
      await clock.advance(14_999);
      assert(!settled);
      await clock.advance(1);
      const error = await failure;
      assertEquals([error.code, error.delivery, healthOf(error)], [
        "connection_lost",
        "unknown",
        "hard",
      ]);
      await silence.gone;
      assert(!connection.closed.aborted);
      await connection.close();
      assertEquals(clock.timers, 0);
    });
  }

  Deno.test(`bytesIdleTimeoutMs D2: comments keep a stream, silence ends it, ${path}`, async () => {
    const clock = new FakeClock();
    const stream = createStream();
    await using server = startFaultServer({ era });
    const { fetch } = stream;
    const connector = createMcpConnector({ url: server.url, clock, fetch, ...options });
    const connection = await connector.connect(limits());
    const failure = failureOf(connection.execute(request("act"), attempt()));
    const write = await stream.opened;
    for (let drip = 0; drip < 5; drip++) {
      write(": still here\n\n");
      await clock.advance(59_999);
      assert(!stream.cancelled);
    }
    await clock.advance(1);
    const error = await failure;
    assertEquals([error.code, error.delivery, healthOf(error)], [
      "connection_lost",
      "unknown",
      "none",
    ]);
    assert(stream.cancelled);
    assert(!connection.closed.aborted);
    await connection.close();
    assertEquals(clock.timers, 0);
  });

  Deno.test(`headersTimeoutMs D2: leaves a call alone, whose head may come late, ${path}`, async () => {
    const clock = new FakeClock();
    const released = Promise.withResolvers<void>();
    const started = Promise.withResolvers<void>();
    await using server = startFaultServer({
      era,
      handlers: {
        "tools/call": async ({ answer, id }) => {
          started.resolve();
          await released.promise;
          await answer(200, "application/json", `{"jsonrpc":"2.0","id":${id},"result":${RESULT}}`);
        },
      },
    });
    const connector = createMcpConnector({ url: server.url, clock, ...options });
    const connection = await connector.connect(limits());
    const running = connection.execute(request("act"), attempt());
    await started.promise;
    await clock.advance(600_000);
    released.resolve();
    assertEquals((await running).status, "success");
    await connection.close();
  });
}

for (const [era, method] of [["modern", "server/discover"], ["legacy", "initialize"]] as const) {
  Deno.test(`headersTimeoutMs D2, K9: a silent ${method} fails the connect and tells no era`, async () => {
    const silence = createSilence();
    const clock = new FakeClock();
    await using server = startFaultServer({ era, handlers: { [method]: silence.handler } });
    const connector = createMcpConnector({ url: server.url, clock, headersTimeoutMs: 3_000 });
    const failure = failureOf(connector.connect(limits()));
    await silence.started;
    await clock.advance(3_000);
    const error = await failure;
    assertEquals([error.code, error.delivery, error.temporary, healthOf(error)], [
      "connection_lost",
      "not_sent",
      true,
      "hard",
    ]);
    assertEquals(server.count("initialize"), era === "legacy" ? 1 : 0);
  });
}

Deno.test("bytesIdleTimeoutMs D2: Infinity lets a stream be silent for ever", async () => {
  const clock = new FakeClock();
  const stream = createStream();
  await using server = startFaultServer({ era: "modern" });
  const connector = createMcpConnector({
    url: server.url,
    clock,
    fetch: stream.fetch,
    bytesIdleTimeoutMs: Infinity,
  });
  const connection = await connector.connect(limits());
  const failure = failureOf(connection.execute(request("act"), attempt()));
  const write = await stream.opened;
  await clock.advance(2 ** 31);
  assert(!stream.cancelled);
  write("data: no answer\n\n");
  assertEquals((await failure).code, "protocol_error");
  await connection.close();
});
