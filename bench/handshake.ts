/** How long what a server says of itself stays fresh: for every bench, longer than it runs. */
export const CACHE = { ttlMs: 3_600_000, cacheScope: "private" };

/** What a server with tools answers to who asks for it, in both eras, by method. */
export function createHandshake(name: string): Readonly<Record<string, unknown>> {
  const serverInfo = { name, version: "1.0.0" };
  const capabilities = { tools: {} };
  return {
    initialize: { protocolVersion: "2025-11-25", capabilities, serverInfo },
    "server/discover": {
      resultType: "complete",
      supportedVersions: ["2026-07-28"],
      capabilities,
      ...CACHE,
      _meta: { "io.modelcontextprotocol/serverInfo": serverInfo },
    },
  };
}
