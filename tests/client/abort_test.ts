import { assertEquals } from "@std/assert";
import { OwnController } from "../../src/client/abort.ts";

Deno.test("OwnController.abort() calls back whoever asked, once, after the signal", () => {
  const controller = new OwnController();
  const called: unknown[] = [];
  const undone = (): void => void called.push("undone");
  controller.add(() => called.push(`first ${controller.signal.aborted}`));
  controller.add(undone);
  controller.add(() => called.push("last"));
  controller.signal.addEventListener("abort", () => called.push("signal"));
  controller.delete(undone);
  controller.delete(undone);
  controller.abort("now");
  controller.abort("again");
  assertEquals(called, ["signal", "first true", "last"]);
  assertEquals(controller.signal.reason, "now");
});

Deno.test("OwnController.abort() calls back all, also if one undoes itself", () => {
  const controller = new OwnController();
  const called: string[] = [];
  const first = (): void => {
    called.push("first");
    controller.delete(first);
  };
  controller.add(first);
  controller.add(() => called.push("second"));
  controller.abort();
  assertEquals(called, ["first", "second"]);
});

Deno.test("OwnController.add() calls back at once where it is aborted already", () => {
  const controller = new OwnController();
  controller.abort();
  let calls = 0;
  controller.add(() => calls++);
  assertEquals(calls, 1);
});
