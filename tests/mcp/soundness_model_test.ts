/**
 * Random sequences of faults, both eras, on real sockets: whatever happens, what is said not to have
 * run has not, what is said to have run has, and nothing unsafe runs twice.
 */
import { assertEquals } from "@std/assert";
import { AutoMCPClient } from "../../src/client/client.ts";
import { type Effect, EFFECTS } from "../../src/errors/delivery.ts";
import { isClientError } from "../../src/errors/errors.ts";
import { createMcpConnector } from "../../src/mcp/mod.ts";
import { type Clock, sleepOn, systemClock } from "../../src/resilience/clock.ts";
import {
  createDefaults,
  type FaultHandler,
  type FaultServerOptions,
  startFaultServer,
} from "../support/fault_server.ts";
import { createRandom } from "../support/random.ts";
import { startResetProxy } from "../support/reset_proxy.ts";
import { runs } from "../support/runs.ts";
import { until } from "../support/until.ts";
import { answerResult, type Fault, MAX_ANSWER_BYTES, PATHS, ruleOf, RULES } from "./faults.ts";

/** How many sequences share a client: they share its pool, its breaker and its sessions too. */
const PER_CLIENT = 20;
const CLIENTS_AT_ONCE = 6;
/** Waits last so much less than they say; nothing that is asserted depends on it. */
const SPEED = 20;
const TIMEOUT_MS = 20_000;
const REASON = { why: "the user left" };

const clock: Clock = {
  now: () => systemClock.now() * SPEED,
  wall: () => systemClock.wall(),
  setTimer: (ms, callback, options) => systemClock.setTimer(ms / SPEED, callback, options),
  sleep: (ms, signal) => sleepOn(clock, ms, signal),
};

type Way = (typeof PATHS)[number];
type Random = () => number;

function pick<T>(random: Random, list: readonly T[]): T {
  return list[Math.floor(random() * list.length)]!;
}

/** What a server did: how often each sequence's operation ran. */
type Ledger = Map<string, number>;

/** Answers calls well or badly, as drawn for the sequence and the number of the arrival. */
function drawCalls(way: Way, seed: number, ledger: Ledger): FaultHandler {
  const arrivals = new Map<string, number>();
  const silence: FaultHandler = ({ gone }) => gone();
  return async (exchange) => {
    const { key } = exchange.request.message?.params?.["arguments"] as { key: string };
    const arrival = arrivals.get(key) ?? 0;
    arrivals.set(key, arrival + 1);
    const random = createRandom(seed + 1_000 * Number(key) + arrival);
    const note = () => void ledger.set(key, (ledger.get(key) ?? 0) + 1);
    const draw = random();
    if (draw < 0.25) {
      note();
      return await answerResult(exchange);
    }
    if (draw < 0.27) {
      if (random() < 0.5) note();
      return await silence(exchange);
    }
    const fault = pick<Fault>(random, way.faults);
    const { delivery } = RULES[ruleOf(fault, way.era)];
    // What proves nothing may have run or not.
    if (delivery === "executed" || (delivery === "unknown" && random() < 0.5)) note();
    await fault.call(exchange);
  };
}

/** Faults that requests besides calls meet too. */
const BREAKS: readonly string[] = [
  ...["no head", "cut JSON", "stream that ends", "HTML", "202"],
  ...["404", "429", "500", "503"],
];

/** Breaks one in so many of the requests that are no calls. */
function drawOthers(way: Way, random: Random): Record<string, FaultHandler> {
  const broken = way.faults.filter(({ what }) => BREAKS.includes(what));
  const defaults = createDefaults({ era: way.era, session: !("session" in way) });
  return Object.fromEntries(
    ["server/discover", "initialize", "notifications/initialized", "tools/list", "ping", "GET"]
      .filter((method) => defaults[method] !== undefined).map((method) =>
        [
          method,
          (exchange) =>
            random() < 0.04 ? pick(random, broken).call(exchange) : defaults[method]!(exchange),
        ] as [string, FaultHandler]
      ),
  );
}

