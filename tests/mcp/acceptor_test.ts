import { assertEquals, assertGreater } from "@std/assert";
import { Validator } from "@cfworker/json-schema";
import fc from "fast-check";
import type { JsonObject, JsonValue } from "../../src/client/ports.ts";
import { compileAcceptor } from "../../src/mcp/acceptor.ts";

const primitive = fc.constantFrom<JsonValue>(null, true, false, 0, 1, 1.5, -2, "", "a", "b");
const name = fc.constantFrom("a", "b", "__proto__", "constructor");

function values(depth: number): fc.Arbitrary<JsonValue> {
  if (depth === 0) return primitive;
  const inner = values(depth - 1);
  return fc.oneof(
    primitive,
    fc.array(inner, { maxLength: 3 }),
    fc.dictionary(name, inner, { maxKeys: 3 }),
  );
}

function schemas(depth: number): fc.Arbitrary<JsonObject> {
  const limit = fc.integer({ min: -2, max: 2 });
  const keywords: Record<string, fc.Arbitrary<unknown>> = {
    type: fc.constantFrom("null", "boolean", "number", "integer", "string", "array", "object"),
    enum: fc.array(primitive, { minLength: 1, maxLength: 3 }),
    const: primitive,
    minimum: limit,
    maximum: limit,
    required: fc.uniqueArray(name, { maxLength: 2 }),
    additionalProperties: fc.boolean(),
    description: fc.constant("text"),
  };
  if (depth > 0) {
    keywords["properties"] = fc.dictionary(name, schemas(depth - 1), { maxKeys: 2 });
    keywords["items"] = fc.oneof(fc.constant(true), schemas(depth - 1));
  }
  const chosen = fc.subarray(Object.entries(keywords), { maxLength: 3 });
  return chosen.chain((some) => fc.record(Object.fromEntries(some)) as fc.Arbitrary<JsonObject>);
}

Deno.test("compileAcceptor() says what the full check says", () => {
  let accepted = 0;
  fc.assert(
    fc.property(schemas(2), values(3), (schema, value) => {
      const accepts = compileAcceptor(schema)?.(value);
      accepted += accepts ? 1 : 0;
      const { valid } = new Validator(structuredClone(schema), "2020-12", false).validate(value);
      assertEquals(accepts, valid);
    }),
    { numRuns: 3_000, seed: 1 },
  );
  assertGreater(accepted, 300);
});

Deno.test("compileAcceptor() leaves every other schema to the full check", () => {
  const schemas: JsonValue[] = [
    false,
    { $ref: "#" },
    { type: ["string", "null"] },
    { type: "text" },
    { enum: [{}] },
    { const: [] },
    { items: [{}] },
    { additionalProperties: {} },
    { properties: { a: { pattern: "x" } } },
    { anyOf: [{}] },
    { format: "uri" },
    { toString: 1 },
  ];
  for (const schema of schemas) assertEquals(compileAcceptor(schema), undefined);
});
