import { assertEquals } from "@std/assert";
import { WaitList } from "../../src/resilience/wait_list.ts";

/** Takes all out, the first first; ends also where the list does not. */
function drain(list: WaitList<string>, removals: ReadonlyMap<string, () => void>): string {
  let order = "";
  for (let turn = 0; turn < 9 && list.first !== undefined; turn++) {
    order += list.first;
    removals.get(list.first)!();
  }
  return order;
}

function createList(values: string): [WaitList<string>, Map<string, () => void>] {
  const list = new WaitList<string>();
  return [list, new Map(Array.from(values, (value) => [value, list.add(value)]))];
}

Deno.test("WaitList serves first come, first served", () => {
  const [list, removals] = createList("abcd");
  assertEquals([list.size, list.first], [4, "a"]);
  assertEquals(drain(list, removals), "abcd");
  assertEquals([list.size, list.first], [0, undefined]);
});

Deno.test("WaitList lets anybody leave, first, last or between, and keeps the order of the rest", () => {
  for (const [leaves, rest] of [["a", "bcd"], ["b", "acd"], ["d", "abc"], ["bc", "ad"]]) {
    const [list, removals] = createList("abcd");
    for (const value of leaves!) removals.get(value)!();
    assertEquals(list.size, rest!.length);
    removals.set("e", list.add("e"));
    assertEquals(drain(list, removals), `${rest}e`);
  }
});

Deno.test("WaitList takes nobody else out when a removal is repeated", () => {
  const [list, removals] = createList("abc");
  for (let times = 0; times < 2; times++) removals.get("b")!();
  assertEquals(list.size, 2);
  removals.get("c")!();
  // It stood beside "b": a repeated removal must not bring it back.
  removals.get("b")!();
  assertEquals([list.size, drain(list, removals)], [1, "a"]);
});
