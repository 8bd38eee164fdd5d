/** What the parts of AutoMCP cost beside their peers, in Deno; `deno task bench:overhead` asks all. */
import { createGuardRows } from "./overhead/guard.ts";
import { createPoolRows } from "./overhead/pool.ts";

for (const { group, name, isPeer, run } of [...createPoolRows(), ...createGuardRows()]) {
  Deno.bench(`${name}: ${group}`, { group, baseline: isPeer }, async () => void await run());
}
