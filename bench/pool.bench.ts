/**
 * What a lease costs: alone, beside generic-pool, and with many who wait. On the runtime's own
 * clock, with resources that cost nothing to make.
 */
import { createPool as createGenericPool } from "generic-pool";
import { ResourcePool } from "../src/resilience/pool.ts";

const SIZE = 10;
const pool = new ResourcePool({
  poolSize: SIZE,
  maxWaiters: Infinity,
  create: () => Promise.resolve({}),
});
const shared = new ResourcePool({
  poolSize: SIZE,
  maxResources: 1,
  maxWaiters: Infinity,
  leasesPerResource: () => SIZE,
  create: () => Promise.resolve({}),
});
const generic = createGenericPool(
  { create: () => Promise.resolve({}), destroy: () => Promise.resolve() },
  // As ours: without it a waiter there needs no timer, and may wait for ever.
  { max: SIZE, acquireTimeoutMillis: 5_000 },
);

const group = "acquire and release, nobody waits";

Deno.bench("ResourcePool, one lease per resource", { group, baseline: true }, async () => {
  (await pool.acquire()).release();
});

Deno.bench("ResourcePool, one shared resource", { group }, async () => {
  (await shared.acquire()).release();
});

Deno.bench("ResourcePool.use()", { group }, async () => {
  await pool.use(() => {});
});

Deno.bench("generic-pool 3.9", { group }, async () => {
  await generic.release(await generic.acquire());
});

for (const callers of [100, 10_000]) {
  const group = `${callers} callers at once`;

  Deno.bench(`ResourcePool, ${callers} callers`, { group, baseline: true }, async () => {
    await Promise.all(Array.from({ length: callers }, async () => {
      (await pool.acquire()).release();
    }));
  });

  Deno.bench(`generic-pool 3.9, ${callers} callers`, { group }, async () => {
    await Promise.all(Array.from({ length: callers }, async () => {
      await generic.release(await generic.acquire());
    }));
  });
}

for (const callers of [100, 10_000]) {
  const group = `${callers} callers of whom half leave`;

  Deno.bench(`ResourcePool, ${callers} callers of whom half leave`, { group }, async () => {
    const controllers = Array.from({ length: callers / 2 }, () => new AbortController());
    const calls = Array.from({ length: callers }, async (_, index) => {
      (await pool.acquire(index % 2 === 0 ? {} : controllers[(index - 1) / 2])).release();
    });
    for (const controller of controllers) controller.abort();
    await Promise.allSettled(calls);
  });
}
