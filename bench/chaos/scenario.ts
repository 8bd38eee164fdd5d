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
  /** Its result is longer by so many bytes. */
  readonly padBytes?: number;
}

/** An answer with a status that is no success. */
export interface Refusal {
  readonly status: 429 | 503;
  readonly retryAfterSeconds: number;
  /** Whether it names the instant instead of the wait. */
  readonly asDate?: boolean;
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
  /** From when on it refuses the credentials that were issued before, with 401. */
  readonly expiryMs?: number;
  /** When each call that runs reports progress so often. */
  readonly flood?: Window & { readonly eventsPerSecond: number };
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
  /** The servers: each has a client of its own among the SDK's, and a group in AutoMCP. */
  readonly servers: readonly ServerBehaviour[];
  /** How many instances of the client share the load, none knowing of the others. */
  readonly instances: number;
  /** When the clients' wall clock is set, and how far. */
  readonly jumps: readonly { readonly atMs: number; readonly byMs: number }[];
  /** Whether the SDK asks for progress, too. AutoMCP always does. */
  readonly watches: boolean;
  /** The best that is known to be reached. */
  readonly bestKnown: string;
  /**
   * What can be computed per seed: the offline schedule, or the share of calls that are not unsafe and
   * cut after their send.
   */
  readonly limit?: "schedule" | "cuts";
  /** When the fault is there, if it comes and goes. Recovery is counted from the end of the last. */
  readonly windows: readonly Window[];
  /** The same without the fault, to tell what it costs the servers other than the first. */
  readonly control?: Scenario;
}

/** A server without a fault. */
export const HEALTHY: ServerBehaviour = {
  era: "modern",
  workers: 8,
  maxQueue: Infinity,
  honoursDisconnect: true,
  drawFate: () => ({}),
};

const PLAIN = {
  callsPerSecond: 30,
  durationMs: 90_000,
  deadlineMs: 10_000,
  instances: 1,
  jumps: [],
  watches: false,
  windows: [],
};

/** Fills in what a scenario has in common with most of the others. */
export function define(
  id: string,
  fault: string,
  bestKnown: string,
  server: Partial<ServerBehaviour>,
  other: Partial<Scenario> = {},
): Scenario {
  const servers = [{ ...HEALTHY, ...server }];
  return { ...PLAIN, id, fault, bestKnown, servers, ...other };
}

/** Tells whether an instant lies in a window. */
export function isWithin(atMs: number, window: Window | undefined): boolean {
  return window !== undefined && atMs >= window.startMs && atMs < window.endMs;
}
