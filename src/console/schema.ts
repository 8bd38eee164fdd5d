import type { JsonObject, JsonValue } from "../client/ports.ts";
import type { ArgumentIssue } from "../errors/errors.ts";

/** How the value of a field is entered. */
export type FieldKind = "text" | "number" | "integer" | "boolean" | "choice" | "json";

/** One argument of an operation, as the form shows it. */
export interface Field {
  readonly name: string;
  readonly title: string;
  readonly description: string | undefined;
  readonly required: boolean;
  readonly kind: FieldKind;
  /** What the value must be, in a few words. */
  readonly hint: string;
  /** The values to choose from, for the kind `choice`. */
  readonly choices: readonly JsonValue[];
  /** What the control holds at first. */
  readonly initial: string;
}

/** What the controls hold, by the name of their field; `""` leaves the argument out. */
export type FormValues = Readonly<Record<string, string>>;

/** Arguments, or what is wrong with the form. */
export interface FormResult {
  readonly arguments: JsonObject;
  readonly issues: readonly ArgumentIssue[];
}

/** Reads the fields of a form from an operation's input schema, in the schema's order. */
export function toFields(schema: JsonObject): readonly Field[] {
  const { properties, required } = schema;
  const names = Array.isArray(required) ? required : [];
  return Object.entries(isObject(properties) ? properties : {}).map(([name, property]) =>
    toField(name, resolve(property, schema), names.includes(name))
  );
}

function toField(name: string, schema: JsonObject, required: boolean): Field {
  const choices = toChoices(schema, required);
  const kind = choices.length > 0 ? "choice" : toKind(schema);
  return {
    name,
    title: typeof schema.title === "string" ? schema.title : name,
    description: typeof schema.description === "string" ? schema.description : undefined,
    required,
    kind,
    hint: toHint(schema, kind),
    choices,
    initial: toInitial(schema, kind, choices),
  };
}

const MAX_REFERENCES = 10;

/** Follows local references, and the one branch that is left of "this or null". */
function resolve(schema: JsonValue | undefined, root: JsonObject, depth = 0): JsonObject {
  if (!isObject(schema) || depth > MAX_REFERENCES) return {};
  const { $ref, anyOf, oneOf, allOf, ...rest } = schema;
  const branches = [anyOf, oneOf, allOf].find(Array.isArray)
    ?.filter((branch: JsonValue) => !isObject(branch) || branch.type !== "null");
  const target = typeof $ref === "string"
    ? lookUp($ref, root)
    : branches?.length === 1 && branches[0];
  return target ? { ...resolve(target, root, depth + 1), ...rest } : schema;
}

