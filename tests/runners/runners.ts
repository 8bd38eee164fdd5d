import { CHROMIUM_MISSING, launchChromium } from "../support/chromium.ts";
import { runCommand } from "../support/command.ts";
import type { Runtime } from "../support/kit.ts";
import { findProgram } from "../support/prerequisites.ts";

/** An exported function of a bundle that takes a log, and resolves with how much of it failed. */
export interface Program {
  /** The file of the bundle. */
  readonly module: string;
  /** The function. */
  readonly name: string;
  /** What it is called with behind the log, as JSON. */
  readonly args: readonly unknown[];
}

/** Starts a bundled program in one runtime. */
export interface Runner {
  readonly runtime: Runtime;
  /** Why it cannot run here; `undefined` if it can. */
  readonly missing: string | undefined;
  /** Runs a program of a folder and returns what it logged. Throws unless nothing failed. */
  run(folder: string, program: Program): Promise<string>;
}

const NO_NPX = findProgram("npx") === undefined ? "npx is not on PATH" : undefined;
/** Only what hangs takes so long, also on a machine that has more to do. */
const TIMEOUT_MS = 300_000;
const WORKERD = new URL("../../node_modules/.bin/workerd", import.meta.url).pathname;

const toCall = ({ name, args }: Program): string =>
  `await ${name}(${["console.log", ...args.map((arg) => JSON.stringify(arg))].join(", ")})`;

/** The program as a module on the command line. `isRight` proves which runtime runs it. */
function cliRunner(
  runtime: Runtime,
  [command = "", ...args]: readonly string[],
  isRight: string,
): Runner {
  return {
    runtime,
    missing: command === "npx" ? NO_NPX : undefined,
    async run(folder, program) {
      const file = `${runtime}.mjs`;
      await Deno.writeTextFile(
        `${folder}/${file}`,
        `import process from "node:process";
import { ${program.name} } from "./${program.module}";
if (!(${isRight})) throw new Error("Wrong runtime: " + JSON.stringify(process.versions));
process.exitCode = ${toCall(program)} > 0 ? 1 : 0;`,
      );
      await Deno.writeTextFile(`${folder}/package.json`, `{ "type": "module" }`);
      return await runCommand(command, [...args, file], { cwd: folder, timeoutMs: TIMEOUT_MS });
    },
  };
}

/** workerd: the program as its `test()` entry; it may call servers on this machine. */
function workerdRunner(runtime: Runtime, flags: readonly string[]): Runner {
  return {
    runtime,
    missing: undefined,
    async run(folder, program) {
      await Deno.writeTextFile(
        `${folder}/${runtime}.js`,
        `import { ${program.name} } from "${program.module}";
export default { async test() {
  if (${toCall(program)} > 0) throw new Error("failed");
} };`,
      );
      const flagList = flags.map((flag) => `"${flag}"`).join(", ");
      await Deno.writeTextFile(
        `${folder}/${runtime}.capnp`,
        `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (services = [(name = "main", worker = .w),
  (name = "internet", network = (allow = ["private"]))]);
const w :Workerd.Worker = (compatibilityDate = "2026-10-20", compatibilityFlags = [${flagList}],
  modules = [(name = "worker", esModule = embed "${runtime}.js"),
    (name = "${program.module}", esModule = embed "${program.module}")]);`,
      );
      const args = ["run", "-A", WORKERD, "test", `${runtime}.capnp`];
      return await runCommand(Deno.execPath(), args, { cwd: folder, timeoutMs: TIMEOUT_MS });
    },
  };
}

const chromiumRunner: Runner = {
  runtime: "chromium",
  missing: CHROMIUM_MISSING,
  async run(folder, { module, name, args }) {
    const listen = { hostname: "127.0.0.1", port: 0, onListen() {} };
    await using server = Deno.serve(listen, async (request) => {
      const isModule = new URL(request.url).pathname === `/${module}`;
      const body = isModule ? await Deno.readFile(`${folder}/${module}`) : "";
      return new Response(body, {
        headers: { "content-type": isModule ? "text/javascript" : "text/html" },
      });
    });
    await using browser = await launchChromium();
    const page = await browser.context.newPage();
    await page.goto(`http://127.0.0.1:${server.addr.port}/`);
    const { failed, lines } = await page.evaluate<{ failed: number; lines: string[] }>(
      `(async () => {
      const program = await import("/${module}");
      const lines = [];
      const failed = await program.${name}((line) => lines.push(line), ...${JSON.stringify(args)});
      return { failed, lines };
    })()`,
    );
    const text = lines.join("\n");
    if (failed > 0) throw new Error(`Chromium failed:\n${text}`);
    return text;
  },
};

/** Deno in a process of its own, apart from the tests. */
export const DENO_RUNNER: Runner = cliRunner(
  "deno",
  [Deno.execPath(), "run", "-A"],
  `process.versions.deno === "${Deno.version.deno}"`,
);

/** Every other runtime. */
export const RUNNERS: readonly Runner[] = [
  cliRunner("node22", ["npx", "-y", "node@22"], 'process.version.startsWith("v22.")'),
  cliRunner("node24", ["npx", "-y", "node@24"], 'process.version.startsWith("v24.")'),
  cliRunner("bun", ["npx", "-y", "bun@1.4.5"], 'process.versions.bun === "1.4.5"'),
  workerdRunner("workerd", ["enable_request_signal"]),
  workerdRunner("workerd-bare", ["no_nodejs_compat", "no_nodejs_compat_v2"]),
  chromiumRunner,
];
