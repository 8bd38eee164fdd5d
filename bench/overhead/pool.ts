/**
 * What a lease costs beside generic-pool's: alone, and when many want one. Resources cost nothing to
 * make; the clock is the runtime's own.
 */
import { createPool as createGenericPool } from "generic-pool";
import { ResourcePool } from "../../mod.ts";
import type { Row } from "./row.ts";

const SIZE = 10;

/** Acquires a lease and gives it back. */
type Turn = () => Promise<unknown>;

/** Makes the pools, and who takes turns on them; the last is the peer. */
function createTurns(): Record<string, Turn> {
  const options = {
    poolSize: SIZE,
    maxWaiters: Infinity,
    create: () => Promise.resolve({}),
  };
  const pool = new ResourcePool(options);
  const shared = new ResourcePool({
    ...options,
    maxResources: 1,
    leasesPerResource: () => SIZE,
  });
  const guarded = new ResourcePool({
    ...options,
    validate: () => true,
    isUsable: () => true,
    idleTimeoutMs: 300_000,
    maxLifetimeMs: 1_800_000,
    retireAfterTimeouts: 5,
  });
  const factory = { create: () => Promise.resolve({}), destroy: () => Promise.resolve() };
  const unlimited = createGenericPool(factory, { max: SIZE });
  const generic = createGenericPool(factory, { max: SIZE, acquireTimeoutMillis: 5_000 });
  return {
    "ResourcePool": async () => (await pool.acquire()).release(),
    "ResourcePool, one shared resource": async () => (await shared.acquire()).release(),
    "ResourcePool, all options on": async () => (await guarded.acquire()).release(),
    "ResourcePool.use()": () => pool.use(() => {}),
    "generic-pool 3.9, waiting for ever": async () =>
      await unlimited.release(await unlimited.acquire()),
    "generic-pool 3.9": async () => await generic.release(await generic.acquire()),
  };
}

/** Returns all rows, on pools of their own. */
export function createPoolRows(): Row[] {
  const turns = Object.entries(createTurns());
  return [1, 100, 10_000].flatMap((callers) =>
    turns.map(([name, turn], index) => ({
      group: callers === 1 ? "acquire and release" : `${callers} callers at once`,
      name,
      isPeer: index === turns.length - 1,
      operations: callers,
      run: callers === 1 ? turn : () => Promise.all(Array.from({ length: callers }, turn)),
    }))
  );
}
