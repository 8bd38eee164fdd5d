/** 20,000 reports of one call, from a real server: all in order, none lost, none kept. */
import { assertEquals, assertLess } from "@std/assert";
import { AutoMCPClient } from "../../src/client/client.ts";
import { createMcpConnector } from "../../src/mcp/mod.ts";
import type { ProgressSnapshot } from "../../src/progress/events.ts";
import { Deadline } from "../../src/resilience/deadline.ts";
import { heapBytes, readAll } from "../progress/support.ts";
import { startDemo } from "../support/peers.ts";
import { attempt, limits, request } from "./support.ts";

const STEPS = 20_000;
const ARGS = { steps: STEPS, delayMs: 0 };
/** Far above what it takes, also on a machine that has more to do. */
const TIMEOUT_MS = 180_000;
/** How often the heap is looked at; each time costs a full collection. */
const LOOKS = 5;
/**
 * What the heap may grow by from one look to the next. Measured: 75 kB at most, mostly below 20. To keep
 * the 4,000 reports between two looks would cost above 100 bytes each.
 */
const GROWTH_BYTES = 300_000;
/** The most events that an execution keeps, and the one that stands for those that it dropped. */
const MAX_EVENTS = 257;

for (const era of ["auto", "legacy"] as const) {
  Deno.test(`Connection.execute() hands on ${STEPS} reports in order, in flat memory, ${era}`, async () => {
    await using peer = await startDemo();
    const connection = await createMcpConnector({ url: peer.url, era }).connect(limits());
    let steps = 0;
    const strange: unknown[] = [];
    const heaps: number[] = [];
    const { structuredContent } = await connection.execute(request("count", ARGS), {
      ...attempt(),
      deadline: Deadline.after(TIMEOUT_MS),
      onProgress({ progress, total, message }) {
        steps++;
        const expected = message === `Step ${steps} of ${STEPS}`;
        if (progress !== steps || total !== STEPS || !expected) strange.push(progress);
        if (steps % (STEPS / LOOKS) === 0) heaps.push(heapBytes());
      },
    });
    assertEquals([steps, strange, structuredContent], [STEPS, [], { counted: STEPS }]);
    assertFlat(heaps);
    await connection.close();
  });

  Deno.test(`Execution.progress gets the newest of ${STEPS} reports and the last one, ${era}`, async () => {
    await using peer = await startDemo();
    const connector = createMcpConnector({ url: peer.url, era });
    await using client = new AutoMCPClient("flood", {
      timeoutMs: TIMEOUT_MS,
      groups: { g: { connector } },
    });
    const execution = client.group("g").start("count", ARGS);
    const seen: ProgressSnapshot[] = [];
    const heaps: number[] = [];
    for await (const snapshot of execution.progress) {
      seen.push(snapshot);
      if (heaps.length < LOOKS) heaps.push(heapBytes());
    }
    const { status, elapsedMs } = await execution.response;
    assertEquals(status, "success");
    const last = seen.at(-1);
    assertEquals([last?.progress, last?.total, last?.fraction], [STEPS, STEPS, 1]);
    const unordered = seen.filter(({ seq, progress }, index) => {
      const before = seen[index - 1];
      return before !== undefined && (seq <= before.seq || progress <= before.progress);
    });
    assertEquals(unordered, []);
    // Ten a second, and one more at either end.
    assertLess(seen.length, elapsedMs / 100 + 3);
    const events = await readAll(execution.events);
    assertLess(events.length, MAX_EVENTS + 1);
    assertEquals(events.at(-1)?.type, "completed");
    assertFlat(heaps);
  });
}

function assertFlat(heaps: readonly number[]): void {
  // What is learnt once, as compiled code, is there by the first look.
  const growths = heaps.slice(2).map((heap, index) => heap - heaps[index + 1]!);
  assertLess(Math.max(...growths), GROWTH_BYTES);
}
