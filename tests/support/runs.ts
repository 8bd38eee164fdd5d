/** How many runs a property gets: what it says itself, or what AUTOMCP_TEST_RUNS says. */
export function runs(usual: number): number {
  return Number(Deno.env.get("AUTOMCP_TEST_RUNS") ?? usual);
}
