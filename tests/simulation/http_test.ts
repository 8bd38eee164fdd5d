import { assert, assertEquals } from "@std/assert";
import { VirtualClock } from "../../bench/chaos/clock.ts";
import { ModelNetwork, toModelUrl } from "../../bench/chaos/http.ts";
import type { Fate, ServerBehaviour } from "../../bench/chaos/scenario.ts";
import { ServerModel } from "../../bench/chaos/server.ts";

/** A network to a model whose calls take 100 ms. */
function createNetwork(behaviour: Partial<ServerBehaviour> = {}, fate: Fate = {}) {
  const clock = new VirtualClock();
  const drawFate = () => ({ serviceMs: 100, ...fate });
  const server = new ServerModel(
    {
      era: "modern",
      workers: 1,
      maxQueue: Infinity,
      honoursDisconnect: true,
      drawFate,
      ...behaviour,
    },
    1,
    clock,
  );
  const network = new ModelNetwork(clock, server, behaviour.era ?? "modern");
  /** What came of a request, and when: its head, then its end. */
  const send = async (message: unknown, init: RequestInit = {}): Promise<unknown[]> => {
    const seen: unknown[] = [];
    try {
      const body = JSON.stringify(message);
      const response = await network.fetch(toModelUrl(0), { method: "POST", body, ...init });
      seen.push([clock.now(), response.status, response.headers.get("content-type")]);
      seen.push([clock.now(), await response.text()]);
    } catch (error) {
      seen.push([clock.now(), error]);
    }
    return seen;
  };
  /** Lets time pass until nothing happens any more. */
  const settle = async <T>(work: Promise<T>): Promise<T> => {
    await clock.run(() => false);
    return await work;
  };
  return { clock, server, network, send, settle };
}

const CALL = {
  id: 1,
  method: "tools/call",
  params: { name: "safe", arguments: { call: 0 }, _meta: { progressToken: "p" } },
};

Deno.test("ModelNetwork answers a call with the head at once, progress and the result", async () => {
  const { network, send, settle } = createNetwork();
  const [head, body] = await settle(send(CALL)) as [unknown, [number, string]];
  assertEquals(head, [10, 200, "text/event-stream"]);
  const messages = body[1].matchAll(/^data: (.*)$/gm).map(([, json = ""]) => JSON.parse(json));
  assertEquals(
    [...messages].map(({ method, id, params, result }) => method ? params.progress : [id, result]),
    [0.25, 0.5, 0.75, [1, { resultType: "complete", content: [{ type: "text", text: "done 0" }] }]],
  );
  assertEquals([network.traffic.sendsMs.length, network.traffic.openExchanges], [1, 0]);
});

Deno.test("ModelNetwork answers other requests in JSON, one round trip later", async () => {
  const { send, settle } = createNetwork();
  const [head, body] = await settle(send({ id: 1, method: "ping" })) as [unknown, [number, string]];
  assertEquals(head, [10, 200, "application/json"]);
  assertEquals(JSON.parse(body[1]), { jsonrpc: "2.0", id: 1, result: {} });
});

Deno.test("ModelNetwork breaks a stream as the network does, and refuses connections as Deno does", async () => {
  const reset = createNetwork({}, { cut: { at: 0.9, how: "reset" } });
  const [, end] = await reset.settle(reset.send(CALL)) as [unknown, [number, TypeError]];
  assert(end[1] instanceof TypeError);
  assertEquals(reset.server.journal.ledger.get(0), 1);
  const down = createNetwork({ down: { startMs: 0, endMs: 1_000 } });
  const [refused] = await down.settle(down.send(CALL)) as [[number, TypeError]];
  assertEquals(refused[0], 10);
  assert(String(refused[1].cause).includes("client error (Connect)"));
  assertEquals([down.network.traffic.sendsMs.length, down.server.journal.ledger.size], [1, 0]);
});

