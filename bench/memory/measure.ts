/**
 * Measures the heap over many executions, and what pending ones hold; prints both as JSON. Runs in
 * Deno and Bun as it is and, bundled, in Node.
 */
import process from "node:process";
import { createExecutions, PENDING, type Pending } from "./executions.ts";

const CHUNKS = 20;
const EXECUTIONS_PER_CHUNK = 50_000;
/** Before them code is compiled, and caches and the log of what has ended are filled. */
const WARM_UP_CHUNKS = 2;
const PENDING_COUNT = 10_000;
const FEW = 10;
const PENDING_ROUNDS = 5;

/** What was measured in one runtime. */
export interface Measured {
  /** The heap in bytes after so many executions. */
  readonly heap: readonly (readonly [executions: number, bytes: number])[];
  /** What one of each kind holds, in bytes; medians. */
  readonly pending: Readonly<Record<string, number>>;
}

/** The collection that the runtime offers; with none there is nothing to measure. */
function findGc(): () => void {
  const { gc, Bun } = globalThis as { gc?: () => void; Bun?: { gc(now: boolean): void } };
  if (gc !== undefined) return gc;
  if (Bun !== undefined) return () => Bun.gc(true);
  throw new TypeError("Cannot measure as the runtime must offer its garbage collection");
}

async function readHeapBytes(gc: () => void): Promise<number> {
  for (let round = 0; round < 3; round++) {
    await new Promise((resolve) => setTimeout(resolve)); // what was collected may have to be told
    gc();
  }
  return process.memoryUsage().heapUsed;
}

/** Returns what one of many holds: the heap with few beside the heap with many, in bytes. */
async function measurePending({ start }: Pending, gc: () => void): Promise<number> {
  const readWith = async (count: number): Promise<number> => {
    const started = await start(count);
    const bytes = await readHeapBytes(gc);
    await started.end();
    return bytes;
  };
  // Each in a function of its own, which must not leave behind what the next one would count.
  await readWith(FEW);
  const few = await readWith(FEW);
  const many = await readWith(FEW + PENDING_COUNT);
  return (many - few) / PENDING_COUNT;
}

async function measure(): Promise<Measured> {
  const gc = findGc();
  const execute = createExecutions();
  const heap: [executions: number, bytes: number][] = [];
  for (let chunk = 1 - WARM_UP_CHUNKS; chunk <= CHUNKS; chunk++) {
    await execute(EXECUTIONS_PER_CHUNK);
    if (chunk > 0) heap.push([chunk * EXECUTIONS_PER_CHUNK, await readHeapBytes(gc)]);
  }
  const pending: Record<string, number> = {};
  for (const one of PENDING) {
    const each: number[] = [];
    for (let round = 0; round < PENDING_ROUNDS; round++) each.push(await measurePending(one, gc));
    pending[one.name] = each.toSorted((a, b) => a - b)[each.length >> 1] ?? NaN;
  }
  return { heap, pending };
}

console.log(JSON.stringify(await measure()));
process.exit(0);
