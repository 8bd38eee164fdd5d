import { type OutputUnit, type SchemaDraft, Validator } from "@cfworker/json-schema";
import type { JsonObject, JsonValue } from "../client/ports.ts";
import type { ArgumentIssue } from "../errors/errors.ts";

/** Checks values against the schemas of a connection's tools; compiles each schema once. */
export interface SchemaChecker {
  /** Returns what is wrong; nothing if the value matches, or if the schema cannot be used here. */
  check(schema: JsonObject, value: JsonValue): readonly ArgumentIssue[];
}

/** The dialects that can be checked; without a declaration it is 2020-12. */
const DRAFTS: ReadonlyMap<string, SchemaDraft> = new Map([
  ["https://json-schema.org/draft/2020-12/schema", "2020-12"],
  ["https://json-schema.org/draft/2019-09/schema", "2019-09"],
  ["http://json-schema.org/draft-07/schema", "7"],
  ["http://json-schema.org/draft-06/schema", "7"],
]);

/** Creates a checker that forgets a schema with its tool. */
export function createSchemaChecker(): SchemaChecker {
  const compiled = new WeakMap<JsonObject, Validator | null>();
  return {
    check(schema, value) {
      let validator = compiled.get(schema);
      if (validator === undefined) compiled.set(schema, validator = compile(schema));
      if (validator === null) return [];
      try {
        return toIssues(validator.validate(value).errors);
      } catch {
        // A reference that leads nowhere, or in circles, shows only now. The server checks alone.
        return [];
      }
    },
  };
}

function compile(schema: JsonObject): Validator | null {
  const dialect = schema["$schema"];
  const draft = typeof dialect === "string" ? DRAFTS.get(dialect.replace(/#$/, "")) : "2020-12";
  if (draft === undefined) return null;
  try {
    // The library writes into the schema that it is given.
    return new Validator(structuredClone(schema), draft, false);
  } catch {
    return null;
  }
}

/** Keywords whose errors only say that a part of theirs has one. */
const CONTAINERS: ReadonlySet<string> = new Set([
  "$ref",
  "$recursiveRef",
  "additionalItems",
  "additionalProperties",
  "allOf",
  "anyOf",
  "dependentSchemas",
  "if",
  "items",
  "patternProperties",
  "prefixItems",
  "properties",
  "unevaluatedItems",
  "unevaluatedProperties",
]);

function toIssues(errors: readonly OutputUnit[]): readonly ArgumentIssue[] {
  const issues = new Map<string, ArgumentIssue>();
  const leaves = errors.filter(isLeaf);
  for (const error of leaves.length > 0 ? leaves : errors.slice(0, 1)) {
    const issue = toIssue(error);
    issues.set(`${issue.pointer}\n${issue.message}`, issue);
  }
  return [...issues.values()];
}

function isLeaf({ keyword, error }: OutputUnit): boolean {
  // Of "exactly one" the parts are to blame if none matches, else the keyword itself.
  return keyword === "oneOf" ? !error.includes("(0 matches)") : !CONTAINERS.has(keyword);
}

function toIssue({ keyword, error, instanceLocation }: OutputUnit): ArgumentIssue {
  const pointer = decodeURIComponent(instanceLocation.slice(1));
  const name = /"(.*)"/s.exec(error)?.[1] ?? "";
  if (keyword === "required") {
    return { pointer: `${pointer}/${escape(name)}`, message: "is required" };
  }
  return { pointer, message: MESSAGES[keyword]?.(error) ?? "does not match the schema" };
}

/**
 * What each keyword asks for, read from the library's text. Its texts hold values of the instance,
 * so only the part that comes from the schema is taken over.
 */
const MESSAGES: Readonly<Record<string, (text: string) => string>> = {
  false: () => "is not allowed",
  type: (text) => `must be ${quoted(/Expected (.*)\.$/s.exec(text)?.[1] ?? "")}`,
  enum: (text) => `must be one of ${/any of \[(.*)\]\.$/s.exec(text)?.[1] ?? ""}`,
  const: (text) => `must be ${/match (.*)\.$/s.exec(text)?.[1] ?? ""}`,
  minimum: (text) => `must be >= ${limit(text)}`,
  maximum: (text) => `must be <= ${limit(text)}`,
  exclusiveMinimum: (text) => `must be > ${limit(text)}`,
  exclusiveMaximum: (text) => `must be < ${limit(text)}`,
  multipleOf: (text) => `must be a multiple of ${limit(text)}`,
  minLength: (text) => `must have at least ${limit(text)} characters`,
  maxLength: (text) => `must have at most ${limit(text)} characters`,
  minItems: (text) => `must have at least ${limit(text)} items`,
  maxItems: (text) => `must have at most ${limit(text)} items`,
  minProperties: (text) => `must have at least ${limit(text)} properties`,
  maxProperties: (text) => `must have at most ${limit(text)} properties`,
  pattern: () => "must match the pattern",
  format: (text) => `must be a valid ${/"(.*)"/s.exec(text)?.[1] ?? "value"}`,
  uniqueItems: () => "must not hold an item twice",
  contains: () => "must hold a matching item",
  minContains: () => "holds too few matching items",
  maxContains: () => "holds too many matching items",
  not: () => "must not match",
  oneOf: () => "must match exactly one of the forms",
  propertyNames: () => "has a property whose name is not allowed",
  dependentRequired: () => "lacks a property that another one needs",
  dependencies: () => "lacks a property that another one needs",
};

function quoted(types: string): string {
  return types.replaceAll('"', "").replaceAll(", ", " or ");
}

/** The schema's number is the last one of the text. */
function limit(text: string): string {
  return /(-?\d[\d.e+-]*?)(?: \w+)?\)?\.$/.exec(text)?.[1] ?? "the limit";
}

function escape(name: string): string {
  return name.replaceAll("~", "~0").replaceAll("/", "~1");
}
