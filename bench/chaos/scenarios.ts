import type { Load } from "./load.ts";
import type { Random } from "./random.ts";

/** From when to when, in milliseconds of the load. */
export interface Window {
  readonly startMs: number;
  readonly endMs: number;
}

/** What becomes of one send of a tool call, besides what the queue does to it. */
export interface Fate {
  /** How long it takes, instead of the usual. */
  readonly serviceMs?: number;
  /** It is refused at once. */
  readonly refusal?: Refusal;
  /** Its connection breaks, or its stream just ends, when so much of it is done; the work with it. */
  readonly cut?: { readonly at: number; readonly how: "reset" | "end" };
  /** It runs to its end, but its stream never says anything but comments. */
  readonly drips?: boolean;
}

/** An answer with a status that is no success. */
export interface Refusal {
  readonly status: 429 | 503;
  readonly retryAfterSeconds: number;
}

/** How a server behaves. */
export interface ServerBehaviour {
  readonly era: "modern" | "legacy";
  /** How many calls it works on at once. */
  readonly workers: number;
  /** When it works on fewer. */
  readonly slump?: Window & { readonly workers: number };
  /** How many calls may wait for a worker; more are refused with 503. */
  readonly maxQueue: number;
  /** When connections are refused. What runs at its start is lost, sessions included. */
  readonly down?: Window;
  /** When it takes no more than so many calls in any second, and refuses the others with 429. */
  readonly rateLimit?: Window & { readonly callsPerSecond: number };
  /** Whether a reader who is gone ends the work. */
  readonly honoursDisconnect: boolean;
  /** Draws the fate of one send. */
  readonly drawFate: (atMs: number, random: Random) => Fate;
}

/** One way in which things go wrong. */
export interface Scenario extends Load {
  readonly id: string;
  readonly fault: string;
  readonly deadlineMs: number;
  readonly server: ServerBehaviour;
  /** The best that is known to be reached, or the limit that no client can pass. */
  readonly bestKnown: string;
  /** When the fault ends, if it does: recovery is counted from here. */
  readonly faultEndMs?: number;
}

const HEALTHY: ServerBehaviour = {
  era: "modern",
  workers: 8,
  maxQueue: Infinity,
  honoursDisconnect: true,
  drawFate: () => ({}),
};
const PLAIN = { callsPerSecond: 30, durationMs: 90_000, deadlineMs: 10_000 };
const SLUMP = { startMs: 30_000, endMs: 50_000, workers: 1 };

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
    {
      drawFate: (atMs, random) =>
        isWithin(atMs, { startMs: 30_000, endMs: 45_000 }) && random() < 0.8
          ? { refusal: { status: 503, retryAfterSeconds: 2 } }
          : {},
    },
    { faultEndMs: 45_000 },
  ),
  define("S4", "3 % reset before the run, 3 % after its effect", "98.8 % without duplicates", {
    drawFate: (_, random) => drawCut(random(), "reset", 0, 0.9),
  }),
  define("S5", "3 % of streams end at 30 %, 3 % at 80 %", "98.8 % without duplicates", {
    drawFate: (_, random) => drawCut(random(), "end", 0.3, 0.8),
  }),
  define("S6", "legacy server restarts at 30 s, refused for 1 s", "100 %, recovery 0", {
    era: "legacy",
    down: { startMs: 30_000, endMs: 31_000 },
  }, { faultEndMs: 31_000 }),
  define("S7", "capacity 4 to 1, 30 to 50 s", "99.5 to 100 %", { workers: 4, slump: SLUMP }, {
    faultEndMs: 50_000,
  }),
  define("S7b", "as S7, D 2 s", "93 to 94 %", { workers: 4, slump: SLUMP }, {
    faultEndMs: 50_000,
    deadlineMs: 2_000,
  }),
  define("S7c", "as S7b, aborts ignored", "93 to 94 %", {
    workers: 4,
    slump: SLUMP,
    honoursDisconnect: false,
  }, { faultEndMs: 50_000, deadlineMs: 2_000 }),
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
    { faultEndMs: 36_000, deadlineMs: 2_000, callsPerSecond: 25 },
  ),
  define("S10", "connections refused, 30 to 45 s", "94.1 to 94.6 %", {
    down: { startMs: 30_000, endMs: 45_000 },
  }, { faultEndMs: 45_000 }),
  define("X1", "429 over 10 calls/s, Retry-After: 1, 30 to 50 s", "93.6 % at 1.1 sends", {
    rateLimit: { startMs: 30_000, endMs: 50_000, callsPerSecond: 10 },
  }, { faultEndMs: 50_000 }),
  define("X2", "queue of 4, else 503, capacity 4 to 1, 30 to 50 s", "95.6 % at 1.1 sends", {
    workers: 4,
    slump: SLUMP,
    maxQueue: 4,
  }, { faultEndMs: 50_000 }),
];

/** Tells whether an instant lies in a window. */
export function isWithin(atMs: number, window: Window | undefined): boolean {
  return window !== undefined && atMs >= window.startMs && atMs < window.endMs;
}

function define(
  id: string,
  fault: string,
  bestKnown: string,
  server: Partial<ServerBehaviour>,
  other: Partial<Scenario> = {},
): Scenario {
  return { ...PLAIN, id, fault, bestKnown, server: { ...HEALTHY, ...server }, ...other };
}

function drawCut(chance: number, how: "reset" | "end", early: number, late: number): Fate {
  if (chance < 0.03) return { cut: { at: early, how } };
  return chance < 0.06 ? { cut: { at: late, how } } : {};
}
