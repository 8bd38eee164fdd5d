/** Runs cases of faults in the runtimes. */
import { assert, assertEquals } from "@std/assert";
import { DENO_RUNNER, type Runner, RUNNERS } from "../runners/runners.ts";
import { runCommand } from "../support/command.ts";
import { type FaultServer, startFaultServer } from "../support/fault_server.ts";
import { findProgram } from "../support/prerequisites.ts";
import { startResetProxy } from "../support/reset_proxy.ts";
import { startUnsigned } from "../support/unsigned_server.ts";
import { until } from "../support/until.ts";
import { FACTS, type FaultCase, type RuntimeFacts } from "./fault_cases.ts";
import type { ProbeOutcome, ProbeTask } from "./fault_probe.ts";

const NO_OPENSSL = findProgram("openssl") === undefined ? "openssl is not on PATH" : undefined;
const folder = await Deno.makeTempDir();
globalThis.addEventListener("unload", () => Deno.removeSync(folder, { recursive: true }));

/** A runtime that cases are run in. */
export interface FaultRun {
  readonly runtime: Runner["runtime"];
  /** Why it cannot run here; `undefined` if it can. */
  readonly missing: string | undefined;
  /**
   * Runs cases, and fails if one of them goes otherwise than it must.
   *
   * @param options.concurrency How many run at once.
   * @param options.onEnd Called when a case is over, before anything of it is closed.
   */
  run(cases: readonly FaultCase[], options?: FaultRunOptions): Promise<void>;
}

/** How cases are run. */
export interface FaultRunOptions {
  readonly concurrency?: number;
  readonly onEnd?: () => void;
}

/** Every runtime of the fault table. */
export const RUNS: readonly FaultRun[] = [DENO_RUNNER, ...RUNNERS].flatMap((runner) => {
  const { runtime, missing = NO_OPENSSL } = runner;
  const facts = FACTS[runtime];
  return facts === undefined
    ? []
    : [{ runtime, missing, run: (cases, options) => runCases(cases, runner, facts, options) }];
});

const bundles = new Map<string, Promise<string>>();

/** Bundles the probe once for each platform. */
function bundle(platform: "browser" | "deno"): Promise<unknown> {
  const output = `${folder}/${platform}.js`;
  const args = ["bundle", "--quiet", "--platform", platform, "-o", output, "fault_probe.ts"];
  const made = bundles.get(platform) ??
    runCommand(Deno.execPath(), args, { cwd: new URL(".", import.meta.url) });
  bundles.set(platform, made);
  return made;
}

async function runCases(
  cases: readonly FaultCase[],
  { runtime, run }: Runner,
  facts: RuntimeFacts,
  { concurrency = 8, onEnd = () => {} }: FaultRunOptions = {},
): Promise<void> {
  const platform = runtime === "workerd" ? "browser" : "deno";
  await bundle(platform);
  await using peers = await startServers(cases, onEnd);
  const args = [peers.control, peers.tasks, concurrency];
  const text = await run(folder, { module: `${platform}.js`, name: "runProbe", args });
  const outcomes = new Map<number, ProbeOutcome | string>(
    text.split("\n").filter((line) => line.startsWith("[")).map((line) => JSON.parse(line)),
  );
  const differences = cases.map((one, index) =>
    compare(one, outcomes.get(index), peers.servers[index], facts)
  ).filter((difference) => difference !== undefined);
  assert(differences.length === 0, differences.join("\n"));
  assertEquals(outcomes.size, cases.length, text);
}

/** Starts the servers of some cases, and what the probe asks about them. */
async function startServers(cases: readonly FaultCase[], onEnd: () => void) {
  const stack = new AsyncDisposableStack();
  const servers: (FaultServer | undefined)[] = [];
  const tasks: ProbeTask[] = [];
  // Until it is closed, no other server can be given the port.
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const targets = {
    "closed port": `http://127.0.0.1:${listener.addr.port}/`,
    "unknown name": "http://nobody.invalid/",
    unsigned: stack.use(await startUnsigned()).url,
  };
  for (const { server: options, reset, target = "closed port", task } of cases) {
    const server = options && startFaultServer(options());
    if (server !== undefined) stack.use(server);
    servers.push(server);
    const own = server?.url ?? targets[target];
    tasks.push({ ...task, url: reset ? stack.use(await startResetProxy(own)).url : own });
  }
  listener.close();
  const control = stack.use(Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    async (request) => {
      const [, what, index] = new URL(request.url).pathname.split("/");
      const server = servers[Number(index)];
      if (server === undefined) return new Response("0");
      if (what === "started") await until(() => server.count("tools/call") > 0);
      if (what === "left") await server[Symbol.asyncDispose]();
      // An end that this side has yet to see; a stream that stays open is told after that.
      if (what === "open") {
        await until(() => server.open === 0).catch(() => {});
        onEnd();
      }
      return new Response(String(server.open));
    },
  ));
  return {
    servers,
    tasks,
    control: `http://127.0.0.1:${control.addr.port}/`,
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

/** Says how a case went otherwise than it must; `undefined` if it did not. */
function compare(
  { name, expected: expect }: FaultCase,
  outcome: ProbeOutcome | string | undefined,
  server: FaultServer | undefined,
  facts: RuntimeFacts,
): string | undefined {
  const { arrived, ...expected } = expect(facts);
  const strange = Object.entries(arrived).flatMap(([method, count]) => {
    const found = server?.count(method) ?? 0;
    return found === count ? [] : [[method, found]];
  });
  try {
    assertEquals<unknown>(outcome, { ...expected, open: 0 });
    assertEquals(strange, []);
  } catch {
    return [name, ...[outcome, expected, strange].map((one) => JSON.stringify(one))].join("\n  ");
  }
}