/** Runs the sequences of one client, counts their ends, and returns what is wrong with them. */
async function runClient(
  seed: number,
  count: number,
  tally: Map<string, number>,
): Promise<string[]> {
  const random = createRandom(seed);
  const way = pick(random, PATHS);
  const ledger: Ledger = new Map();
  const options: FaultServerOptions = {
    era: way.era,
    session: !("session" in way),
    keepAlive: random() < 0.7,
    handlers: { ...drawOthers(way, random), "tools/call": drawCalls(way, seed, ledger) },
  };
  await using server = startFaultServer(options);
  await using proxy = random() < 0.3 ? await startResetProxy(server.url) : undefined;
  const connector = createMcpConnector({
    url: proxy?.url ?? server.url,
    clock,
    maxAnswerBytes: MAX_ANSWER_BYTES,
    ...("credentials" in way && { authProvider: { token: () => Promise.resolve("t") } }),
  });
  const client = new AutoMCPClient("soundness", {
    clock,
    random,
    timeoutMs: TIMEOUT_MS,
    maxAttempts: 1 + Math.floor(random() * 4),
    groups: {
      g: { connector, poolSize: 4, trustAnnotations: random() < 0.5, hedge: random() < 0.3 },
    },
  });
  const wrong: string[] = [];
  const check = async (key: string): Promise<void> => {
    const effect = pick(random, EFFECTS);
    const abort = new AbortController();
    if (random() < 0.05) systemClock.setTimer(random() * 5, () => abort.abort(REASON));
    const outcome = await client.group("g")
      .execute("act", { key }, { effect, signal: abort.signal })
      .then(({ status }) => status, (error: unknown) => error);
    const kind = isClientError(outcome)
      ? outcome.delivery
      : outcome === REASON
      ? "aborted"
      : "result";
    tally.set(kind, (tally.get(kind) ?? 0) + 1);
    const fault = judge(effect, outcome, ledger.get(key) ?? 0);
    if (fault !== undefined) wrong.push(`seed ${seed}, ${way.path}, sequence ${key}: ${fault}`);
  };
  const keys = Array.from({ length: count }, (_, key) => String(key)).values();
  await Promise.all([1, 2, 3].map(async () => {
    for (const key of keys) await check(key);
  }));
  await client.close();
  await until(() => server.open === 0);
  return wrong;
}

/** Says what is wrong with an outcome. */
function judge(effect: Effect, outcome: unknown, ran: number): string | undefined {
  if (effect === "unsafe" && ran > 1) return `unsafe, and ran ${ran} times`;
  if (outcome === REASON) return undefined;
  if (typeof outcome === "string") return ran > 0 ? undefined : `${outcome}, but never ran`;
  if (!isClientError(outcome)) return `${outcome}`;
  const { code, delivery } = outcome;
  const proved = delivery === "not_sent" || delivery === "not_executed";
  if (proved && ran > 0) return `misreported: ${effect}, ${code}, ${delivery}, ran ${ran} times`;
  if (delivery === "executed" && ran === 0) return `misreported: ${code}, ${delivery}, never ran`;
}

Deno.test("execute() K11: random sequences of faults are never misreported, and unsafe runs once", async () => {
  const sequences = runs(10_000);
  const seeds = Array.from({ length: Math.ceil(sequences / PER_CLIENT) }, (_, index) => index + 1)
    .values();
  const wrong: string[] = [];
  const tally = new Map<string, number>();
  await Promise.all(Array.from({ length: CLIENTS_AT_ONCE }, async () => {
    for (const seed of seeds) wrong.push(...await runClient(seed * 1_000_003, PER_CLIENT, tally));
  }));
  assertEquals(wrong, []);
  // Unless all ends were met, nothing was proved.
  const kinds = ["aborted", "executed", "not_executed", "not_sent", "result", "unknown"];
  if (sequences >= 1_000) assertEquals([...tally.keys()].sort(), kinds);
});
