/** Connects and calls in the runtime that it is started in, and prints a line of outcomes per task. */
import process from "node:process";
import { isClientError } from "../../src/errors/errors.ts";
import { healthOf } from "../../src/errors/health.ts";
import { createMcpConnector } from "../../src/mcp/mod.ts";
import { attempt, limits, request } from "./support.ts";

/** How something ended: `ok`, or what its error proves. */
type Outcome = readonly string[];

async function outcomeOf(work: () => Promise<unknown>): Promise<Outcome> {
  try {
    await work();
    return ["ok"];
  } catch (error) {
    if (!isClientError(error)) throw error;
    const { code, delivery, temporary } = error;
    return [code, delivery, temporary ? "temporary" : "lasting", healthOf(error)];
  }
}

async function probe(url: string, calls: number): Promise<readonly Outcome[]> {
  const connecting = createMcpConnector({ url }).connect(limits());
  const outcomes = [await outcomeOf(() => connecting)];
  if (outcomes[0]?.[0] !== "ok") return outcomes;
  const connection = await connecting;
  for (let call = 0; call < calls; call++) {
    const unsafe = request("act", {}, { effect: "unsafe" });
    outcomes.push(await outcomeOf(() => connection.execute(unsafe, attempt())));
  }
  await connection.close();
  return outcomes;
}

const tasks: readonly [url: string, calls: number][] = JSON.parse(process.argv[2] ?? "[]");
for (const [url, calls] of tasks) console.log(JSON.stringify(await probe(url, calls)));
process.exit();
