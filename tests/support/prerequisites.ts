/** What a test needs of the machine besides Deno: found, or a reason to skip. */

/** In CI nothing is skipped: a missing prerequisite fails its test. */
export const CI: boolean = Deno.env.get("CI") === "true";

/**
 * Finds a program.
 *
 * @param name The program, as on a command line.
 * @returns Its path, or `undefined`.
 */
export function findProgram(name: string): string | undefined {
  for (const folder of (Deno.env.get("PATH") ?? "").split(":")) {
    const path = `${folder}/${name}`;
    try {
      if (Deno.statSync(path).isFile) return path;
    } catch {
      // Not in this folder.
    }
  }
  return undefined;
}

/** Chromium's path: the variable `CHROMIUM_PATH`, else what is found on `PATH`. */
export const CHROMIUM_PATH: string | undefined = Deno.env.get("CHROMIUM_PATH") ??
  findProgram("chromium") ?? findProgram("google-chrome");

/** Flags for a Chromium that talks to the test alone and runs as root in a container. */
export const CHROMIUM_FLAGS: readonly string[] = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/**
 * Names a test and tells whether it is ignored, for `Deno.test({ ...requires(…), fn })`.
 *
 * @param name The name of the test.
 * @param missing Why it cannot run here, or `undefined` if it can.
 * @returns The name, with the reason if it is skipped, and `ignore`; never ignored in CI.
 */
export function requires(
  name: string,
  missing: string | undefined,
): { name: string; ignore: boolean } {
  const ignore = missing !== undefined && !CI;
  return { name: ignore ? `${name} (skipped: ${missing})` : name, ignore };
}
