import type { JsonObject } from "../client/ports.ts";
import type { Clock } from "../resilience/clock.ts";

/**
 * What a server said when it was asked for its era, as plain JSON. It belongs to the credentials that
 * it was asked with: a server may say something else to others.
 */
export type McpPrior =
  | {
    /** Protocol 2026-07-28 and later. */
    readonly era: "modern";
    /** When it said so, in milliseconds since the Unix epoch. */
    readonly askedAtMs: number;
    /** Its answer to `server/discover`. */
    readonly discover: JsonObject;
  }
  | {
    /** Protocol 2025-11-25 and earlier. */
    readonly era: "legacy";
    /** When that turned out, in milliseconds since the Unix epoch. */
    readonly askedAtMs: number;
  };

/** How long what a server said of its era is believed unless it proves wrong, in milliseconds. */
export const ERA_TTL_MS = 3_600_000;

/** What is known of a server's era, as long as it may be believed. */
export class EraMemory {
  readonly #clock: Pick<Clock, "wall">;
  #known: McpPrior | undefined;

  constructor(clock: Pick<Clock, "wall">, known?: McpPrior) {
    this.#clock = clock;
    this.#known = known;
  }

  /** What is known and not too old. */
  get known(): McpPrior | undefined {
    return this.isOutdated ? undefined : this.#known;
  }

  /** Whether nothing is known, or not any more. */
  get isOutdated(): boolean {
    // The clock that stamped it may be another one, a little ahead of this.
    return this.#known === undefined ||
      !(Math.abs(this.#clock.wall() - this.#known.askedAtMs) < ERA_TTL_MS);
  }

  /** Takes note of what a connection found out. */
  learn(discover: JsonObject | undefined): void {
    const askedAtMs = this.#clock.wall();
    this.#known = discover === undefined
      ? { era: "legacy", askedAtMs }
      : { era: "modern", askedAtMs, discover };
  }

  /** Takes note that it has proved wrong. */
  forget(): void {
    this.#known = undefined;
  }
}
