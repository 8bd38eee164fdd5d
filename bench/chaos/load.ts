import type { Effect } from "../../src/errors/delivery.ts";
import { createRandomOf, drawExponential } from "./random.ts";

/** One thing that a user wants done, however often it is sent. */
export interface LogicalCall {
  /** Its place in the load, from 0. */
  readonly index: number;
  /** When the user asks for it. */
  readonly atMs: number;
  /** The tool, which is named after what repeating it does. */
  readonly tool: Effect;
  /** The server that has the tool, from 0. */
  readonly server: number;
  /** The instance of the client that is asked, from 0. */
  readonly instance: number;
}

/** How much is asked for, for how long, and of whom. */
export interface Load {
  readonly callsPerSecond: number;
  readonly durationMs: number;
  readonly servers: readonly unknown[];
  readonly instances: number;
}

/** Separates the chance of the load from that of the server and of the clients. */
const LOAD_KEY = 1;
/** Separates who is asked from when, so that the arrivals do not depend on it. */
const PLACE_KEY = 4;

/** Draws an open-loop Poisson load: it depends on the seed alone, never on who serves it. */
export function drawLoad(load: Load, seed: number): LogicalCall[] {
  const { callsPerSecond, durationMs, servers, instances } = load;
  const random = createRandomOf(LOAD_KEY, seed);
  const place = createRandomOf(PLACE_KEY, seed);
  const calls: LogicalCall[] = [];
  let atMs = 0;
  while (true) {
    atMs += drawExponential(1_000 / callsPerSecond, random);
    if (atMs >= durationMs) return calls;
    calls.push({
      index: calls.length,
      atMs,
      tool: pickTool(random()),
      server: Math.floor(place() * servers.length),
      instance: Math.floor(place() * instances),
    });
  }
}

/** 70 % safe, 10 % idempotent, 20 % unsafe. */
function pickTool(chance: number): Effect {
  if (chance < 0.7) return "safe";
  return chance < 0.8 ? "idempotent" : "unsafe";
}
