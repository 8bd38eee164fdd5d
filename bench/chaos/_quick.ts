import { SCENARIOS } from "./scenarios.ts";
import { simulate } from "./simulate.ts";
import { measure, summarise } from "./metrics.ts";
import { findDefects } from "./defects.ts";
const ids = Deno.args[0] === "all" ? SCENARIOS.map((s) => s.id) : Deno.args[0]!.split(",");
const seeds = (Deno.args[1] ?? "7,1,2,3").split(",").map(Number);
for (const id of ids) {
  const scenario = SCENARIOS.find((s) => s.id === id)!;
  const runs = [];
  for (const seed of seeds) {
    const record = await simulate({ scenario, client: "automcp", seed });
    runs.push(measure(record, scenario));
    for (const d of findDefects(record, scenario, seed)) console.log(d.slice(0, 1500));
  }
  const s = summarise(runs);
  console.log(id, (s.goodput * 100).toFixed(2), "worst", (s.worstSeedGoodput * 100).toFixed(2), "p50", s.p50Ms.toFixed(0), "p99", s.p99Ms.toFixed(0), "p999", s.p999Ms.toFixed(0), "amp", s.amplification.toFixed(3), "rec", s.recoveryMs, "dup", s.duplicates, "mis", s.misreported, "settled", s.settledByDeadline);
}
