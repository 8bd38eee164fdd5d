import { assertEquals } from "@std/assert";
import { Link, WaitList } from "../../src/resilience/wait_list.ts";

class Named extends Link {
  readonly name: string;

  constructor(name: string) {
    super();
    this.name = name;
  }
}

/** Takes all out, the first first; ends also where the list does not. */
function drain(list: WaitList<Named>): string {
  let order = "";
  for (let turn = 0; turn < 9 && list.first !== undefined; turn++) {
    order += list.first.name;
    list.remove(list.first);
  }
  return order;
}

function createList(names: string): [WaitList<Named>, Map<string, Named>] {
  const list = new WaitList<Named>();
  const all = new Map(Array.from(names, (name) => [name, new Named(name)]));
  for (const named of all.values()) list.add(named);
  return [list, all];
}

Deno.test("WaitList serves first come, first served", () => {
  const [list] = createList("abcd");
  assertEquals([list.size, list.first?.name], [4, "a"]);
  assertEquals(drain(list), "abcd");
  assertEquals([list.size, list.first], [0, undefined]);
});

Deno.test("WaitList lets anybody leave, first, last or between, and keeps the order of the rest", () => {
  for (const [leaves, rest] of [["a", "bcd"], ["b", "acd"], ["d", "abc"], ["bc", "ad"]]) {
    const [list, all] = createList("abcd");
    for (const name of leaves!) list.remove(all.get(name)!);
    assertEquals(list.size, rest!.length);
    list.add(new Named("e"));
    assertEquals(drain(list), `${rest}e`);
  }
});

Deno.test("WaitList takes nobody else out when a removal is repeated", () => {
  const [list, all] = createList("abc");
  for (const name of ["b", "b", "c", "b"]) list.remove(all.get(name)!);
  assertEquals([list.size, drain(list)], [1, "a"]);
});

Deno.test("WaitList takes one who has left again, at the end", () => {
  const [list, all] = createList("abc");
  list.remove(all.get("a")!);
  list.add(all.get("a")!);
  assertEquals([list.size, drain(list)], [3, "bca"]);
});

Deno.test("WaitList gives all in their order, also while the one at hand leaves", () => {
  const [list] = createList("abc");
  let seen = "";
  for (const named of list) {
    seen += named.name;
    list.remove(named);
  }
  assertEquals([seen, list.size], ["abc", 0]);
});
