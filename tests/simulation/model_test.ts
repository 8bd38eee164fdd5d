import { assert, assertEquals } from "@std/assert";
import { VirtualClock } from "../../bench/chaos/clock.ts";
import { drawLoad } from "../../bench/chaos/load.ts";
import { createRandomOf } from "../../bench/chaos/random.ts";
import type { Fate, ServerBehaviour } from "../../bench/chaos/scenario.ts";
import { drawServiceMs, type Reply, ServerModel } from "../../bench/chaos/server.ts";

const SERVER: ServerBehaviour = {
  era: "modern",
  workers: 1,
  maxQueue: Infinity,
  honoursDisconnect: true,
  drawFate: () => ({ serviceMs: 100 }),
};

/** A server on a clock of its own, and what it says to each call, with the time. */
function createServer(behaviour: Partial<ServerBehaviour>) {
  const clock = new VirtualClock();
  const server = new ServerModel({ ...SERVER, ...behaviour }, 1, clock);
  const said: string[] = [];
  const send = (call: number): () => void => {
    const say = (what: string) => (): void => void said.push(`${clock.now()} ${call} ${what}`);
    const reply: Reply = {
      accept: say("accept"),
      refuse: ({ status }) => say(String(status))(),
      progress: (share) => say(`progress ${share}`)(),
      comment: say("comment"),
      result: () => say(`result, effects: ${server.journal.ledger.get(call)}`)(),
      end: say("end"),
      reset: say("reset"),
    };
    return server.receive(call, reply);
  };
  return { clock, server, said, send };
}

function assertNear(actual: number, expected: number, tolerance: number): void {
  assert(Math.abs(actual - expected) <= tolerance, `${actual} is not near ${expected}`);
}

const runAll = (clock: VirtualClock): Promise<void> => clock.run(() => false);

function always(fate: Fate): () => Fate {
  return () => ({ serviceMs: 100, ...fate });
}

Deno.test("drawServiceMs has a median of 60 ms and a sigma of 0.5", () => {
  const random = createRandomOf(1);
  const times = Array.from({ length: 20_000 }, () => drawServiceMs(random)).sort((a, b) => a - b);
  assertNear(times[10_000]!, 60, 1);
  // One sigma above the median of a log-normal distribution.
  assertNear(times[16_827]!, 60 * Math.exp(0.5), 2);
  assertNear(times[3_173]!, 60 * Math.exp(-0.5), 1);
});

Deno.test("drawLoad is Poisson at its rate, with its shares of effects", () => {
  const calls = drawLoad({
    callsPerSecond: 30,
    durationMs: 900_000,
    servers: [{}, {}],
    instances: 5,
  }, 1);
  const share = (tool: string) => calls.filter((call) => call.tool === tool).length / calls.length;
  assertNear(calls.length, 27_000, 500);
  assertNear(share("safe"), 0.7, 0.01);
  assertNear(share("idempotent"), 0.1, 0.01);
  assertNear(share("unsafe"), 0.2, 0.01);
  const gaps = calls.slice(1).map(({ atMs }, at) => atMs - calls[at]!.atMs);
  const longer = gaps.filter((gap) => gap > 1_000 / 30).length / gaps.length;
  assertNear(longer, Math.exp(-1), 0.01);
});

Deno.test("ServerModel commits at half of the work, before it answers", async () => {
  const { clock, server, said, send } = createServer({});
  send(0);
  await clock.run(() => clock.now() >= 50);
  assertEquals(server.journal.ledger.get(0), 1);
  await runAll(clock);
  assertEquals(said, [
    "0 0 accept",
    "25 0 progress 0.25",
    "50 0 progress 0.5",
    "75 0 progress 0.75",
    "100 0 result, effects: 1",
  ]);
});

Deno.test("ServerModel serves its queue in order, with as many workers as it has", async () => {
  const { clock, said, send } = createServer({
    workers: 2,
    slump: { startMs: 0, endMs: 150, workers: 1 },
  });
  for (let call = 0; call < 4; call++) send(call);
  await runAll(clock);
  const results = said.filter((line) => line.includes("result"))
    .map((line) => line.split(" ").slice(0, 2).join(" "));
  assertEquals(results, ["100 0", "200 1", "250 2", "300 3"]);
});

Deno.test("ServerModel cuts before the effect or after it", async () => {
  for (const [at, how, effects] of [[0, "reset", 0], [0.3, "end", 0], [0.8, "end", 1]] as const) {
    const { clock, server, said, send } = createServer({ drawFate: always({ cut: { at, how } }) });
    send(0);
    await runAll(clock);
    assertEquals(said.at(-1), `${at * 100} 0 ${how}`);
    assertEquals(server.journal.ledger.get(0) ?? 0, effects);
    assertEquals(server.openJobs, 0);
  }
});

