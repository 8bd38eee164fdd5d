/**
 * Measures the heap over many executions or, told so, what pending ones hold; prints it as JSON. Runs
 * in Deno and Bun as it is and, bundled, in Node.
 */
import process from "node:process";
import { createControl, createExecutions, PENDING, type Pending } from "./executions.ts";
import { findGc, type HeapPoint, measureHeap, readHeapBytes } from "./heap.ts";

const PLAN = { chunks: 20, executionsPerChunk: 50_000, warmUpChunks: 2 };
const PENDING_COUNT = 10_000;
const FEW = 10;
const PENDING_ROUNDS = 5;

/** The heap over executions, and over calls of plain functions in the same process. */
export interface MeasuredHeap {
  readonly automcp: readonly HeapPoint[];
  readonly control: readonly HeapPoint[];
}

/** What one of each kind holds, in bytes; medians. */
export type MeasuredPending = Readonly<Record<string, number>>;

/** Returns what one of many holds: the heap with few beside the heap with many, in bytes. */
async function measureOne({ start }: Pending, gc: () => void): Promise<number> {
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

async function measurePending(): Promise<MeasuredPending> {
  const gc = findGc();
  const pending: Record<string, number> = {};
  for (const one of PENDING) {
    const each: number[] = [];
    for (let round = 0; round < PENDING_ROUNDS; round++) each.push(await measureOne(one, gc));
    pending[one.name] = each.toSorted((a, b) => a - b)[each.length >> 1] ?? NaN;
  }
  return pending;
}

async function measureBoth(): Promise<MeasuredHeap> {
  const control = await measureHeap(createControl(), PLAN);
  return { automcp: await measureHeap(createExecutions(), PLAN), control };
}

const isPending = process.argv.includes("pending");
console.log(JSON.stringify(await (isPending ? measurePending() : measureBoth())));
process.exit(0);
