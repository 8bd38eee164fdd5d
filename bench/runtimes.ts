/** Runs one measuring module in several runtimes. */
import { runCommand } from "../tests/support/command.ts";

const RUNTIMES = ["deno", "bun", "node"] as const;
const LIMITS = { cwd: new URL("..", import.meta.url), timeoutMs: 3_600_000 };

/** Where a module is measured. */
export type Runtime = typeof RUNTIMES[number];

/** How a module is measured. */
export interface MeasureOptions {
  /** The module, from the root of the repository; prints one line of JSON. */
  readonly module: string;
  /** Flags of V8, for the runtimes that are built on it. */
  readonly v8Flags?: readonly string[];
  /** What the module is told. */
  readonly args?: readonly string[];
}

/** Returns the runtimes that a command line names; without names, all. */
export function parseRuntimes(args: readonly string[]): readonly Runtime[] {
  const unknown = args.find((name) => !RUNTIMES.includes(name as Runtime));
  if (unknown !== undefined) {
    throw new TypeError(
      `Cannot bench as a runtime must be '${RUNTIMES.join("' or '")}': current value is ${unknown}`,
    );
  }
  return args.length === 0 ? RUNTIMES : args as Runtime[];
}

/** Runs a module in a runtime, in a process of its own, and returns what it printed as JSON. */
export async function measureIn<T>(
  runtime: Runtime,
  { module, v8Flags = [], args = [] }: MeasureOptions,
): Promise<T> {
  const folder = await Deno.makeTempDir();
  try {
    const bundle = `${folder}/measure.mjs`;
    const denoFlags = v8Flags.length === 0 ? [] : [`--v8-flags=${v8Flags.join(",")}`];
    const commands: Record<Runtime, readonly string[]> = {
      deno: [Deno.execPath(), "run", "-A", ...denoFlags, module],
      bun: ["npx", "-y", "bun@1.4.5", module],
      node: ["npx", "-y", "node@22", ...v8Flags, bundle],
    };
    if (runtime === "node") {
      const flags = ["bundle", "--quiet", "--platform", "deno", "-o", bundle, module];
      await runCommand(Deno.execPath(), flags, LIMITS);
    }
    const [program = "", ...start] = commands[runtime];
    const text = await runCommand(program, [...start, ...args], LIMITS);
    return JSON.parse(text.split("\n").find((line) => /^[[{]/.test(line)) ?? "");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}
