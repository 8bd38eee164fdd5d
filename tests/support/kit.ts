/**
 * A test kit that knows no runtime: contract modules are handed one, and the same suite runs in
 * Deno, Node, Bun, workerd and Chromium.
 */

/** What a contract module uses to name its tests. */
export interface Kit {
  /**
   * Adds a test.
   *
   * @param name The symbol and its behaviour, as in `"Deadline.after() refuses NaN"`; unique.
   * @param fn Fails by throwing or rejecting.
   */
  test(name: string, fn: () => void | Promise<void>): void;
}

/** The runtimes that run the contract suite. */
export type Runtime =
  | "deno"
  | "node22"
  | "node24"
  | "bun"
  | "workerd"
  | "workerd-bare"
  | "chromium";

/** A test that one runtime cannot pass, and why. */
export interface Skip {
  readonly runtime: Runtime;
  /** The whole name of the test. */
  readonly test: string;
  readonly reason: string;
}

/** Every skip of the contract suite: the map of what differs between the runtimes. */
export const SKIPS: readonly Skip[] = [];

/** How the tests of a run went. */
export interface Tally {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

const TEST_TIMEOUT_MS = 10_000;

/**
 * Runs contract modules one test after the other.
 *
 * @param modules Add their tests to the kit that they are given.
 * @param options.log Takes one line per failed or skipped test.
 * @param options.skips Tests to leave out here. One that names no test is a failure.
 * @returns How the tests went.
 */
export async function runKit(
  modules: readonly ((t: Kit) => void)[],
  options: { log: (line: string) => void; skips: readonly Skip[]; timeoutMs?: number },
): Promise<Tally> {
  const { log, skips, timeoutMs = TEST_TIMEOUT_MS } = options;
  const tests = new Map<string, () => void | Promise<void>>();
  let passed = 0, failed = 0, skipped = 0;
  const fail = (name: string, error: unknown): void => {
    failed++;
    log(`FAILED ${name}\n${error instanceof Error ? error.stack ?? error.message : error}`);
  };
  const kit: Kit = {
    test(name, fn) {
      if (tests.has(name)) fail(name, "Two tests have this name");
      tests.set(name, fn);
    },
  };
  for (const module of modules) module(kit);
  for (const { test } of skips) if (!tests.has(test)) fail(test, "Skipped, but no such test");
  for (const [name, fn] of tests) {
    const skip = skips.find(({ test }) => test === name);
    if (skip !== undefined) {
      skipped++;
      log(`skipped ${name}: ${skip.reason}`);
      continue;
    }
    try {
      await bounded(fn, timeoutMs);
      passed++;
    } catch (error) {
      fail(name, error);
    }
  }
  return { passed, failed, skipped };
}

/** A test that hangs must be named, not take the run with it. */
async function bounded(fn: () => void | Promise<void>, timeoutMs: number): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const timeout = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`Still running after ${timeoutMs} ms`)), timeoutMs);
  });
  try {
    await Promise.race([fn(), timeout]);
  } finally {
    clearTimeout(timer);
  }
}
