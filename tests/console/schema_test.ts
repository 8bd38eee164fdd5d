import { assertEquals } from "@std/assert";
import {
  initialValues,
  issuesOf,
  otherIssues,
  readForm,
  readJson,
  toFields,
} from "../../src/console/schema.ts";

const SCHEMA = {
  type: "object",
  properties: {
    text: { type: "string", title: "Text", description: "Any text", minLength: 1, maxLength: 9 },
    count: { type: "integer", minimum: 0, maximum: 9_007_199_254_740_991, default: 3 },
    ratio: { type: ["number", "null"], exclusiveMinimum: 0 },
    on: { type: "boolean" },
    off: { type: "boolean", default: false },
    unit: { enum: ["s", 1, null], default: 1 },
    mode: { const: "fast" },
    tags: { type: "array", items: { type: "string" }, default: ["a"] },
    nested: { $ref: "#/$defs/point" },
    maybe: { anyOf: [{ type: "string", format: "date" }, { type: "null" }], description: "When" },
    any: {},
  },
  required: ["text", "ratio", "nested"],
  $defs: { point: { type: "object", title: "Point" } },
} as const;

Deno.test("toFields() gives every property a control, its marks and a hint", () => {
  const fields = toFields(SCHEMA);
  const shown = fields.map(({ name, kind, hint, required, initial }) =>
    [name, kind, hint, required, initial] as const
  );
  assertEquals(shown, [
    ["text", "text", "text, length 1 to 9", true, ""],
    ["count", "integer", "integer, ≥ 0", false, "3"],
    ["ratio", "number", "number, > 0", true, ""],
    ["on", "choice", "", false, ""],
    ["off", "boolean", "boolean", false, "false"],
    ["unit", "choice", "", false, "1"],
    ["mode", "choice", "", false, "0"],
    ["tags", "json", "array of string", false, '[\n  "a"\n]'],
    ["nested", "json", "object", true, ""],
    ["maybe", "text", "text, date", false, ""],
    ["any", "json", "any", false, ""],
  ]);
  const [text, , , , , , , , nested, maybe] = fields;
  assertEquals(
    [text?.title, text?.description, nested?.title, maybe?.title, maybe?.description],
    ["Text", "Any text", "Point", "maybe", "When"],
  );
});

Deno.test("toFields() survives schemas that are none", () => {
  assertEquals(toFields({}), []);
  assertEquals(toFields({ properties: [1] }), []);
  const circular = { properties: { a: { $ref: "#/properties/a" }, b: true, c: { $ref: "x" } } };
  assertEquals(toFields(circular).map(({ kind }) => kind), ["json", "json", "json"]);
});

Deno.test("readForm() reads each kind, and leaves out what is empty", () => {
  const fields = toFields(SCHEMA);
  const values = {
    ...initialValues(fields),
    text: " a ",
    ratio: "-1.5e3",
    on: "1",
    unit: "2",
    nested: '{"x": [1]}',
    any: "null",
  };
  assertEquals(readForm(fields, values), {
    arguments: {
      text: " a ",
      count: 3,
      ratio: -1_500,
      on: false,
      off: false,
      unit: null,
      mode: "fast",
      tags: ["a"],
      nested: { x: [1] },
      any: null,
    },
    issues: [],
  });
});

Deno.test("readForm() tells what cannot be read, by JSON pointer", () => {
  const fields = toFields({
    properties: { "a/b": { type: "integer" }, "c~": { type: "number" }, d: {}, e: {} },
    required: ["e"],
  });
  const { arguments: args, issues } = readForm(fields, { "a/b": "1.5", "c~": "x", d: "{" });
  assertEquals(args, {});
  assertEquals(issues.map(({ pointer }) => pointer), ["/a~1b", "/c~0", "/d", "/e"]);
  assertEquals(issues.map(({ message }) => message.slice(0, 11)), [
    "Must be a w",
    "Must be a n",
    "Is not JSON",
    "Needs a val",
  ]);
});

Deno.test("readJson() takes an object and nothing else", () => {
  assertEquals(readJson(' {"a": 1}'), { arguments: { a: 1 }, issues: [] });
  assertEquals(readJson(" "), { arguments: {}, issues: [] });
  assertEquals(readJson("[1]").issues, [{ pointer: "", message: "Must be a JSON object" }]);
  assertEquals(readJson("{").issues.length, 1);
});

Deno.test("issuesOf() and otherIssues() share the issues out, none twice, none lost", () => {
  const fields = toFields({ properties: { a: {}, "a/b": {} } });
  const issues = [
    { pointer: "/a", message: "one" },
    { pointer: "/a/0/x", message: "two" },
    { pointer: "/a~1b", message: "three" },
    { pointer: "/ab", message: "four" },
    { pointer: "", message: "five" },
  ];
  assertEquals(issuesOf(issues, "a"), ["one", "/0/x: two"]);
  assertEquals(issuesOf(issues, "a/b"), ["three"]);
  assertEquals(otherIssues(issues, fields), ["/ab: four", "five"]);
});
