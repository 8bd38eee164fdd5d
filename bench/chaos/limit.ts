import { TRIP_MS } from "./exchange.ts";
import { drawLoad, type LogicalCall } from "./load.ts";
import { isWithin, type Scenario, type ServerBehaviour } from "./scenario.ts";
import { drawSend } from "./server.ts";

/** A call as a scheduler sees it that knows everything beforehand. */
interface Job {
  readonly readyMs: number;
  readonly dueMs: number;
  readonly serviceMs: number;
}

/**
 * How much the length of a job counts against its deadline: 0 serves the earliest deadline first,
 * `Infinity` the shortest job.
 */
const WEIGHTS = [0, 1, 3, 10, 30, 100, Infinity];

/**
 * Returns the share of calls that can be good on a seed, where a scenario says how to tell.
 *
 * The offline schedule knows the length of every call, leaves out what cannot be in time, and is the
 * best of several rules. It is near the best there is, not proved to be it.
 */
export function computeLimit(scenario: Scenario, seed: number): number | null {
  const { servers, limit, deadlineMs } = scenario;
  if (limit === undefined) return null;
  const calls = drawLoad(scenario, seed);
  const drawn = (call: LogicalCall) =>
    drawSend(servers[call.server]!, seed, call.index, 1, call.atMs);
  if (limit === "cuts") {
    const lost = calls.filter((call) => call.tool === "unsafe" && drawn(call).fate.cut);
    return 1 - lost.length / calls.length;
  }
  let good = 0;
  for (const [at, server] of servers.entries()) {
    const jobs = calls.filter((call) => call.server === at).map((call): Job => ({
      readyMs: call.atMs + TRIP_MS,
      dueMs: call.atMs + deadlineMs - TRIP_MS,
      serviceMs: drawn(call).serviceMs,
    }));
    good += Math.max(...WEIGHTS.map((weight) => countInTime(jobs, server, weight)));
  }
  return good / calls.length;
}

/** Serves jobs by one rule, and counts those that end in time. */
function countInTime(jobs: readonly Job[], server: ServerBehaviour, weight: number): number {
  const { slump, down } = server;
  const edges = [slump, down].flatMap((window) => window ? [window.startMs, window.endMs] : []);
  const rank = ({ dueMs, serviceMs }: Job): number =>
    weight === Infinity ? serviceMs : dueMs + weight * serviceMs;
  let nowMs = -Infinity;
  let next = 0;
  let good = 0;
  let pending: Job[] = [];
  let endsMs: number[] = [];
  while (true) {
    nowMs = Math.min(
      ...[jobs[next]?.readyMs ?? Infinity],
      ...(pending.length > 0 ? edges.filter((edgeMs) => edgeMs > nowMs) : []),
      ...(pending.length > 0 ? endsMs : []),
    );
    if (nowMs === Infinity) return good;
    for (; next < jobs.length && jobs[next]!.readyMs <= nowMs; next++) pending.push(jobs[next]!);
    endsMs = endsMs.filter((endMs) => endMs > nowMs);
    pending = pending.filter(({ dueMs, serviceMs }) => nowMs + serviceMs <= dueMs);
    const untilMs = down !== undefined && nowMs < down.startMs ? down.startMs : Infinity;
    while (endsMs.length < countWorkers(server, nowMs)) {
      const fitting = pending.filter(({ serviceMs }) => nowMs + serviceMs <= untilMs);
      if (fitting.length === 0) break;
      const job = fitting.reduce((best, other) => rank(other) < rank(best) ? other : best);
      pending.splice(pending.indexOf(job), 1);
      endsMs.push(nowMs + job.serviceMs);
      good++;
    }
  }
}

function countWorkers({ workers, slump, down }: ServerBehaviour, atMs: number): number {
  if (isWithin(atMs, down)) return 0;
  return slump !== undefined && isWithin(atMs, slump) ? slump.workers : workers;
}
