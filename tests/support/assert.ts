/**
 * Stands in for `@std/assert` where its registry cannot be reached: the same names and signatures,
 * for the part that the tests use. Knows no runtime, so it runs in all of them.
 */
import { dequal } from "dequal";

/** What a failed assertion throws. */
export class AssertionError extends Error {
  override readonly name = "AssertionError";
}

// deno-lint-ignore no-explicit-any
type AnyClass<E extends Error> = abstract new (...args: any[]) => E;

function show(value: unknown): string {
  const seen = new Set<unknown>();
  const text = JSON.stringify(
    value,
    (_key, part) => {
      if (typeof part === "bigint") return `${part}n`;
      if (typeof part === "function") return `[function ${part.name}]`;
      if (part === undefined) return "[undefined]";
      if (typeof part === "number" && !Number.isFinite(part)) return String(part);
      if (part instanceof Error) return `${part.name}: ${part.message}`;
      if (part instanceof Map) return [...part];
      if (part instanceof Set) return [...part];
      if (typeof part === "object" && part !== null) {
        if (seen.has(part)) return "[seen before]";
        seen.add(part);
      }
      return part;
    },
    2,
  );
  return text ?? String(value);
}

function failWith(expectation: string, message: string | undefined): never {
  throw new AssertionError(message === undefined ? expectation : `${expectation}: ${message}`);
}

export function assert(expr: unknown, message?: string): asserts expr {
  if (!expr) failWith("Expected a truthy value", message);
}

export function assertFalse(expr: unknown, message?: string): asserts expr is false {
  if (expr) failWith("Expected a falsy value", message);
}

export function assertEquals<T>(actual: T, expected: T, message?: string): void {
  if (dequal(actual, expected)) return;
  failWith(`Values are not equal\nactual: ${show(actual)}\nexpected: ${show(expected)}`, message);
}

export function assertNotEquals<T>(actual: T, expected: T, message?: string): void {
  if (dequal(actual, expected)) failWith(`Expected another value than ${show(actual)}`, message);
}

export function assertStrictEquals<T>(
  actual: unknown,
  expected: T,
  message?: string,
): asserts actual is T {
  if (Object.is(actual, expected)) return;
  failWith(
    `Values are not the same\nactual: ${show(actual)}\nexpected: ${show(expected)}`,
    message,
  );
}

export function assertExists<T>(
  actual: T,
  message?: string,
): asserts actual is NonNullable<T> {
  if (actual === undefined || actual === null) failWith(`Expected a value: got ${actual}`, message);
}

export function assertInstanceOf<T extends abstract new (...args: never[]) => unknown>(
  actual: unknown,
  expectedType: T,
  message?: string,
): asserts actual is InstanceType<T> {
  if (actual instanceof expectedType) return;
  failWith(`Expected an instance of ${expectedType.name}: got ${show(actual)}`, message);
}

export function assertGreater<T>(actual: T, expected: T, message?: string): void {
  if (!(actual > expected)) failWith(`Expected ${show(actual)} > ${show(expected)}`, message);
}

export function assertGreaterOrEqual<T>(actual: T, expected: T, message?: string): void {
  if (!(actual >= expected)) failWith(`Expected ${show(actual)} >= ${show(expected)}`, message);
}

export function assertLess<T>(actual: T, expected: T, message?: string): void {
  if (!(actual < expected)) failWith(`Expected ${show(actual)} < ${show(expected)}`, message);
}

export function assertLessOrEqual<T>(actual: T, expected: T, message?: string): void {
  if (!(actual <= expected)) failWith(`Expected ${show(actual)} <= ${show(expected)}`, message);
}

export function assertStringIncludes(actual: string, expected: string, message?: string): void {
  if (!actual.includes(expected)) {
    failWith(`Expected ${show(actual)} to include ${show(expected)}`, message);
  }
}

export function assertMatch(actual: string, expected: RegExp, message?: string): void {
  if (!expected.test(actual)) failWith(`Expected ${show(actual)} to match ${expected}`, message);
}

export function fail(message?: string): never {
  failWith("Failed", message);
}

export function unreachable(message?: string): never {
  failWith("Unreachable", message);
}

function checkError<E extends Error>(
  error: unknown,
  ErrorClass: AnyClass<E> | undefined,
  msgIncludes: string | undefined,
  msg: string | undefined,
): void {
  if (ErrorClass === undefined) return;
  if (!(error instanceof ErrorClass)) {
    failWith(`Expected an error of ${ErrorClass.name}: got ${show(error)}`, msg);
  }
  if (msgIncludes !== undefined && !error.message.includes(msgIncludes)) {
    failWith(`Expected "${error.message}" to include "${msgIncludes}"`, msg);
  }
}

export function assertThrows<E extends Error = Error>(
  fn: () => unknown,
  ErrorClass?: AnyClass<E>,
  msgIncludes?: string,
  msg?: string,
): E {
  let error: unknown;
  try {
    fn();
  } catch (thrown) {
    checkError(error = thrown, ErrorClass, msgIncludes, msg);
    return error as E;
  }
  failWith("Expected the function to throw", msg);
}

export async function assertRejects<E extends Error = Error>(
  fn: () => PromiseLike<unknown>,
  ErrorClass?: AnyClass<E>,
  msgIncludes?: string,
  msg?: string,
): Promise<E> {
  let error: unknown;
  try {
    await fn();
  } catch (thrown) {
    checkError(error = thrown, ErrorClass, msgIncludes, msg);
    return error as E;
  }
  failWith("Expected the function to reject", msg);
}
