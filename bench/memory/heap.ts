/** The heap over many executions, and how to see in it what they keep and nothing else. */
import process from "node:process";

/**
 * Flags of V8 under which the heap holds what a program keeps. Without them V8 goes on compiling its
 * functions for as long as they run, and code, what code rests on and what was learned for it lie in
 * the same heap.
 */
export const UNCOMPILED: readonly string[] = [
  "--no-opt",
  "--no-maglev",
  "--no-sparkplug",
  // What a function learns has its place from its first call on, not from one of the next.
  "--no-lazy-feedback-allocation",
  // What has not run for a while is not forgotten, to be translated again.
  "--no-flush-bytecode",
];

/** Makes so many executions, each to its end. */
export type Execute = (count: number) => Promise<void>;

/** The heap in bytes after so many executions. */
export type HeapPoint = readonly [executions: number, bytes: number];

/** How many executions a measurement takes. */
export interface HeapPlan {
  /** How often the heap is read, and so many executions lie between. */
  readonly chunks: number;
  readonly executionsPerChunk: number;
  /** Chunks before the first: caches and the log of what has ended are filled. */
  readonly warmUpChunks: number;
}

/** Returns the collection that the runtime offers; with none there is nothing to measure. */
export function findGc(): () => void {
  const { gc, Bun } = globalThis as { gc?: () => void; Bun?: { gc(now: boolean): void } };
  if (gc !== undefined) return gc;
  if (Bun !== undefined) return () => Bun.gc(true);
  throw new TypeError("Cannot measure as the runtime must offer its garbage collection");
}

/** Returns how many bytes are used once all is collected that can be. */
export async function readHeapBytes(gc: () => void): Promise<number> {
  for (let round = 0; round < 3; round++) {
    await new Promise((resolve) => setTimeout(resolve)); // what was collected may have to be told
    gc();
  }
  return process.memoryUsage().heapUsed;
}

/** Reads the heap again and again while executions are made. */
export async function measureHeap(
  execute: Execute,
  { chunks, executionsPerChunk, warmUpChunks }: HeapPlan,
): Promise<HeapPoint[]> {
  const gc = findGc();
  // Made before: a place for each as it comes would be 80 bytes of growth.
  const bytes = new Float64Array(chunks);
  for (let chunk = -warmUpChunks; chunk < chunks; chunk++) {
    await execute(executionsPerChunk);
    const read = await readHeapBytes(gc);
    if (chunk >= 0) bytes[chunk] = read;
  }
  return Array.from(bytes, (read, chunk) => [(chunk + 1) * executionsPerChunk, read]);
}
