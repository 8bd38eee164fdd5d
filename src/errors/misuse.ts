/** What a numeric option must be. */
export interface NumberRule {
  /** The smallest value allowed. */
  readonly min: number;
  /** Whether only whole numbers are allowed; `Infinity` counts as whole. */
  readonly integer?: boolean;
}

/**
 * Returns a numeric option if it keeps its rule. Refuses rather than repairs: 0 or NaN must not turn
 * into a default that nobody asked for.
 *
 * @throws {TypeError} If the value is no number.
 * @throws {RangeError} If the value is NaN, too small, or not whole.
 */
export function checkNumber(act: string, name: string, value: unknown, rule: NumberRule): number {
  const requirement = `${rule.integer ? "an integer" : "a number"} >= ${rule.min}`;
  const message = `Cannot ${act} as '${name}' must be ${requirement}: current value is ${
    String(value)
  }`;
  if (typeof value !== "number") throw new TypeError(message);
  const whole = rule.integer !== true || Number.isInteger(value) || value === Infinity;
  if (!(value >= rule.min) || !whole) throw new RangeError(message);
  return value;
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