function lookUp(reference: string, root: JsonObject): JsonValue | undefined {
  let value: JsonValue | undefined = root;
  for (const part of reference.replace(/^#\/?/, "").split("/")) {
    if (!isObject(value)) return undefined;
    value = value[part.replaceAll("~1", "/").replaceAll("~0", "~")];
  }
  return value;
}

function toKind({ type }: JsonObject): FieldKind {
  const types = (Array.isArray(type) ? type : [type]).filter((one) => one !== "null");
  const [only] = types.length === 1 ? types : [];
  if (only === "string") return "text";
  return only === "number" || only === "integer" || only === "boolean" ? only : "json";
}

/** A box that is not ticked means `false`; where that is not "nothing", there are two choices. */
function toChoices(schema: JsonObject, required: boolean): readonly JsonValue[] {
  if (Array.isArray(schema.enum)) return schema.enum;
  if (schema.const !== undefined) return [schema.const];
  const unset = toKind(schema) === "boolean" && !required && typeof schema.default !== "boolean";
  return unset ? [true, false] : [];
}

function toInitial(schema: JsonObject, kind: FieldKind, choices: readonly JsonValue[]): string {
  const { default: value, const: only } = schema;
  if (kind === "choice") {
    const wanted = JSON.stringify(only ?? value);
    const index = choices.findIndex((choice) => JSON.stringify(choice) === wanted);
    return index === -1 ? "" : String(index);
  }
  if (kind === "boolean") return String(value === true);
  if (value === undefined) return "";
  return kind === "text" && typeof value === "string" ? value : JSON.stringify(value, null, 2);
}

/** Beyond these the bounds are those of the number type, which nobody wants to read. */
const MAX_SHOWN = Number.MAX_SAFE_INTEGER;

function toHint(schema: JsonObject, kind: FieldKind): string {
  const { type, format, pattern, items } = schema;
  const name = kind === "choice"
    ? ""
    : kind === "json"
    ? [type ?? "any"].flat().join(" or ")
    : kind;
  const of = isObject(items) && typeof items.type === "string" ? ` of ${items.type}` : "";
  const parts = [name + of];
  if (typeof format === "string") parts.push(format);
  parts.push(toRange("", schema.minimum, schema.maximum));
  parts.push(toRange("length ", schema.minLength, schema.maxLength));
  parts.push(toRange("count ", schema.minItems, schema.maxItems));
  if (typeof schema.exclusiveMinimum === "number") parts.push(`> ${schema.exclusiveMinimum}`);
  if (typeof schema.exclusiveMaximum === "number") parts.push(`< ${schema.exclusiveMaximum}`);
  if (typeof pattern === "string") parts.push(`/${pattern}/`);
  return parts.filter((part) => part !== "").join(", ");
}

function toRange(name: string, low: unknown, high: unknown): string {
  const [min, max] = [low, high].map((bound) =>
    typeof bound === "number" && Math.abs(bound) < MAX_SHOWN
      ? bound.toLocaleString("en")
      : undefined
  );
  if (min !== undefined && max !== undefined) return `${name}${min} to ${max}`;
  if (min !== undefined) return `${name}≥ ${min}`;
  return max === undefined ? "" : `${name}≤ ${max}`;
}

/** What the controls of a form hold at first. */
export function initialValues(fields: readonly Field[]): FormValues {
  return Object.fromEntries(fields.map(({ name, initial }) => [name, initial]));
}

/** Reads the arguments from a form; whether they match the schema is for the endpoint to say. */
export function readForm(fields: readonly Field[], values: FormValues): FormResult {
  const args: Record<string, JsonValue> = {};
  const issues: ArgumentIssue[] = [];
  for (const field of fields) {
    const text = values[field.name] ?? "";
    if (text.trim() === "") {
      if (field.required) issues.push({ pointer: toPointer(field.name), message: "Needs a value" });
      continue;
    }
    const value = readValue(field, text);
    if (value instanceof Error) {
      issues.push({ pointer: toPointer(field.name), message: value.message });
    } else args[field.name] = value;
  }
  return { arguments: args, issues };
}

/** Reads all arguments from JSON text. */
export function readJson(text: string): FormResult {
  const value = parse(text.trim() === "" ? "{}" : text);
  if (value instanceof Error) {
    return { arguments: {}, issues: [{ pointer: "", message: value.message }] };
  }
  if (isObject(value)) return { arguments: value, issues: [] };
  return { arguments: {}, issues: [{ pointer: "", message: "Must be a JSON object" }] };
}

function readValue(field: Field, text: string): JsonValue | Error {
  switch (field.kind) {
    case "text":
      return text;
    case "boolean":
      return text === "true";
    case "choice":
      return field.choices[Number(text)] ?? null;
    case "integer":
      return /^[+-]?\d+$/.test(text.trim()) ? Number(text) : new Error("Must be a whole number");
    case "number": {
      const number = Number(text);
      return Number.isFinite(number) ? number : new Error("Must be a number");
    }
    case "json":
      return parse(text);
  }
}

function parse(text: string): JsonValue | Error {
  try {
    return JSON.parse(text);
  } catch (error) {
    return new Error(`Is not JSON: ${error instanceof Error ? error.message : error}`);
  }
}

/** The JSON pointer (RFC 6901) of an argument. */
export function toPointer(name: string): string {
  return `/${name.replaceAll("~", "~0").replaceAll("/", "~1")}`;
}

/** What is wrong with one argument; what lies deeper in it is named. */
export function issuesOf(issues: readonly ArgumentIssue[], name: string): readonly string[] {
  const own = toPointer(name);
  return issues
    .filter(({ pointer }) => pointer === own || pointer.startsWith(`${own}/`))
    .map(({ pointer, message }) =>
      pointer === own ? message : `${pointer.slice(own.length)}: ${message}`
    );
}

/** What is wrong, but with none of the fields. */
export function otherIssues(
  issues: readonly ArgumentIssue[],
  fields: readonly Field[],
): readonly string[] {
  return issues
    .filter((issue) => !fields.some(({ name }) => issuesOf([issue], name).length > 0))
    .map(({ pointer, message }) => pointer === "" ? message : `${pointer}: ${message}`);
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
