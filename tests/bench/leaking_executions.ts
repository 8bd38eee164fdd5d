/** Measures few executions, through a connector that keeps as many bytes for each as it is told. */
import process from "node:process";
import { createConnector } from "../../bench/connector.ts";
import { createExecutions } from "../../bench/memory/executions.ts";
import { measureHeap } from "../../bench/memory/heap.ts";
import type { Connector } from "../../src/client/ports.ts";

const PLAN = { chunks: 20, executionsPerChunk: 1_000, warmUpChunks: 10 };
/** What it keeps at once: numbers of eight bytes each, and what an array of them has besides. */
const NUMBERS = 100;
const ARRAY_BYTES = NUMBERS * 8 + 32;

function createLeaking(bytesPerExecution: number): Connector {
  const connector = createConnector();
  const kept: number[][] = [];
  let owedBytes = 0;
  const leak = (): void => {
    owedBytes += bytesPerExecution;
    if (owedBytes < ARRAY_BYTES) return;
    owedBytes -= ARRAY_BYTES;
    kept.push(Array.from({ length: NUMBERS }, () => 0.5));
  };
  return {
    ...connector,
    async connect(options) {
      const connection = await connector.connect(options);
      return {
        ...connection,
        execute(request, options) {
          leak();
          return connection.execute(request, options);
        },
      };
    },
  };
}

const execute = createExecutions(createLeaking(Number(process.argv[2])));
console.log(JSON.stringify(await measureHeap(execute, PLAN)));
