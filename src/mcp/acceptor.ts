import type { JsonObject, JsonValue } from "../client/ports.ts";

/** Says whether a value matches a schema, and nothing about why not. */
export type Acceptor = (value: JsonValue) => boolean;

/**
 * Compiles a schema of common keywords, for a quick yes: most calls match, and the full check that
 * tells what is wrong costs ten times as much. All drafts agree on what is handled here.
 *
 * @returns `undefined` if the schema says anything else.
 */
export function compileAcceptor(schema: JsonValue | undefined): Acceptor | undefined {
  if (schema === true) return () => true;
  if (!isObject(schema)) return undefined;
  const acceptors: Acceptor[] = [];
  for (const [keyword, value] of Object.entries(schema)) {
    if (ANNOTATIONS.has(keyword)) continue;
    const compile = Object.hasOwn(KEYWORDS, keyword) ? KEYWORDS[keyword] : undefined;
    const acceptor = compile?.(value, schema);
    if (acceptor === undefined) return undefined;
    acceptors.push(acceptor);
  }
  return (value) => acceptors.every((accept) => accept(value));
}

const ANNOTATIONS: ReadonlySet<string> = new Set([
  ...["$schema", "$comment", "title", "description", "default", "examples", "deprecated"],
  ...["readOnly", "writeOnly", "x-mcp-header"],
]);

const TYPES: Readonly<Record<string, Acceptor>> = {
  null: (value) => value === null,
  boolean: (value) => typeof value === "boolean",
  number: (value) => typeof value === "number",
  integer: Number.isInteger,
  string: (value) => typeof value === "string",
  array: Array.isArray,
  object: isObject,
};

type Compile = (keyword: JsonValue, schema: JsonObject) => Acceptor | undefined;

const KEYWORDS: Readonly<Record<string, Compile>> = {
  type: (type) => typeof type === "string" && Object.hasOwn(TYPES, type) ? TYPES[type] : undefined,
  enum: (values) =>
    Array.isArray(values) && values.every(isPrimitive)
      ? (value) => values.includes(value)
      : undefined,
  const: (constant) => isPrimitive(constant) ? (value) => value === constant : undefined,
  minimum: (limit) =>
    typeof limit === "number" ? (value) => typeof value !== "number" || value >= limit : undefined,
  maximum: (limit) =>
    typeof limit === "number" ? (value) => typeof value !== "number" || value <= limit : undefined,
  required: (names) =>
    Array.isArray(names)
      ? (value) => !isObject(value) || names.every((name) => Object.hasOwn(value, name))
      : undefined,
  properties(properties) {
    if (!isObject(properties)) return undefined;
    const compiled: [string, Acceptor][] = [];
    for (const [name, schema] of Object.entries(properties)) {
      const accept = compileAcceptor(schema);
      if (accept === undefined) return undefined;
      compiled.push([name, accept]);
    }
    return (value) =>
      !isObject(value) || compiled.every(([name, accept]) => {
        const property = Object.hasOwn(value, name) ? value[name] : undefined;
        return property === undefined || accept(property);
      });
  },
  additionalProperties(allowed, { properties = {} }) {
    if (allowed === true) return () => true;
    if (allowed !== false || !isObject(properties)) return undefined;
    return (value) =>
      !isObject(value) || Object.keys(value).every((name) => Object.hasOwn(properties, name));
  },
  items(schema) {
    const accept = compileAcceptor(schema);
    return accept && ((value) => !Array.isArray(value) || value.every(accept));
  },
};

function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isPrimitive(value: JsonValue): boolean {
  return typeof value !== "object" || value === null;
}
