import type { Random } from "./random.ts";
import {
  define,
  type Fate,
  HEALTHY,
  isWithin,
  type Scenario,
  type ServerBehaviour,
  type Window,
} from "./scenario.ts";

const HOUR_MS = 3_600_000;
const LONG_WINDOW: Window = { startMs: 30_000, endMs: 50_000 };
const SHORT_WINDOW: Window = { startMs: 30_000, endMs: 45_000 };
const SLUMP = { ...LONG_WINDOW, workers: 1 };

/** A server that refuses most calls for a while. */
const drawRefusal = (asDate: boolean) => (atMs: number, random: Random): Fate =>
  isWithin(atMs, SHORT_WINDOW) && random() < 0.8
    ? { refusal: { status: 503, retryAfterSeconds: 2, asDate } }
    : {};

/** One server that comes and goes, while the client has three others. */
function defineOneOfFour(): Scenario {
  const down = { startMs: 30_000, endMs: 45_000 };
  const slump = { startMs: 55_000, endMs: 70_000, workers: 0 };
  const bad: ServerBehaviour = { ...HEALTHY, down, slump };
  const load = { callsPerSecond: 40, instances: 1 };
  const control = define("X4", "none", "", {}, { ...load, servers: Array(4).fill(HEALTHY) });
  return {
    ...control,
    fault: "one of 4 servers: refused, 30 to 45 s, no worker, 55 to 70 s",
    bestKnown: "the other servers as without the fault",
    servers: [bad, HEALTHY, HEALTHY, HEALTHY],
    limit: "schedule",
    windows: [down, slump],
    control,
  };
}

/** All scenarios, in the order of the table. */
export const SCENARIOS: readonly Scenario[] = [
  define("S1", "none", "p99 0.18 to 0.20 s", {}),
  define("S2", "2 % of calls take 5 s", "p99 0.22 to 0.32 s, by hedging", {
    drawFate: (_, random) => random() < 0.02 ? { serviceMs: 5_000 } : {},
  }),
  define(
    "S3",
    "80 % of calls: 503, Retry-After: 2, 30 to 45 s",
    "96 % at 1.30 sends, 94.3 % at 1.0",
    { drawFate: drawRefusal(false) },
    { windows: [SHORT_WINDOW] },
  ),
  define("S4", "3 % reset before the run, 3 % after its effect", "98.8 % without duplicates", {
    drawFate: (_, random) => drawCut(random(), "reset", 0, 0.9),
  }, { limit: "cuts" }),
  define("S5", "3 % of streams end at 30 %, 3 % at 80 %", "98.8 % without duplicates", {
    drawFate: (_, random) => drawCut(random(), "end", 0.3, 0.8),
  }, { limit: "cuts" }),
  define("S6", "legacy server restarts at 30 s, refused for 1 s", "100 %, recovery 0", {
    era: "legacy",
    down: { startMs: 30_000, endMs: 31_000 },
  }, { windows: [{ startMs: 30_000, endMs: 31_000 }] }),
  define("S7", "capacity 4 to 1, 30 to 50 s", "99.5 to 100 %", { workers: 4, slump: SLUMP }, {
    limit: "schedule",
    windows: [LONG_WINDOW],
  }),
  define("S7b", "as S7, D 2 s", "93 to 94 %", { workers: 4, slump: SLUMP }, {
    limit: "schedule",
    windows: [LONG_WINDOW],
    deadlineMs: 2_000,
  }),
  define("S7c", "as S7b, aborts ignored", "93 to 94 %", {
    workers: 4,
    slump: SLUMP,
    honoursDisconnect: false,
  }, { limit: "schedule", windows: [LONG_WINDOW], deadlineMs: 2_000 }),
  define("S8", "2 % of streams: comments, never data", "99.6 %, p99 0.21 to 0.39 s, by hedging", {
    drawFate: (_, random) => ({ drips: random() < 0.02 }),
  }),
  define(
    "S9",
    "85 % used, then capacity 0, 30 to 36 s, D 2 s, aborts ignored",
    "95 to 96 %, recovery 1 s",
    {
      workers: 2,
      slump: { startMs: 30_000, endMs: 36_000, workers: 0 },
      honoursDisconnect: false,
    },
    {
      limit: "schedule",
      windows: [{ startMs: 30_000, endMs: 36_000 }],
      deadlineMs: 2_000,
      callsPerSecond: 25,
    },
  ),
  define("S10", "connections refused, 30 to 45 s", "94.1 to 94.6 %", { down: SHORT_WINDOW }, {
    limit: "schedule",
    windows: [SHORT_WINDOW],
  }),
  define("X1", "429 over 10 calls/s, Retry-After: 1, 30 to 50 s", "93.6 % at 1.1 sends", {
    rateLimit: { ...LONG_WINDOW, callsPerSecond: 10 },
  }, { windows: [LONG_WINDOW] }),
  define("X2", "queue of 4, else 503, capacity 4 to 1, 30 to 50 s", "95.6 % at 1.1 sends", {
    workers: 4,
    slump: SLUMP,
    maxQueue: 4,
  }, { windows: [LONG_WINDOW] }),
  define("X3", "200 clients: capacity 4 to 0, 30 to 40 s, queue of 40, else 503", "not known", {
    workers: 4,
    slump: { startMs: 30_000, endMs: 40_000, workers: 0 },
    maxQueue: 40,
  }, { instances: 200, limit: "schedule", windows: [{ startMs: 30_000, endMs: 40_000 }] }),
  defineOneOfFour(),
  define(
    "X5",
    "as S3 with dates, the wall clock 1 h fast, slow, fast and slow for 5 s each",
    "as S3",
    { drawFate: drawRefusal(true) },
    {
      windows: [SHORT_WINDOW],
      jumps: [
        { atMs: 33_000, byMs: HOUR_MS },
        { atMs: 38_000, byMs: -2 * HOUR_MS },
        { atMs: 43_000, byMs: HOUR_MS },
        { atMs: 60_000, byMs: HOUR_MS },
        { atMs: 65_000, byMs: -2 * HOUR_MS },
        { atMs: 70_000, byMs: HOUR_MS },
      ],
    },
  ),
  define("X6", "all credentials expire at 30 s, a new one takes 200 ms", "100 %, 1 renewal", {
    expiryMs: 30_000,
  }, { windows: [{ startMs: 30_000, endMs: 30_200 }] }),
  define("X7", "each call reports 20 000 events/s, 30 to 30.5 s", "100 %", {
    flood: { startMs: 30_000, endMs: 30_500, eventsPerSecond: 20_000 },
  }, { watches: true, windows: [{ startMs: 30_000, endMs: 30_500 }] }),
  define("X8", "2 % of results are 10 MB", "100 %", {
    drawFate: (_, random) => random() < 0.02 ? { padBytes: 10_000_000 } : {},
  }, { durationMs: 30_000 }),
];

function drawCut(chance: number, how: "reset" | "end", early: number, late: number): Fate {
  if (chance < 0.03) return { cut: { at: early, how } };
  return chance < 0.06 ? { cut: { at: late, how } } : {};
}