Deno.test("ServerModel stops for a reader who is gone, if it honours that", async () => {
  for (const honoursDisconnect of [true, false]) {
    const { clock, server, send } = createServer({ honoursDisconnect });
    const onGone = send(0);
    clock.setTimer(40, onGone);
    await runAll(clock);
    assertEquals(server.journal.ledger.get(0) ?? 0, honoursDisconnect ? 0 : 1);
    assertEquals(server.openJobs, 0);
  }
});

Deno.test("ServerModel drips comments after its work and keeps no worker for them", async () => {
  const { clock, server, said, send } = createServer({
    drawFate: (() => {
      let sends = 0;
      return () => ({ serviceMs: 100, drips: ++sends === 1 });
    })(),
  });
  const onGone = send(0);
  send(1);
  clock.setTimer(900, onGone);
  await runAll(clock);
  assertEquals(said.filter((line) => line.includes(" 0 ")), [
    "0 0 accept",
    "100 0 comment",
    "600 0 comment",
  ]);
  assert(said.includes("200 1 result, effects: 1"));
  assertEquals(server.journal.ledger.get(0), 1);
});

Deno.test("ServerModel refuses what is over its queue and over its rate", async () => {
  const queue = createServer({ maxQueue: 1 });
  for (let call = 0; call < 3; call++) queue.send(call);
  assertEquals(queue.said, ["0 0 accept", "0 1 accept", "0 2 503"]);
  await runAll(queue.clock);
  const rate = createServer({
    workers: 8,
    rateLimit: { startMs: 0, endMs: 5_000, callsPerSecond: 2 },
  });
  for (const atMs of [0, 10, 20, 1_005]) rate.clock.setTimer(atMs, () => rate.send(atMs));
  await runAll(rate.clock);
  const heads = rate.said.filter((line) => /accept|429/.test(line));
  assertEquals(heads, ["0 0 accept", "10 10 accept", "20 20 429", "1005 1005 accept"]);
});

Deno.test("ServerModel loses what runs when it goes down", async () => {
  const { clock, server, said, send } = createServer({ down: { startMs: 60, endMs: 90 } });
  send(0);
  send(1);
  await clock.run(() => server.isDown);
  assertEquals(said.filter((line) => line.includes("reset")), ["60 0 reset", "60 1 reset"]);
  await runAll(clock);
  assertEquals([server.journal.ledger.get(0), server.journal.ledger.get(1)], [1, undefined]);
});

Deno.test("VirtualClock fires in order of time, then of setting, and forgets what is undone", async () => {
  const clock = new VirtualClock(-10);
  const fired: string[] = [];
  const set = (ms: number, name: string) => clock.setTimer(ms, () => fired.push(name));
  set(30, "c");
  set(10, "a");
  set(10, "b");
  const undo = set(20, "never");
  undo();
  undo();
  assertEquals(clock.timers, 3);
  await runAll(clock);
  assertEquals(fired, ["a", "b", "c"]);
  assertEquals([clock.now(), clock.timers], [20, 0]);
});

Deno.test("VirtualClock lets the wall clock jump, and nothing that measures time notices", async () => {
  const clock = new VirtualClock();
  const startMs = clock.wall();
  const seen: number[][] = [];
  const look = () =>
    void seen.push([clock.now(), clock.wall() - startMs, clock.trueWall() - startMs]);
  clock.setModelTimer(10, () => clock.jumpWall(-3_600_000));
  clock.setTimer(20, look);
  await runAll(clock);
  assertEquals(seen, [[20, -3_599_980, 20]]);
});

Deno.test("ServerModel floods with what happened since the last time, and only in its window", async () => {
  const { clock, server } = createServer({
    flood: { startMs: 20, endMs: 60, eventsPerSecond: 1_000 },
  });
  const reports: number[][] = [];
  const silent = () => {};
  server.receive(0, {
    ...{ accept: silent, refuse: silent, comment: silent, result: silent, end: silent },
    reset: silent,
    progress: (share, from = 0, count = 1) => reports.push([share, from, count]),
  });
  await runAll(clock);
  const flood = reports.slice(0, -1);
  assertEquals(reports.at(-1), [0.75, 0, 1]);
  assertEquals(flood.reduce((sum, [, , count]) => sum + count!, 0), 35);
  assertEquals(flood.map(([, from]) => from).slice(1), flood.map(([share]) => share).slice(0, -1));
});
