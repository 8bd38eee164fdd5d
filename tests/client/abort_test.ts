import { assertEquals, assertStrictEquals } from "@std/assert";
import { OwnController } from "../../src/client/abort.ts";

Deno.test("OwnController.abort() calls back whoever asked, once, after the signal", () => {
  const controller = new OwnController();
  const called: unknown[] = [];
  const undone = (): void => void called.push("undone");
  controller.addEventListener("abort", () => called.push(`first ${controller.aborted}`));
  controller.addEventListener("abort", undone);
  controller.addEventListener("abort", () => called.push("last"));
  controller.signal.addEventListener("abort", () => called.push("signal"));
  controller.removeEventListener("abort", undone);
  controller.removeEventListener("abort", undone);
  controller.abort("now");
  controller.abort("again");
  assertEquals(called, ["signal", "first true", "last"]);
  assertEquals([controller.reason, controller.signal.reason], ["now", "now"]);
});

Deno.test("OwnController.abort() calls back all, also if one undoes itself", () => {
  const controller = new OwnController();
  const called: string[] = [];
  const first = (): void => {
    called.push("first");
    controller.removeEventListener("abort", first);
  };
  controller.addEventListener("abort", first);
  controller.addEventListener("abort", () => called.push("second"));
  controller.abort("now");
  assertEquals(called, ["first", "second"]);
});

Deno.test("OwnController.signal is one signal, aborted with it or from the start", () => {
  const controller = new OwnController();
  const { signal } = controller;
  assertStrictEquals(controller.signal, signal);
  assertEquals([controller.aborted, signal.aborted], [false, false]);
  const reason = new Error("ended");
  controller.abort(reason);
  assertStrictEquals(signal.reason, reason);
  const late = new OwnController();
  late.abort(reason);
  assertStrictEquals(late.signal.reason, reason);
});
