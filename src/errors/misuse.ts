/** What a numeric option must be. */
export interface NumberRule {
  /** The smallest value allowed, or with `above` the value that it must be greater than. */
  readonly min: number;
  /** Whether `min` itself is not allowed. */
  readonly above?: boolean;
  /** Whether only whole numbers are allowed; `Infinity` counts as whole. */
  readonly integer?: boolean;
}

/** A numeric option that has a value if nobody gives it one. */
export interface PresetNumberRule extends NumberRule {
  /** The value if nobody gives one. */
  readonly preset: number;
}

/** Says what is wrong with a value, and what would be right. */
export function misuse(act: string, what: string, requirement: string, value: unknown): string {
  return `Cannot ${act} as ${what} must be ${requirement}: current value is ${String(value)}`;
}

/**
 * Returns a numeric option if it keeps its rule. Refuses rather than repairs: 0 or NaN must not turn
 * into a default that nobody asked for.
 *
 * @throws {TypeError} If the value is no number.
 * @throws {RangeError} If the value is NaN, too small, or not whole.
 */
export function checkNumber(act: string, name: string, value: unknown, rule: NumberRule): number {
  const { min, above, integer } = rule;
  const kind = `${integer ? "an integer" : "a number"} ${above ? ">" : ">="} ${min}`;
  const message = misuse(act, `'${name}'`, kind, value);
  if (typeof value !== "number") throw new TypeError(message);
  const whole = !integer || Number.isInteger(value) || value === Infinity;
  if (!(above ? value > min : value >= min) || !whole) throw new RangeError(message);
  return value;
}

/**
 * Returns all numeric options of a kind, those that are not given with their presets.
 *
 * @throws {TypeError} If a value is no number.
 * @throws {RangeError} If a value breaks its rule.
 */
export function resolveNumbers<K extends string>(
  act: string,
  options: { readonly [name in NoInfer<K>]?: unknown },
  rules: Readonly<Record<K, PresetNumberRule>>,
): Record<K, number> {
  const numbers = {} as Record<K, number>;
  for (const name of Object.keys(rules) as K[]) {
    numbers[name] = checkNumber(act, name, options[name] ?? rules[name].preset, rules[name]);
  }
  return numbers;
}

/**
 * Returns a value if it is of the type that it must be; `null` is no object.
 *
 * @throws {TypeError} If it is of another.
 */
export function checkType<T>(
  act: string,
  what: string,
  value: T,
  type: "object" | "function" | "boolean" | "string",
): T {
  if (typeof value === type && value !== null && !Array.isArray(value)) return value;
  throw new TypeError(misuse(act, what, `${type === "object" ? "an" : "a"} ${type}`, value));
}

/**
 * Refuses options that nobody knows: a misspelt one would be a rule that is silently not applied.
 *
 * @throws {TypeError} With the nearest known name, if the options hold an unknown one.
 */
export function checkKeys(act: string, options: object, known: readonly string[]): void {
  for (const key of Object.keys(options)) {
    if (known.includes(key)) continue;
    const nearest = nearestName(key, known);
    const hint = nearest === undefined ? "" : `; did you mean '${nearest}'?`;
    throw new TypeError(`Cannot ${act} as '${key}' is no known option${hint}`);
  }
}

/** Returns the known name that takes the fewest edits, if it is near enough to be meant. */
export function nearestName(name: string, known: Iterable<string>): string | undefined {
  let nearest: string | undefined;
  let fewest = Math.max(2, Math.floor(name.length / 3)) + 1;
  for (const candidate of known) {
    const edits = countEdits(name.toLowerCase(), candidate.toLowerCase());
    if (edits < fewest) [nearest, fewest] = [candidate, edits];
  }
  return nearest;
}

/** The Levenshtein distance, one row at a time. */
function countEdits(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (let i = 1; i <= from.length; i++) {
    const next = [i];
    for (let j = 1; j <= to.length; j++) {
      const replaced = row[j - 1]! + (from[i - 1] === to[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, row[j]! + 1, next[j - 1]! + 1));
    }
    row = next;
  }
  return row[to.length]!;
}
