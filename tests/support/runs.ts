/**
 * How often a model test runs: as often as it says, or as `AUTOMCP_TEST_RUNS` says for all of them, an
 * integer >= 1. `deno task test:deep` sets it.
 */
export function runs(preset: number): number {
  const text = Deno.env.get("AUTOMCP_TEST_RUNS");
  if (text === undefined) return preset;
  const count = Number(text);
  if (Number.isInteger(count) && count >= 1) return count;
  throw new RangeError(
    `Cannot run model tests as AUTOMCP_TEST_RUNS must be an integer >= 1: current value is ${text}`,
  );
}
