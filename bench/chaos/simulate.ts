import { isClientError } from "../../src/errors/errors.ts";
import { type Caller, CLIENTS, type Settings } from "./clients.ts";
import { VirtualClock } from "./clock.ts";
import { createAuthProvider } from "./credentials.ts";
import { replaceGlobals } from "./globals.ts";
import { ModelNetwork, toModelUrl } from "./http.ts";
import { countLeaks } from "./leaks.ts";
import { drawLoad, type LogicalCall } from "./load.ts";
import { createRandomOf } from "./random.ts";
import type { Scenario } from "./scenario.ts";
import { type Journal, ServerModel, type TraceLine } from "./server.ts";
import { Traffic } from "./traffic.ts";

/** How a logical call ended for its user. */
export interface CallRecord extends LogicalCall {
  /** When it settled; `Infinity` if it never did. */
  settledMs: number;
  success: boolean;
  /** Whether its client claims that it did not run. */
  claimsNoRun: boolean;
  /** Whether its client says that nobody can know. */
  isUnknown: boolean;
  /** How often its effect came about. */
  effects: number;
}

/** What is left of a client. */
export interface Rest {
  readonly timers: number;
  readonly exchanges: number;
  /** Calls that a server works on or means to. */
  readonly jobs: number;
  /** Listeners for an abort that never came, between the last call and the client's end or after it. */
  readonly listeners: number;
  /** Promises that were rejected with nobody to hear of it. */
  readonly rejections: number;
}

/** All that one client did in one scenario on one seed. */
export interface RunRecord {
  readonly calls: readonly CallRecord[];
  /** When tool calls arrived, and other requests were refused a connection. */
  readonly sendsMs: readonly number[];
  /** The most exchanges that were open at once. */
  readonly maxExchanges: number;
  /** Sessions opened for each that a server forgot; `null` if none was. */
  readonly sessionsPerLoss: number | null;
  /** How often credentials were renewed. */
  readonly renewals: number;
  /** What is left once the client is closed. */
  readonly rest: Rest;
  readonly trace: readonly TraceLine[];
}

/** What is simulated. */
export interface SimulateOptions {
  readonly scenario: Scenario;
  /** A name of {@linkcode CLIENTS}. */
  readonly client: string;
  readonly seed: number;
  /** What AutoMCP has in the place of its own settings. */
  readonly settings?: Settings;
  /** Stops it; its reason is thrown. */
  readonly signal?: AbortSignal;
}

/** Time after the last call in which a client may wind down what nobody waits for. */
const REST_MS = 1_000;
/** Time before the load in which the client connects. */
const WARM_UP_MS = 1_000;
/** Separates the chance of the client from that of the load and of the server. */
const CLIENT_KEY = 3;

/** Lets one client meet one scenario. While it runs, the globals of time and chance are virtual. */
export async function simulate(options: SimulateOptions): Promise<RunRecord> {
  const { scenario, seed, signal } = options;
  const clock = new VirtualClock(-WARM_UP_MS);
  const random = createRandomOf(CLIENT_KEY, seed);
  const world = createWorld(scenario, seed, clock);
  const { traffic, journal } = world;
  const calls: CallRecord[] = drawLoad(scenario, seed).map((call) => ({
    ...call,
    settledMs: Infinity,
    success: false,
    claimsNoRun: false,
    isUnknown: false,
    effects: 0,
  }));
  for (const { atMs, byMs } of scenario.jumps) {
    clock.setModelTimer(atMs - clock.now(), () => clock.jumpWall(byMs));
  }
  const leaks = countLeaks();
  const restore = replaceGlobals(clock, random);
  let listeners: number;
  let opened: number;
  try {
    const openings = Array.from({ length: scenario.instances }, () => world.open(options, random));
    const callers = await wait(Promise.all(openings), clock, signal);
    opened = traffic.begin();
    const before = leaks.countListeners();
    let left = calls.length;
    for (const call of calls) {
      clock.setTimer(call.atMs - clock.now(), async () => {
        await place(call, callers[call.instance]!, journal.trace, clock);
        left--;
      });
    }
    await clock.run(() => left === 0, signal);
    let rested = false;
    clock.setTimer(REST_MS, () => rested = true);
    await clock.run(() => rested, signal);
    listeners = Math.max(0, leaks.countListeners() - before);
    await wait(Promise.all(callers.map((caller) => caller.close())), clock, signal);
    await clock.run(() => false, signal);
    listeners = Math.max(listeners, leaks.countListeners());
  } finally {
    restore();
    leaks.restore();
  }
  for (const call of calls) call.effects = journal.ledger.get(call.index) ?? 0;
  const { sendsMs, maxExchanges, renewals, lostSessions, initializes } = traffic;
  return {
    calls,
    sendsMs,
    maxExchanges,
    sessionsPerLoss: lostSessions > 0 ? (initializes - opened) / lostSessions : null,
    renewals,
    rest: {
      timers: clock.timers,
      exchanges: traffic.openExchanges,
      jobs: world.countJobs(),
      listeners,
      rejections: leaks.rejections,
    },
    trace: journal.trace,
  };
}

/** Sets up the servers, with networks to them. */
function createWorld(scenario: Scenario, seed: number, clock: VirtualClock) {
  const traffic = new Traffic();
  const journal: Journal = { ledger: new Map(), trace: [] };
  const servers = scenario.servers.map((behaviour) =>
    new ServerModel(behaviour, seed, clock, journal)
  );
  const networks = new Map(servers.map((server, at) => [
    toModelUrl(at),
    new ModelNetwork(clock, server, scenario.servers[at]!.era, traffic),
  ]));
  const fetch: typeof globalThis.fetch = (input, init) =>
    networks.get(String(input))!.fetch(input, init);
  const needsCredentials = scenario.servers.some(({ expiryMs }) => expiryMs !== undefined);
  return {
    traffic,
    journal,
    countJobs: () => servers.reduce((sum, { openJobs }) => sum + openJobs, 0),
    open({ client, settings = {} }: SimulateOptions, random: () => number): Promise<Caller> {
      const { deadlineMs, watches } = scenario;
      const urls = [...networks.keys()];
      return CLIENTS[client]!({
        ...{ urls, fetch, clock, random, deadlineMs, watches, settings },
        ...(needsCredentials && {
          authProvider: createAuthProvider(clock, () => void traffic.renewals++),
        }),
      });
    },
  };
}

/** Makes a logical call and notes how it ends. */
async function place(
  record: CallRecord,
  caller: Caller,
  trace: TraceLine[],
  clock: VirtualClock,
): Promise<void> {
  const { index, tool } = record;
  trace.push({ atMs: clock.now(), call: index, what: `asked for (${tool})` });
  let end = "success";
  try {
    await caller.call(record);
    record.success = true;
  } catch (error) {
    if (isClientError(error)) {
      const { code, delivery } = error;
      record.isUnknown = code === "outcome_unknown";
      record.claimsNoRun = delivery === "not_sent" || delivery === "not_executed";
      end = `${code}, ${delivery}`;
    } else end = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  }
  record.settledMs = clock.now();
  trace.push({ atMs: clock.now(), call: index, what: `settled: ${end}` });
}

async function wait<T>(work: Promise<T>, clock: VirtualClock, signal?: AbortSignal): Promise<T> {
  let settled = false;
  const done = (): void => void (settled = true);
  work.then(done, done);
  await clock.run(() => settled, signal);
  if (!settled) throw new Error("Cannot go on as a promise never settles");
  return await work;
}
