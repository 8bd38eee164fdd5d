import { MAX_TIMER_MS } from "./clock.ts";

/** How long to wait between attempts: full jitter under a ceiling that grows. */
export interface BackoffOptions {
  /**
   * The ceiling of the first wait, in milliseconds, >= 0. With 0 there is no wait.
   *
   * @default {100}
   */
  readonly baseDelayMs?: number;
  /**
   * How much the ceiling grows with each failure, >= 1. With 1 it stays.
   *
   * @default {1.5}
   */
  readonly backoffFactor?: number;
  /**
   * The ceiling of every wait, in milliseconds, >= 0.
   *
   * @default {2000}
   */
  readonly maxDelayMs?: number;
}

/**
 * Draws the wait after a failure: a random share of `baseDelayMs × backoffFactor^(failures − 1)`, at
 * most of `maxDelayMs`. Full jitter keeps many clients from coming back at the same moment.
 *
 * @param failures How many sends have failed, >= 1.
 * @param options The ceiling's base, growth and limit.
 * @param random A source of chance, 0 <= x < 1.
 * @returns The wait in milliseconds.
 *
 * @example Half of the third wait's ceiling
 * ```ts
 * import { drawBackoffMs } from "@automcp/client";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(drawBackoffMs(3, { baseDelayMs: 200, backoffFactor: 2 }, () => 0.5), 400);
 * ```
 */
export function drawBackoffMs(
  failures: number,
  options: BackoffOptions,
  random: () => number,
): number {
  const { baseDelayMs = 100, backoffFactor = 1.5, maxDelayMs = 2_000 } = options;
  const ceilingMs = baseDelayMs === 0 ? 0 : baseDelayMs * backoffFactor ** (failures - 1);
  return random() * Math.min(maxDelayMs, ceilingMs, MAX_TIMER_MS);
}
