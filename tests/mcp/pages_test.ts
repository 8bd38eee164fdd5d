/** Lists that come in pages: of real servers, and of those that break the rules. */
import { createMcpHandler, Server } from "@modelcontextprotocol/server";
import { assertEquals, assertStrictEquals } from "@std/assert";
import type { JsonObject } from "../../src/client/ports.ts";
import { type ClientError, createClientError } from "../../src/errors/errors.ts";
import { createMcpConnector } from "../../src/mcp/mod.ts";
import { readPages } from "../../src/mcp/pages.ts";
import { attempt, failureOf, limits, request } from "./support.ts";

/** A server of the official SDK that shows its resources two at a time. */
function servePages(count: number): { url: string } & AsyncDisposable {
  const handler = createMcpHandler(() => {
    const info = { name: "pages", version: "1.0.0" };
    const server = new Server(info, { capabilities: { resources: {} } });
    server.setRequestHandler("resources/list", ({ params }) => {
      const start = Number(params?.cursor ?? 0);
      const numbers = [start, start + 1].filter((number) => number < count);
      return {
        resources: numbers.map((number) => ({ uri: `demo://${number}`, name: `${number}` })),
        ...(start + 2 < count && { nextCursor: `${start + 2}` }),
      };
    });
    return server;
  }, { legacy: "stateless" });
  const http = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    (incoming) => handler.fetch(incoming),
  );
  return {
    url: `http://127.0.0.1:${http.addr.port}/mcp`,
    async [Symbol.asyncDispose]() {
      await handler.close();
      await http.shutdown();
    },
  };
}

for (const era of ["auto", "legacy"] as const) {
  Deno.test(`resources/list gives all pages of a real server at once, ${era}`, async () => {
    for (
      const [count, args, seen, nextCursor] of [
        [5, {}, [0, 5], undefined],
        [5, { cursor: "4" }, [4, 5], undefined],
        [130, {}, [0, 128], "128"],
        [130, { cursor: "128" }, [128, 130], undefined],
      ] as const
    ) {
      await using server = servePages(count);
      const connection = await createMcpConnector({ url: server.url, era }).connect(limits());
      const { operations } = await connection.describe(limits());
      const operation = operations.find(({ name }) => name === "resources/list")!;
      const result = await connection.execute(request(operation, args), attempt());
      const data = result.structuredContent as { resources: { uri: string }[] } & JsonObject;
      const [from, to] = seen;
      assertEquals(
        data.resources.map(({ uri }) => uri),
        Array.from({ length: to - from }, (_, index) => `demo://${from + index}`),
      );
      assertEquals(data["nextCursor"], nextCursor);
      await connection.close();
    }
  });
}

/** Reads pages from a script; an error in it is thrown. */
async function read(...script: readonly (JsonObject | Error)[]) {
  const cursors: (string | undefined)[] = [];
  const ask = (cursor?: string): Promise<JsonObject> => {
    const page = script[Math.min(cursors.push(cursor), script.length) - 1]!;
    return page instanceof Error ? Promise.reject(page) : Promise.resolve(page);
  };
  const result = await readPages({ items: "items", effect: "safe", ask });
  return { result, cursors };
}

Deno.test("readPages() keeps what the first page says besides its items", async () => {
  const { result, cursors } = await read(
    { items: [1, 2], nextCursor: "a", about: "first" },
    { items: [], nextCursor: "b", about: "second" },
    { items: [3] },
  );
  assertEquals(result, { items: [1, 2, 3], about: "first" });
  assertEquals(cursors, [undefined, "a", "b"]);
});

Deno.test("readPages() is fresh no longer than any page, and public only if all are", async () => {
  const first = { items: [], ttlMs: 9, cacheScope: "public", nextCursor: "a" };
  const rows: readonly [second: JsonObject, third: JsonObject, expected: JsonObject][] = [
    [{}, { ttlMs: 7 }, { ttlMs: 7, cacheScope: "public" }],
    [{ ttlMs: 5 }, { cacheScope: "private" }, { ttlMs: 5, cacheScope: "private" }],
    [{ cacheScope: "private" }, {}, { ttlMs: 9, cacheScope: "private" }],
  ];
  for (const [second, third, expected] of rows) {
    const { nextCursor: _, ...last } = first;
    const { result } = await read(
      first,
      { ...first, nextCursor: "b", ...second },
      { ...last, ...third },
    );
    assertEquals(result, { items: [], ...expected });
  }
  const { result } = await read(first, { items: [] });
  assertEquals(result, { items: [], ttlMs: 0, cacheScope: "private" });
  assertEquals((await read({ items: [] })).result, { items: [] });
});

Deno.test("readPages() ends where a server does not look at the cursor", async () => {
  const { result, cursors } = await read({ items: [1], nextCursor: "a" });
  assertEquals([result, cursors], [{ items: [1] }, [undefined, "a"]]);
});

Deno.test("readPages() goes on where a cursor stands for a place on the server", async () => {
  const { result } = await read(
    { items: [1], nextCursor: "next" },
    { items: [2], nextCursor: "next" },
    { items: [3] },
  );
  assertEquals(result, { items: [1, 2, 3] });
});

Deno.test("readPages() reads 64 pages and says where to go on", async () => {
  let page = 0;
  const result = await readPages({
    items: "items",
    effect: "safe",
    ask: () => Promise.resolve({ items: [page], nextCursor: `${++page}` }),
  });
  assertEquals([result["items"], result["nextCursor"]], [[...Array(64).keys()], "64"]);
});

Deno.test("readPages() passes on what the first page fails with", async () => {
  const refused = createClientError("connection_refused", "no", { delivery: "not_sent" });
  assertStrictEquals(await failureOf(read(refused)), refused);
  const invalid = createClientError("invalid_arguments", "no");
  assertStrictEquals(await failureOf(read(invalid)), invalid);
});

Deno.test("readPages() does not call a list unsent of which a page has arrived", async () => {
  const first = { items: [1], nextCursor: "a" };
  for (
    const [code, delivery, expected] of [
      ["connection_refused", "not_sent", "unknown"],
      ["rate_limited", "not_executed", "unknown"],
      ["connection_lost", "unknown", "unknown"],
      ["invalid_result", "executed", "executed"],
    ] as const
  ) {
    const error: ClientError = await failureOf(
      read(first, createClientError(code, "no", { delivery, effect: "safe", retryAfterMs: 7 })),
    );
    assertEquals([error.code, error.delivery, error.retryAfterMs], [code, expected, 7]);
    assertEquals(error.retryable, expected === "unknown");
  }
  const reason = { why: "the user left" };
  const ask = (cursor?: string) => cursor ? Promise.reject(reason) : Promise.resolve(first);
  const left = readPages({ items: "items", effect: "safe", ask });
  assertStrictEquals(await left.catch((thrown) => thrown), reason);
});

Deno.test("readPages() lets a list be read anew of which the server refuses its own cursor", async () => {
  const refused = createClientError("invalid_arguments", "no");
  const error = await failureOf(read({ items: [1], nextCursor: "a" }, refused));
  assertEquals([error.code, error.retryable, error.cause], ["operation_failed", true, refused]);
});