Deno.test("ModelNetwork tells the server of an abort one trip later", async () => {
  const { clock, server, network, send, settle } = createNetwork();
  const controller = new AbortController();
  const reason = new Error("enough");
  clock.setTimer(40, () => controller.abort(reason));
  const [, end] = await settle(send(CALL, { signal: controller.signal })) as unknown[];
  assertEquals(end, [40, reason]);
  assertEquals(server.journal.trace.at(-1), { atMs: 45, call: 0, what: "reader gone" });
  assertEquals([server.journal.ledger.size, network.traffic.openExchanges, clock.timers], [
    0,
    0,
    0,
  ]);
});

Deno.test("ModelNetwork loses its sessions when a legacy server goes down", async () => {
  const { clock, network, settle, send } = createNetwork({
    era: "legacy",
    down: { startMs: 100, endMs: 200 },
  });
  const opening = network.fetch(toModelUrl(0), {
    method: "POST",
    body: JSON.stringify({ id: 0, method: "initialize" }),
  });
  await clock.run(() => clock.now() >= 10);
  const session = (await opening).headers.get("mcp-session-id") ?? "";
  const headers = { "mcp-session-id": session };
  const statuses: unknown[] = [];
  for (const [atMs, init] of [[20, {}], [30, { headers }], [300, { headers }]] as const) {
    clock.setTimer(atMs - clock.now(), async () => {
      const [head] = await send({ id: 1, method: "ping" }, init) as [[number, number]];
      statuses.push(head[1]);
    });
  }
  await settle(Promise.resolve());
  assertEquals(statuses, [400, 200, 404]);
});

Deno.test("ModelNetwork refuses credentials from before their expiry with 401", async () => {
  const { clock, network, send } = createNetwork({ expiryMs: 50 });
  const statuses: unknown[] = [];
  const ask = async (authorization: string): Promise<void> => {
    const [head] = await send({ id: 1, method: "ping" }, { headers: { authorization } }) as [
      unknown[],
    ];
    statuses.push(head[1]);
  };
  const asks = [[20, 0], [60, 0], [60, 50]] as const;
  for (const [atMs, issuedMs] of asks) {
    clock.setTimer(atMs, () => void ask(`Bearer issued-${issuedMs}`));
  }
  clock.setTimer(70, () => void ask(""));
  await clock.run(() => false);
  assertEquals([statuses, network.traffic.openExchanges], [[200, 401, 200, 401], 0]);
});

Deno.test("ModelNetwork names the instant of a retry by the true time, whatever the client's is", async () => {
  const refusal = { status: 503, retryAfterSeconds: 2, asDate: true } as const;
  const { clock, network, settle } = createNetwork({}, { refusal });
  clock.jumpWall(3_600_000);
  const answer = network.fetch(toModelUrl(0), { method: "POST", body: JSON.stringify(CALL) });
  const { headers } = await settle(answer);
  const [now, later] = ["date", "retry-after"].map((name) => Date.parse(headers.get(name) ?? ""));
  assertEquals(later! - now!, 2_000);
  assertEquals(now, Date.UTC(2026, 0, 1));
});

Deno.test("ModelNetwork sends a long result in pieces, as fast as its line carries them", async () => {
  const { clock, network, send, settle } = createNetwork({}, { padBytes: 1_000_000 });
  const [, end] = await settle(send(CALL)) as [unknown, [number, string]];
  assert(end[1].length > 1_000_000);
  // The work, a round trip and three pauses between four pieces.
  assertEquals([clock.now(), network.traffic.openExchanges], [100 + 10 + 3 * 2, 0]);
});

Deno.test("ModelNetwork reports progress that only grows, also while it floods", async () => {
  const { send, settle } = createNetwork({
    flood: { startMs: 30, endMs: 60, eventsPerSecond: 2_000 },
  });
  const [, end] = await settle(send(CALL)) as [unknown, [number, string]];
  const progress = [...end[1].matchAll(/"progress":([\d.]+)/g)].map(([, value]) => Number(value));
  assert(progress.length > 50);
  assertEquals(progress, progress.toSorted((a, b) => a - b));
});
