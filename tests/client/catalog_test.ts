import { assertEquals } from "@std/assert";
import { createClientError } from "../../src/errors/errors.ts";
import { settle } from "../support/fake_clock.ts";
import { data } from "../support/memory_connector.ts";
import { createFixture, rejection } from "./support.ts";

Deno.test("K13 unknown operation is refused before the send, from one list for all who ask", async () => {
  const { connector, group } = createFixture();
  const errors = await Promise.all(
    Array.from({ length: 20 }, () => rejection(group.execute("nope"))),
  );
  for (const { code, delivery } of errors) {
    assertEquals([code, delivery], ["operation_not_found", "not_sent"]);
  }
  assertEquals([connector.describes, connector.requests.length], [1, 0]);
});

Deno.test("createCatalog() asks again for an unknown name once the list is no longer fresh", async () => {
  const operations: Record<string, () => ReturnType<typeof data>> = { old: () => data({}) };
  const { clock, connector, group } = createFixture({ operations, ttlMs: 10_000 });
  await group.execute("old");
  operations["new"] = () => data({});
  assertEquals((await rejection(group.execute("new"))).code, "operation_not_found");
  await clock.advance(10_000);
  await group.execute("new");
  assertEquals(connector.describes, 2);
});

Deno.test("createCatalog() keeps a list for 5 s that its server calls stale at once", async () => {
  const { clock, connector, group } = createFixture({ ttlMs: 0 }, { trustAnnotations: true });
  await group.execute("add", {});
  await clock.advance(4_999);
  await group.execute("add", {});
  assertEquals(connector.describes, 1);
  await clock.advance(1);
  await group.execute("add", {});
  assertEquals(connector.describes, 2);
});

Deno.test("createCatalog() needs no fresh list where hints do not count", async () => {
  const { clock, connector, group } = createFixture({ ttlMs: 0 });
  await group.execute("add", {});
  await clock.advance(60_000);
  await group.execute("add", {});
  assertEquals(connector.describes, 1);
});

Deno.test("1.2 hints of a list that is no longer fresh do not count", async () => {
  let broken = false;
  const { clock, connector, group } = createFixture({
    ttlMs: 0,
    hints: { add: { readOnly: true } },
    onDescribe: () => {
      if (broken) throw createClientError("unavailable", "Injected");
    },
  }, { trustAnnotations: true });
  await group.execute("add", {});
  broken = true;
  await clock.advance(5_000);
  await group.execute("add", {});
  assertEquals(connector.requests.map(({ effect }) => effect), ["safe", "unsafe"]);
});

Deno.test("ClientGroup checks arguments before the send, again with a fresh list if they fail", async () => {
  let strict = true;
  const { clock, connector, group } = createFixture({
    ttlMs: 10_000,
    validate: (_, args) =>
      strict && !("a" in args) ? [{ pointer: "/a", message: "is required" }] : [],
  });
  const error = await rejection(group.execute("add", { b: 2 }));
  assertEquals([error.code, error.delivery, error.retryable, error.attempts], [
    "invalid_arguments",
    "not_sent",
    false,
    0,
  ]);
  assertEquals(error.issues, [{ pointer: "/a", message: "is required" }]);
  assertEquals([connector.describes, connector.requests.length], [1, 0]);
  await clock.advance(10_000);
  strict = false;
  await group.execute("add", { b: 2 });
  assertEquals(connector.requests.length, 1);
});

Deno.test("createCatalog() ends a list that nobody waits for any more, and starts anew for the next", async () => {
  let aborted = 0;
  let deaf = true;
  const { clock, connector, group } = createFixture({
    onDescribe: ({ signal }) => {
      if (!deaf) return;
      signal.addEventListener("abort", () => aborted++);
      return new Promise(() => {});
    },
  });
  const controllers = [new AbortController(), new AbortController()];
  const caught = controllers.map(({ signal }) => rejection(group.execute("add", {}, { signal })));
  await settle();
  controllers[0]!.abort();
  await settle();
  assertEquals(aborted, 0);
  controllers[1]!.abort();
  await settle();
  assertEquals([aborted, clock.timers], [1, 0]);
  await Promise.all(caught);
  deaf = false;
  await group.execute("add", {});
  assertEquals(connector.describes, 2);
});

/** A client whose server says when its operations have changed. */
function createChanging(options: Parameters<typeof createFixture>[0] = {}) {
  let tell: (() => void) | undefined;
  const fixture = createFixture({
    ...options,
    onConnect: ({ onOperationsChanged }) => void (tell = onOperationsChanged),
  });
  return { ...fixture, tell: () => tell?.() };
}

Deno.test("OperationCatalog.outdate() has the next caller, and only that one, load a new list", async () => {
  const operations: Record<string, () => ReturnType<typeof data>> = { old: () => data({}) };
  const { connector, group, tell } = createChanging({ operations });
  await group.execute("old");
  operations["new"] = () => data({});
  assertEquals((await rejection(group.execute("new"))).code, "operation_not_found");
  delete operations["old"];
  tell();
  tell();
  assertEquals(connector.describes, 1);
  await group.execute("new");
  const { code, delivery } = await rejection(group.execute("old"));
  assertEquals([code, delivery], ["operation_not_found", "not_sent"]);
  assertEquals((await group.describe()).operations.map(({ name }) => name), ["new"]);
  assertEquals(connector.describes, 2);
});

Deno.test("OperationCatalog.outdate() tells that a list on its way may be an old one", async () => {
  const { connector, group, tell } = createChanging({
    onDescribe: () => {
      if (connector.describes === 1) tell();
    },
  });
  await group.execute("add");
  assertEquals(connector.describes, 1);
  await group.execute("add");
  await group.execute("add");
  assertEquals(connector.describes, 2);
});

Deno.test("OperationCatalog.outdate() leaves the old list where no new one can be loaded", async () => {
  let broken = false;
  const { connector, group, tell } = createChanging({
    onDescribe: () => {
      if (broken) throw createClientError("unavailable", "Injected");
    },
  });
  await group.execute("add");
  broken = true;
  tell();
  await group.execute("add");
  await group.execute("add");
  assertEquals([connector.describes, connector.requests.length], [3, 3]);
  broken = false;
  await group.execute("add");
  await group.execute("add");
  assertEquals([connector.describes, connector.requests.length], [4, 5]);
});
