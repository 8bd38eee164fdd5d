import { isClientError } from "../../src/errors/errors.ts";
import { type Caller, CLIENTS } from "./clients.ts";
import { VirtualClock } from "./clock.ts";
import { replaceGlobals } from "./globals.ts";
import { ModelNetwork } from "./http.ts";
import { drawLoad, type LogicalCall } from "./load.ts";
import { createRandomOf } from "./random.ts";
import type { Scenario } from "./scenarios.ts";
import { ServerModel, type TraceLine } from "./server.ts";

/** How a logical call ended for its user. */
export interface CallRecord extends LogicalCall {
  /** When it settled; `Infinity` if it never did. */
  settledMs: number;
  success: boolean;
  /** Whether its client claims that it did not run. */
  claimsNoRun: boolean;
  /** How often its effect came about. */
  effects: number;
}

/** All that one client did in one scenario on one seed. */
export interface RunRecord {
  readonly calls: readonly CallRecord[];
  /** Tool calls that were sent, and other requests that were refused a connection. */
  readonly sends: number;
  /** What is left once the client is closed. */
  readonly rest: { readonly timers: number; readonly exchanges: number; readonly jobs: number };
  readonly trace: readonly TraceLine[];
}

/** What is simulated. */
export interface SimulateOptions {
  readonly scenario: Scenario;
  /** A name of {@linkcode CLIENTS}. */
  readonly client: string;
  readonly seed: number;
  /** Stops it; its reason is thrown. */
  readonly signal?: AbortSignal;
}

/** Time before the load in which the client connects. */
const WARM_UP_MS = 1_000;
/** Separates the chance of the client from that of the load and of the server. */
const CLIENT_KEY = 3;

/** Lets one client meet one scenario. While it runs, the globals of time and chance are virtual. */
export async function simulate(options: SimulateOptions): Promise<RunRecord> {
  const { scenario, client, seed, signal } = options;
  const clock = new VirtualClock(-WARM_UP_MS);
  const random = createRandomOf(CLIENT_KEY, seed);
  const server = new ServerModel(scenario.server, seed, clock);
  const network = new ModelNetwork(clock, server, scenario.server.era);
  const calls: CallRecord[] = drawLoad(scenario, seed).map((call) => ({
    ...call,
    settledMs: Infinity,
    success: false,
    claimsNoRun: false,
    effects: 0,
  }));
  const restore = replaceGlobals(clock, random);
  try {
    const { fetch } = network;
    const { deadlineMs } = scenario;
    const opening = CLIENTS[client]!({ fetch, clock, random, deadlineMs });
    const caller = await wait(opening, clock, signal);
    let left = calls.length;
    for (const call of calls) {
      clock.setTimer(call.atMs - clock.now(), async () => {
        await place(call, caller, server.trace, clock);
        left--;
      });
    }
    await clock.run(() => left === 0, signal);
    await wait(caller.close(), clock, signal);
    await clock.run(() => false, signal);
  } finally {
    restore();
  }
  for (const call of calls) call.effects = server.ledger.get(call.index) ?? 0;
  const { timers } = clock;
  return {
    calls,
    sends: network.sends,
    rest: { timers, exchanges: network.openExchanges, jobs: server.openJobs },
    trace: server.trace,
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
