/** A connector to nothing: what it costs is nothing beside what calls it. */
import type { Connection, ConnectionResult, Connector } from "../src/client/ports.ts";

/** The operation that answers at once. */
export const ANSWER = "answer";
/** The operation that never answers. */
export const HANG = "hang";

const RESULT: ConnectionResult = { status: "success", content: [] };

/** Returns the connector; its list stays fresh. */
export function createConnector(): Connector {
  const names = [ANSWER, HANG];
  // As a real connection does: what nobody could settle any more, the runtime would let go of.
  const hanging: unknown[] = [];
  const hang = (): Promise<never> => new Promise((resolve) => void hanging.push(resolve));
  const connect = (): Promise<Connection> =>
    Promise.resolve({
      era: "modern",
      server: { name: "nothing", version: "1.0.0" },
      maxConcurrency: Infinity,
      stateful: false,
      closed: new AbortController().signal,
      describe: () =>
        Promise.resolve({
          operations: names.map((name) => ({
            name,
            kind: "tool",
            inputSchema: { type: "object" },
            hints: {},
          })),
          ttlMs: Infinity,
        }),
      execute: ({ operation: { name } }) => name === HANG ? hang() : Promise.resolve(RESULT),
      check: () => Promise.resolve(),
      close: () => Promise.resolve(),
    });
  return { name: "nothing", connect };
}
