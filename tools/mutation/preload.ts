/** Comes before the tests in an instrumented tree: says what covers what, and ends endless loops. */

/** The state of the instrumented code, as StrykerJS names it. */
interface Instrumentation {
  currentTestId?: string;
  hitCount?: number;
  hitLimit?: number;
  readonly mutantCoverage?: { readonly perTest: Record<string, unknown> };
}

const global: { __stryker__?: Instrumentation } = globalThis as never;
const state: Instrumentation = global.__stryker__ ??= {};

const hitLimit = Deno.env.get("MUTATION_HIT_LIMIT");
if (hitLimit !== undefined) [state.hitCount, state.hitLimit] = [0, Number(hitLimit)];

const coverageFile = Deno.env.get("MUTATION_COVERAGE_FILE");
if (coverageFile !== undefined) {
  state.currentTestId = "file";
  addEventListener("unload", () => {
    Deno.writeTextFileSync(
      coverageFile,
      JSON.stringify(state.mutantCoverage?.perTest["file"] ?? {}),
    );
  });
}
