/**
 * A test runner for StrykerJS (its plugin interface, version 10) that judges each mutant by `deno
 * test`, in a process of its own. What StrykerJS calls a test is here a whole file of them. Runs in
 * Node.
 */
import { spawn } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { relative, resolve } from "node:path";
import process from "node:process";

/** Beside StrykerJS's own options: the test files of each file that is mutated. */
interface Options {
  readonly denoTests: Readonly<Record<string, readonly string[]>>;
}

interface MutantRunOptions {
  readonly activeMutant: { readonly id: string };
  readonly sandboxFileName: string;
  readonly testFilter?: readonly string[];
  readonly hitLimit?: number;
}

interface TestRun {
  readonly status: "passed" | "failed" | "timeout";
  readonly output: string;
}

/** What a run without a mutant tells of a test file. */
interface Reach {
  readonly computingMs: number;
  readonly hits: unknown;
}

/**
 * How long a test file may compute, beside what it computes without a mutant: that ends loops. Passed
 * time would not do: on a busy machine the same tests take longer, but do not compute longer.
 */
const LIMIT = { factor: 2, marginMs: 2_000 } as const;

/** The same for a run without a mutant. */
const MAX_DRY_RUN_MS = 120_000;

/** Lies in the copy of the repository, which all runners share; only one of them makes the dry run. */
const REACH_FILE = "mutation_reach.json";

export class DenoRunner {
  static readonly inject = ["options"] as const;
  readonly #tests: Options["denoTests"];
  #reach: Record<string, Reach> | undefined;

  constructor({ denoTests }: Options) {
    this.#tests = denoTests;
  }

  capabilities(): { reloadEnvironment: boolean } {
    return { reloadEnvironment: true };
  }

  /** Runs each test file without a mutant, and learns what it reaches and how long it computes. */
  async dryRun(): Promise<unknown> {
    const coverageFile = resolve("mutation_coverage.json");
    const reach: Record<string, Reach> = {};
    for (const file of new Set(Object.values(this.#tests).flat())) {
      const env = { MUTATION_COVERAGE_FILE: coverageFile };
      const { status, output } = await runTests(file, MAX_DRY_RUN_MS, env);
      if (status === "timeout") return { status, reason: file };
      if (status === "failed") return { status: "error", errorMessage: `${file}:\n${output}` };
      reach[file] = JSON.parse(await readFile(coverageFile, "utf8"));
    }
    await writeFile(REACH_FILE, JSON.stringify(reach));
    const tests = Object.entries(reach);
    return {
      status: "complete",
      tests: tests.map(([file, { computingMs }]) => (
        { id: file, name: file, status: 0, timeSpentMs: computingMs }
      )),
      mutantCoverage: {
        static: {},
        perTest: Object.fromEntries(tests.map(([file, { hits }]) => [file, hits])),
      },
    };
  }

  /** Runs those of the file's tests that reach the mutant, in their order, until one fails. */
  async mutantRun(options: MutantRunOptions): Promise<unknown> {
    const { activeMutant, sandboxFileName, testFilter, hitLimit } = options;
    const own = this.#tests[relative(process.cwd(), sandboxFileName)] ?? [];
    const files = own.filter((file) => testFilter?.includes(file) ?? true);
    this.#reach ??= JSON.parse(await readFile(REACH_FILE, "utf8")) as Record<string, Reach>;
    const env = {
      __STRYKER_ACTIVE_MUTANT__: activeMutant.id,
      ...(hitLimit !== undefined && { MUTATION_HIT_LIMIT: String(hitLimit) }),
    };
    for (const [index, file] of files.entries()) {
      const { computingMs } = this.#reach[file]!;
      const limitMs = LIMIT.factor * computingMs + LIMIT.marginMs;
      const { status, output } = await runTests(file, limitMs, env);
      const nrOfTests = index + 1;
      if (status === "timeout") return { status, reason: file };
      if (status === "passed") continue;
      return { status: "killed", killedBy: [file], nrOfTests, failureMessage: output };
    }
    return { status: "survived", nrOfTests: files.length };
  }
}

/** Runs a test file until a test fails, or until it has computed for too long. */
function runTests(
  file: string,
  maxComputingMs: number,
  env: Readonly<Record<string, string>>,
): Promise<TestRun> {
  const flags = ["test", "-A", "--no-check", "--fail-fast", "--preload=tools/mutation/preload.ts"];
  return new Promise((settle, reject) => {
    const limit = `${Math.ceil(maxComputingMs / 1_000)}`;
    const program = ["-c", 'ulimit -t "$0" && exec deno "$@"', limit, ...flags, file];
    const child = spawn("sh", program, {
      env: { ...process.env, NO_COLOR: "1", ...env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    let output = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream.on("data", (chunk) => output += chunk);
    }
    child.on("error", reject);
    child.on("close", (code, signal) => {
      const isLate = signal === "SIGKILL" || signal === "SIGXCPU";
      const status = isLate ? "timeout" : code === 0 ? "passed" : "failed";
      settle({ status, output });
    });
  });
}

export const strykerPlugins = [
  { kind: "TestRunner", name: "deno", injectableClass: DenoRunner },
] as const;

export const strykerValidationSchema = { properties: { denoTests: { type: "object" } } } as const;
