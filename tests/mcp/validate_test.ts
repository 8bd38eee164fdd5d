import { assert, assertEquals } from "@std/assert";
import type { JsonObject, JsonValue } from "../../src/client/ports.ts";
import { createSchemaChecker } from "../../src/mcp/validate.ts";

const PROPERTY = (schema: JsonObject): JsonObject => ({
  type: "object",
  properties: { a: schema },
});

/** Schema, value, and what is expected, as `pointer message`. */
const CASES: readonly [string, JsonObject, JsonValue, string[]][] = [
  ["a match", PROPERTY({ type: "number" }), { a: 1 }, []],
  ["required", { required: ["a", "b/~c"] }, {}, ["/a is required", "/b~1~0c is required"]],
  ["type", PROPERTY({ type: "number" }), { a: "secret" }, ["/a must be number"]],
  ["types", PROPERTY({ type: ["string", "null"] }), { a: 1 }, ["/a must be string or null"]],
  ["the whole", { type: "object" }, [1], [" must be object"]],
  ["enum", PROPERTY({ enum: ["x", 2] }), { a: "secret" }, ['/a must be one of "x",2']],
  ["const", PROPERTY({ const: "x" }), { a: "secret" }, ['/a must be "x"']],
  ["minimum", PROPERTY({ minimum: 5 }), { a: 4.75 }, ["/a must be >= 5"]],
  ["maximum", PROPERTY({ maximum: -1.5 }), { a: 4 }, ["/a must be <= -1.5"]],
  ["exclusiveMinimum", PROPERTY({ exclusiveMinimum: 5 }), { a: 5 }, ["/a must be > 5"]],
  ["exclusiveMaximum", PROPERTY({ exclusiveMaximum: 5 }), { a: 5 }, ["/a must be < 5"]],
  ["multipleOf", PROPERTY({ multipleOf: 3 }), { a: 7 }, ["/a must be a multiple of 3"]],
  ["minLength", PROPERTY({ minLength: 3 }), { a: "x" }, ["/a must have at least 3 characters"]],
  ["maxLength", PROPERTY({ maxLength: 3 }), { a: "secret" }, ["/a must have at most 3 characters"]],
  ["minItems", PROPERTY({ minItems: 2 }), { a: [] }, ["/a must have at least 2 items"]],
  ["maxItems", PROPERTY({ maxItems: 1 }), { a: [1, 2] }, ["/a must have at most 1 items"]],
  ["minProperties", { minProperties: 1 }, {}, [" must have at least 1 properties"]],
  ["pattern", PROPERTY({ pattern: "^x" }), { a: "secret" }, ["/a must match the pattern"]],
  ["format", PROPERTY({ format: "email" }), { a: "secret" }, ["/a must be a valid email"]],
  ["uniqueItems", PROPERTY({ uniqueItems: true }), { a: [1, 1] }, [
    "/a must not hold an item twice",
  ]],
  ["items", PROPERTY({ items: { type: "string" } }), { a: ["x", 7] }, ["/a/1 must be string"]],
  [
    "additionalProperties",
    { properties: { a: {} }, additionalProperties: false },
    { a: 1, "b c#": "secret" },
    ["/b c# is not allowed"],
  ],
  [
    "anyOf",
    PROPERTY({ anyOf: [{ type: "string" }, { type: "null" }] }),
    { a: 7 },
    ["/a must be string", "/a must be null"],
  ],
  [
    "oneOf, both",
    PROPERTY({ oneOf: [{ type: "number" }, { minimum: 1 }] }),
    { a: 7 },
    ["/a must match exactly one of the forms"],
  ],
  [
    "$ref, twice the same",
    { $defs: { n: { type: "number" } }, allOf: [{ $ref: "#/$defs/n" }, { $ref: "#/$defs/n" }] },
    "secret",
    [" must be number"],
  ],
  ["draft 7", { $schema: "http://json-schema.org/draft-07/schema#", required: ["a"] }, {}, [
    "/a is required",
  ]],
  ["an unknown dialect", { $schema: "https://example.com/schema", required: ["a"] }, {}, []],
  ["a reference to nowhere", { $ref: "https://example.com/schema" }, {}, []],
  ["a reference in circles", { $ref: "#" }, {}, []],
];

Deno.test("SchemaChecker.check() names the place and the rule, never the value", async (t) => {
  for (const [what, schema, value, expected] of CASES) {
    await t.step(what, () => {
      const before = structuredClone(schema);
      const issues = createSchemaChecker().check(schema, value);
      assertEquals(issues.map(({ pointer, message }) => `${pointer} ${message}`), expected);
      assert(!JSON.stringify(issues).includes("secret"));
      assertEquals(schema, before);
    });
  }
});
