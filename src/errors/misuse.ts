import { notifier } from "./notify.ts";

/** What a value must be. A rule that says nothing allows everything. */
export interface ValueRule {
  /** The smallest number allowed, or with `above` the one that it must be greater than. */
  readonly min?: number;
  /** Whether `min` itself is not allowed. */
  readonly above?: boolean;
  /** The largest number allowed, beside `min`. */
  readonly max?: number;
  /** Whether only whole numbers are allowed; `Infinity` counts as whole. */
  readonly integer?: boolean;
  /** The only values allowed. */
  readonly oneOf?: readonly unknown[];
  /** The type; `null` and lists are no objects, and a list is one of strings. */
  readonly type?: "object" | "function" | "boolean" | "string" | "list";
}

/** What an option must be, and what it is if nobody says. */
export interface OptionRule extends ValueRule {
  /** The value of an option that is not given. */
  readonly preset?: unknown;
  /** Whether it must be given. */
  readonly required?: boolean;
  /** Whether it is a function of the user whose throw must not break us. */
  readonly listener?: boolean;
}

/** The rule of each option: an option without a rule does not compile. */
export type OptionRules<T> = { readonly [K in keyof T]-?: OptionRule };

/**
 * Returns a value if it keeps its rule. Refuses rather than repairs: 0 or NaN must not turn into a
 * default that nobody asked for.
 *
 * @throws {TypeError} If the value is of the wrong type, or none of the few allowed.
 * @throws {RangeError} If a number is NaN, too small, or not whole.
 */
export function checkValue<T>(act: string, what: string, value: T, rule: ValueRule): T {
  const requirement = brokenRequirement(value, rule);
  if (requirement === undefined) return value;
  const message = misuse(act, what, requirement, value);
  throw typeof value === "number" && rule.min !== undefined
    ? new RangeError(message)
    : new TypeError(message);
}

function brokenRequirement(value: unknown, rule: ValueRule): string | undefined {
  const { min, above, max = Infinity, integer, oneOf, type } = rule;
  if (min !== undefined) {
    const inRange = typeof value === "number" && (above ? value > min : value >= min);
    const whole = !integer || Number.isInteger(value) || value === Infinity;
    if (inRange && whole && value <= max) return undefined;
    const upTo = max === Infinity ? "" : ` and <= ${max}`;
    return `${integer ? "an integer" : "a number"} ${above ? ">" : ">="} ${min}${upTo}`;
  }
  if (oneOf !== undefined) {
    return oneOf.includes(value) ? undefined : `'${oneOf.join("' or '")}'`;
  }
  if (type === undefined) return undefined;
  if (Array.isArray(value) && type === "list" && value.every((one) => typeof one === "string")) {
    return undefined;
  }
  const ofType = typeof value === type && value !== null && !Array.isArray(value);
  return ofType ? undefined : `${type === "object" ? "an" : "a"} ${type}`;
}

/** Says what is wrong with a value, and what would be right. */
export function misuse(act: string, what: string, requirement: string, value: unknown): string {
  return `Cannot ${act} as ${what} must be ${requirement}: current value is ${String(value)}`;
}

/**
 * Checks the options that are given. One that nobody knows is refused: a misspelt one would be a rule
 * that is silently not applied.
 *
 * @throws {TypeError} If an option is unknown, with the nearest known name, or of the wrong type.
 * @throws {RangeError} If a number is out of its range.
 */
export function checkOptions<T extends object>(
  act: string,
  options: T,
  rules: OptionRules<T>,
): void {
  checkValue(act, "its options", options, { type: "object" });
  for (const name of Object.keys(options) as (keyof T & string)[]) {
    if (!Object.hasOwn(rules, name)) {
      const hint = didYouMean(name, Object.keys(rules));
      throw new TypeError(`Cannot ${act} as '${name}' is no known option${hint}`);
    }
    const value = options[name];
    if (value !== undefined) checkValue(act, `'${name}'`, value, rules[name]);
  }
}

/** Returns options with those of each layer over the ones before, as far as they are given. */
export function overlay<T extends object>(base: T, ...layers: readonly Partial<T>[]): T {
  const merged = { ...base };
  for (const layer of layers) {
    for (const name in layer) {
      if (layer[name] !== undefined) merged[name] = layer[name];
    }
  }
  return merged;
}

/**
 * Checks the options that are given and fills in what they leave out.
 *
 * @throws As {@linkcode checkOptions} does.
 */
export function resolveOptions<R, T extends object>(
  act: string,
  options: T,
  rules: OptionRules<T>,
): R {
  checkOptions(act, options, rules);
  const resolved: Record<string, unknown> = {};
  for (const name in rules) {
    const rule = rules[name];
    const value = options[name] ?? rule.preset;
    if (rule.required) checkValue(act, `'${name}'`, value, rule);
    resolved[name] = rule.listener ? notifier(value as () => void) : value;
  }
  return resolved as R;
}

/**
 * Returns a number if it keeps its rule.
 *
 * @throws As {@linkcode checkValue} does.
 */
export function checkNumber(act: string, name: string, value: unknown, rule: ValueRule): number {
  return checkValue(act, `'${name}'`, value as number, rule);
}

/** Asks whether the known name that is most like a wrong one was meant, if it may have been. */
export function didYouMean(name: string, known: Iterable<string>): string {
  const traits = traitsOf(name);
  let question = "";
  let most = MIN_LIKENESS;
  for (const candidate of known) {
    const others = traitsOf(candidate);
    const likeness = 2 * traits.intersection(others).size / (traits.size + others.size);
    if (likeness > most) [question, most] = [`; did you mean '${candidate}'?`, likeness];
  }
  return question;
}

/** The share of traits (Dice coefficient) above which a name was probably meant. */
const MIN_LIKENESS = 0.6;

/** The letters of a name, each alone and with its neighbour: typos keep most of both. */
function traitsOf(name: string): Set<string> {
  const letters = [...name.toLowerCase()];
  return new Set(letters.flatMap((letter, index) => [letter, letter + letters[index + 1]]));
}
