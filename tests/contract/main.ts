/** The contract suite: what AutoMCP promises in every runtime. */
import { type Kit, runKit, type Runtime, SKIPS } from "../support/kit.ts";
import client from "./client.ts";
import clock from "./clock.ts";
import connector from "./connector.ts";
import deadline from "./deadline.ts";
import errors from "./errors.ts";
import pool from "./pool.ts";
import progress from "./progress.ts";
import retry from "./retry.ts";

/** The modules of the suite. */
const MODULES: readonly ((t: Kit) => void)[] = [
  client,
  clock,
  connector,
  deadline,
  errors,
  pool,
  progress,
  retry,
];

/**
 * Runs the contract suite. The last line is `N passed, N failed, N skipped`.
 *
 * @param log Takes the lines of the report.
 * @param runtime Where the suite runs; picks the skips.
 * @returns How many tests failed.
 */
export async function runContract(
  log: (line: string) => void,
  runtime: Runtime,
): Promise<number> {
  const skips = SKIPS.filter((skip) => skip.runtime === runtime);
  const { passed, failed, skipped } = await runKit(MODULES, { log, skips });
  log(`${passed} passed, ${failed} failed, ${skipped} skipped`);
  return failed;
}
