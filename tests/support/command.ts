/** Runs a command to its end and returns what it printed; throws it if the command failed. */
export async function runCommand(
  program: string,
  args: readonly string[],
  options: { cwd: string | URL; timeoutMs?: number; env?: Record<string, string> },
): Promise<string> {
  const { cwd, timeoutMs = 120_000, env = {} } = options;
  const { success, stdout, stderr } = await new Deno.Command(program, {
    args: [...args],
    cwd,
    env: { NO_COLOR: "1", ...env },
    stdin: "null",
    signal: AbortSignal.timeout(timeoutMs),
  }).output();
  const decoder = new TextDecoder();
  const text = decoder.decode(stdout) + decoder.decode(stderr);
  if (!success) throw new Error(`${program} ${args.join(" ")} failed:\n${text}`);
  return text;
}
