/**
 * The fault table, row for row, in every runtime: what a failure is told as, what it proves, how often
 * the server ran it, that it settles without any clock moving, and that no stream stays open.
 */
import { requires } from "../support/prerequisites.ts";
import { createCases } from "./fault_cases.ts";
import { RUNS } from "./fault_runs.ts";

for (const { runtime, missing, run } of RUNS) {
  Deno.test({
    ...requires(`the fault table holds in ${runtime}`, missing),
    fn: () => run(createCases()),
  });
}
