/**
 * Measures all rows in one process, group by group, and prints the medians as JSON. Runs in Deno and
 * Bun as it is and, bundled, in Node.
 */
import process from "node:process";
import { createGuardRows } from "./guard.ts";
import { createPoolRows } from "./pool.ts";
import type { Row } from "./row.ts";

const ROUNDS = 41;
const OPERATIONS_PER_ROUND = 20_000;
const WARM_UP_ROUNDS = 5;

/** What one row took. */
export interface Measured extends Omit<Row, "run" | "operations"> {
  /** One operation, in nanoseconds; the median of all rounds. */
  readonly ns: number;
}

/** Runs a row many times and returns what one operation took, in nanoseconds. */
async function measure({ run, operations }: Row): Promise<number> {
  const runs = Math.max(1, OPERATIONS_PER_ROUND / operations);
  const startedAt = performance.now();
  for (let done = 0; done < runs; done++) await run();
  return (performance.now() - startedAt) * 1e6 / (runs * operations);
}

async function measureGroup(rows: readonly Row[]): Promise<Measured[]> {
  const times = rows.map((row) => ({ row, ns: [] as number[] }));
  for (let round = -WARM_UP_ROUNDS; round < ROUNDS; round++) {
    for (const { row, ns } of times) {
      const taken = await measure(row);
      if (round >= 0) ns.push(taken);
    }
    times.push(...times.splice(0, 1)); // nobody is always the first
  }
  return rows.map((row) => {
    const { group, name, isPeer } = row;
    const ns = times.find((one) => one.row === row)?.ns.toSorted((a, b) => a - b) ?? [];
    return { group, name, isPeer, ns: ns[ns.length >> 1] ?? NaN };
  });
}

const measured: Measured[] = [];
const all = [...createPoolRows(), ...createGuardRows()];
for (const rows of Map.groupBy(all, ({ group }) => group).values()) {
  measured.push(...await measureGroup(rows));
}
console.log(JSON.stringify(measured));
process.exit(0); // generic-pool leaves its timers to the runtime
