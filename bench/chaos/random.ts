import { createRandom } from "../../tests/support/random.ts";

/** A source of chance, 0 <= x < 1. */
export type Random = () => number;

/** Returns a source of chance of its own for each list of numbers: the same list, the same chance. */
export function createRandomOf(...keys: readonly number[]): Random {
  let hash = 0x9e3779b9;
  for (const key of keys) {
    hash = Math.imul(hash ^ key, 0x85ebca6b);
    hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
    hash ^= hash >>> 16;
  }
  return createRandom(hash);
}

/** Draws from an exponential distribution. */
export function drawExponential(mean: number, random: Random): number {
  return -mean * Math.log(1 - random());
}

/** Draws from a log-normal distribution. */
export function drawLogNormal(median: number, sigma: number, random: Random): number {
  const radius = Math.sqrt(-2 * Math.log(1 - random()));
  return median * Math.exp(sigma * radius * Math.cos(2 * Math.PI * random()));
}
