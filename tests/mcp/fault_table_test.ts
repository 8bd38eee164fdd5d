/**
 * The fault table, row for row, in every runtime: what a failure is told as, what it proves, how often
 * the server ran it, that it settles without any clock moving, and that no stream stays open.
 */
import { assert, assertEquals } from "@std/assert";
import { RUNNERS } from "../runners/runners.ts";
import { runCommand } from "../support/command.ts";
import { type FaultServer, startFaultServer } from "../support/fault_server.ts";
import { findProgram, requires } from "../support/prerequisites.ts";
import { startResetProxy } from "../support/reset_proxy.ts";
import { startUnsigned } from "../support/unsigned_server.ts";
import { until } from "../support/until.ts";
import { createCases, FACTS, type FaultCase, type RuntimeFacts } from "./fault_cases.ts";
import { type ProbeOutcome, type ProbeTask, runProbe } from "./fault_probe.ts";

const NO_OPENSSL = findProgram("openssl") === undefined ? "openssl is not on PATH" : undefined;
const folder = await Deno.makeTempDir();
globalThis.addEventListener("unload", () => Deno.removeSync(folder, { recursive: true }));

async function bundle(platform: "deno" | "browser", module: string): Promise<void> {
  await runCommand(
    Deno.execPath(),
    ["bundle", "--quiet", "--platform", platform, "-o", `${folder}/${module}`, "fault_probe.ts"],
    { cwd: new URL(".", import.meta.url) },
  );
}

/** The servers of some cases, and the side of the probe that asks what happens at them. */
async function startServers(cases: readonly FaultCase[]) {
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
      if (what === "open") await until(() => server.open === 0).catch(() => {});
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

const RUNS = [
  {
    runtime: "deno" as const,
    missing: undefined,
    run: async (control: string, tasks: readonly ProbeTask[]) => {
      const lines: string[] = [];
      await runProbe((line) => void lines.push(line), control, tasks);
      return lines.join("\n");
    },
  },
  ...RUNNERS.filter(({ runtime }) => FACTS[runtime] !== undefined).map((runner) => ({
    ...runner,
    run: async (control: string, tasks: readonly ProbeTask[]) => {
      const module = runner.runtime === "workerd" ? "browser.js" : "program.js";
      await bundle(module === "browser.js" ? "browser" : "deno", module);
      return await runner.run(folder, { module, name: "runProbe", args: [control, tasks] });
    },
  })),
];

for (const { runtime, missing, run } of RUNS) {
  const facts = FACTS[runtime]!;
  Deno.test({
    ...requires(`the fault table holds in ${runtime}`, missing ?? NO_OPENSSL),
    async fn() {
      const cases = createCases();
      await using peers = await startServers(cases);
      const text = await run(peers.control, peers.tasks);
      const outcomes = new Map<number, ProbeOutcome | string>(
        text.split("\n").filter((line) => line.startsWith("[")).map((line) => JSON.parse(line)),
      );
      const differences = cases.map((one, index) =>
        compare(one, outcomes.get(index), peers.servers[index], facts)
      ).filter((difference) => difference !== undefined);
      assert(differences.length === 0, differences.join("\n"));
      assertEquals(outcomes.size, cases.length, text);
    },
  });
}
