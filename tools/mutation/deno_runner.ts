/**
 * A test runner for StrykerJS (its plugin interface, version 10) that judges each mutant by `deno
 * test`, in a process of its own. What StrykerJS calls a test is here a whole file of them. Runs in
 * Node.
 */
import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import process from "node:process";

/** Beside StrykerJS's own options: the test files of each file that is mutated. */
interface Options {
  readonly denoTests: Readonly<Record<string, readonly string[]>>;
}

interface MutantRunOptions {
  readonly timeout: number;
  readonly activeMutant: { readonly id: string };
  readonly sandboxFileName: string;
  readonly testFilter?: readonly string[];
  readonly hitLimit?: number;
}

interface TestRun {
  readonly status: "passed" | "failed" | "timeout";
  readonly output: string;
}

/**
 * The share of StrykerJS's time limit that a process may compute for. It is that which ends loops: on
 * a busy machine the same tests take longer, but do not compute longer. StrykerJS's own limit would
 * end the runner and leave the process behind.
 */
const COMPUTING_RATIO = 1 / 20;

export class DenoRunner {
  static readonly inject = ["options"] as const;
  readonly #tests: Options["denoTests"];

  constructor({ denoTests }: Options) {
    this.#tests = denoTests;
  }

  capabilities(): { reloadEnvironment: boolean } {
    return { reloadEnvironment: true };
  }

  /** Runs each test file alone, without a mutant, and learns what it reaches and how long it computes. */
  async dryRun({ timeout }: { readonly timeout: number }): Promise<unknown> {
    const folder = await mkdtemp(join(tmpdir(), "mutation-"));
    const coverageFile = join(folder, "coverage.json");
    const runs: { file: string; computingMs: number; hits: unknown }[] = [];
    try {
      for (const file of new Set(Object.values(this.#tests).flat())) {
        const env = { MUTATION_COVERAGE_FILE: coverageFile };
        const { status, output } = await runTests([file], timeout, env);
        if (status === "timeout") return { status, reason: file };
        if (status === "failed") return { status: "error", errorMessage: `${file}:\n${output}` };
        runs.push({ file, ...JSON.parse(await readFile(coverageFile, "utf8")) });
      }
    } finally {
      await rm(folder, { recursive: true });
    }
    return {
      status: "complete",
      tests: runs.map(({ file, computingMs }) => (
        { id: file, name: file, status: 0, timeSpentMs: computingMs }
      )),
      mutantCoverage: {
        static: {},
        perTest: Object.fromEntries(runs.map(({ file, hits }) => [file, hits])),
      },
    };
  }

  /** Runs those of the file's tests that reach the mutant, in their order, until one fails. */
  async mutantRun(options: MutantRunOptions): Promise<unknown> {
    const { activeMutant, sandboxFileName, testFilter, hitLimit, timeout } = options;
    const own = this.#tests[relative(process.cwd(), sandboxFileName)] ?? [];
    const files = own.filter((file) => testFilter?.includes(file) ?? true);
    const nrOfTests = files.length;
    if (nrOfTests === 0) return { status: "survived", nrOfTests };
    const { status, output } = await runTests(files, timeout * COMPUTING_RATIO, {
      __STRYKER_ACTIVE_MUTANT__: activeMutant.id,
      ...(hitLimit !== undefined && { MUTATION_HIT_LIMIT: String(hitLimit) }),
    });
    if (status === "timeout") return { status };
    if (status === "passed") return { status: "survived", nrOfTests };
    const killedBy = files.filter((file) => output.includes(` => ./${file}:`));
    return { status: "killed", killedBy, nrOfTests, failureMessage: output };
  }
}

/** Runs test files in order until a test fails, or until they have computed for too long. */
function runTests(
  files: readonly string[],
  maxComputingMs: number,
  env: Readonly<Record<string, string>>,
): Promise<TestRun> {
  const flags = ["test", "-A", "--no-check", "--fail-fast", "--preload=tools/mutation/preload.ts"];
  return new Promise((resolve, reject) => {
    const limit = `${Math.ceil(maxComputingMs / 1_000)}`;
    const program = ["-c", 'ulimit -t "$0" && exec deno "$@"', limit, ...flags, ...files];
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
      resolve({ status, output });
    });
  });
}

export const strykerPlugins = [
  { kind: "TestRunner", name: "deno", injectableClass: DenoRunner },
] as const;

export const strykerValidationSchema = { properties: { denoTests: { type: "object" } } } as const;
