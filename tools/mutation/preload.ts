/**
 * Comes before the tests in an instrumented tree: says what covers what, ends endless loops, and lets
 * model tests draw the same cases each time, so that a mutant is killed every time or never.
 */
import process from "node:process";
import fc from "fast-check";

/** The state of the instrumented code, as StrykerJS names it. */
interface Instrumentation {
  currentTestId?: string;
  hitCount?: number;
  hitLimit?: number;
  readonly mutantCoverage?: { readonly perTest: Record<string, unknown> };
}

fc.configureGlobal({ seed: 1, endOnFailure: true });

const global: { __stryker__?: Instrumentation } = globalThis as never;
const state: Instrumentation = global.__stryker__ ??= {};

const hitLimit = Deno.env.get("MUTATION_HIT_LIMIT");
if (hitLimit !== undefined) [state.hitCount, state.hitLimit] = [0, Number(hitLimit)];

const coverageFile = Deno.env.get("MUTATION_COVERAGE_FILE");
if (coverageFile !== undefined) {
  state.currentTestId = "file";
  addEventListener("unload", () => {
    const { user, system } = process.cpuUsage();
    const computingMs = (user + system) / 1_000;
    const hits = state.mutantCoverage?.perTest["file"] ?? {};
    Deno.writeTextFileSync(coverageFile, JSON.stringify({ computingMs, hits }));
  });
}
