import { assertEquals, assertStrictEquals } from "@std/assert";
import { notify } from "../../src/errors/notify.ts";

Deno.test("notify() calls the listener with its arguments, and takes none", () => {
  const calls: unknown[] = [];
  notify((...args: unknown[]) => void calls.push(args), 1, "two");
  notify(undefined, 1);
  assertEquals(calls, [[1, "two"]]);
});

Deno.test("notify() neither throws nor swallows what a listener throws", async () => {
  const error = new Error("of the listener");
  const reported = new Promise<unknown>((resolve) => {
    globalThis.addEventListener("error", (event) => {
      event.preventDefault();
      resolve(event.error);
    }, { once: true });
  });
  notify(() => {
    throw error;
  });
  assertStrictEquals(await reported, error);
});
