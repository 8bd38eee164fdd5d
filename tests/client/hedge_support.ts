import { data, type MemoryOperation } from "../support/memory_connector.ts";
import { createFixture } from "./support.ts";

/** How long an operation usually takes: its p50 and its p95. */
export const USUAL_MS = 100;

/** A client whose operation takes 100 ms, and how it behaves when it is asked to be slow. */
export function createHedging(
  group: Parameters<typeof createFixture>[1] = {},
  effect: "safe" | "idempotent" | "unsafe" = "safe",
) {
  let slow: MemoryOperation | undefined;
  const usual: MemoryOperation = async (_, { signal }) => {
    await fixture.clock.sleep(USUAL_MS, signal);
    return data({ usual: true });
  };
  const fixture = createFixture({
    operations: { read: (request, options) => (slow ?? usual)(request, options), other: usual },
  }, { hedge: true, ...group, operations: { read: { effect } } });
  const { clock, connector, events } = fixture;
  return {
    ...fixture,
    /** Lets it succeed so often in its usual time. */
    async teach(times: number) {
      for (let i = 0; i < times; i++) {
        const done = fixture.group.execute("read");
        await clock.advance(USUAL_MS);
        await done;
      }
      connector.requests.length = events.length = 0;
    },
    /** From now on it does something else. */
    becomes: (operation: MemoryOperation) => slow = operation,
    typesOf: () => events.map(({ type }) => type),
    hedges: () => events.filter(({ type }) => type === "hedge.sent").length,
  };
}
