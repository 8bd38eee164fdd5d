import { setImmediate } from "node:timers";
import { assertEquals } from "@std/assert";
import { countLeaks } from "../../bench/chaos/leaks.ts";

Deno.test("countLeaks finds the listeners that are left on signals that never abort", () => {
  const leaks = countLeaks();
  try {
    const [kept, aborted] = [new AbortController(), new AbortController()];
    const listener = () => {};
    const other = { handleEvent() {} };
    for (const { signal } of [kept, aborted]) {
      signal.addEventListener("abort", listener);
      signal.addEventListener("abort", listener);
      signal.addEventListener("abort", other, { once: true });
      signal.addEventListener("other", listener);
    }
    assertEquals(leaks.countListeners(), 4);
    aborted.abort();
    aborted.signal.addEventListener("abort", () => {});
    assertEquals(leaks.countListeners(), 2);
    kept.signal.removeEventListener("abort", listener);
    assertEquals(leaks.countListeners(), 1);
    kept.signal.removeEventListener("abort", other);
    assertEquals(leaks.countListeners(), 0);
  } finally {
    leaks.restore();
  }
});

Deno.test("countLeaks leaves listeners at work, and puts the runtime back", () => {
  const before = AbortSignal.prototype.addEventListener;
  const leaks = countLeaks();
  const controller = new AbortController();
  let calls = 0;
  controller.signal.addEventListener("abort", () => calls++, { once: true });
  controller.abort();
  leaks.restore();
  assertEquals(calls, 1);
  assertEquals(AbortSignal.prototype.addEventListener, before);
  assertEquals(Object.hasOwn(AbortSignal.prototype, "addEventListener"), false);
});

Deno.test("countLeaks counts rejections that nobody hears of", async () => {
  const leaks = countLeaks();
  try {
    Promise.reject(new Error("unheard"));
    Promise.reject(new Error("heard")).catch(() => {});
    await new Promise<void>((resolve) => void setImmediate(resolve));
    assertEquals(leaks.rejections, 1);
  } finally {
    leaks.restore();
  }
});
