/** A variable that a text asks for and the environment lacks. */
export interface MissingVariable {
  /** Where the text is. */
  readonly path: readonly PropertyKey[];
  /** The variable. */
  readonly name: string;
}

/**
 * Fills `${NAME}` in every text of a JSON value from the environment. What the environment lacks is
 * left as it stands and reported.
 */
export function expandVariables(
  json: unknown,
  env: Readonly<Record<string, unknown>>,
): { value: unknown; missing: MissingVariable[] } {
  const missing: MissingVariable[] = [];
  const expand = (value: unknown, path: readonly PropertyKey[]): unknown => {
    if (typeof value === "string") {
      return value.replace(/\$\{([A-Za-z_]\w*)\}/g, (text, name: string) => {
        const filled = Object.hasOwn(env, name) ? env[name] : undefined;
        if (typeof filled === "string") return filled;
        missing.push({ path, name });
        return text;
      });
    }
    if (Array.isArray(value)) return value.map((part, index) => expand(part, [...path, index]));
    if (typeof value !== "object" || value === null) return value;
    return Object.fromEntries(
      Object.entries(value).map(([key, part]) => [key, expand(part, [...path, key])]),
    );
  };
  return { value: expand(json, []), missing };
}
