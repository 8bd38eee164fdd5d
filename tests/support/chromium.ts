import { type BrowserContext, type BrowserContextOptions, chromium } from "playwright-core";
import { CHROMIUM_FLAGS, CHROMIUM_PATH } from "./prerequisites.ts";

/** Why no test can run in Chromium here; `undefined` if it can. */
export const CHROMIUM_MISSING: string | undefined = CHROMIUM_PATH === undefined
  ? "Chromium is not installed; set CHROMIUM_PATH or put it on PATH"
  : undefined;

/** A Chromium with an empty profile of its own. */
export interface Chromium extends AsyncDisposable {
  readonly context: BrowserContext;
}

/**
 * Starts Chromium for one test.
 *
 * @throws {Error} If there is none.
 */
export async function launchChromium(options: BrowserContextOptions = {}): Promise<Chromium> {
  if (CHROMIUM_PATH === undefined) throw new Error(CHROMIUM_MISSING);
  const profile = await Deno.makeTempDir();
  const context = await chromium.launchPersistentContext(profile, {
    ...options,
    executablePath: CHROMIUM_PATH,
    args: [...CHROMIUM_FLAGS],
  });
  return {
    context,
    async [Symbol.asyncDispose]() {
      await context.close();
      await Deno.remove(profile, { recursive: true });
    },
  };
}
