import { createTestHarness, type TestHarness } from "wrangler";

const ROOT = new URL("../../", import.meta.url);

/** The Worker in the local runtime, until it is disposed of. */
export interface LocalWorker extends AsyncDisposable {
  readonly url: URL;
  readonly harness: TestHarness;
}

/** Starts the Worker with a configuration; without one, as it is deployed. */
export async function startWorker(
  config: unknown,
  vars: Record<string, string> = {},
): Promise<LocalWorker> {
  // Without the folder, wrangler refuses to start; the console itself has its own test.
  await Deno.mkdir(new URL("dist/console/", ROOT), { recursive: true });
  const configured = config === undefined ? {} : { AUTOMCP_CONFIG: JSON.stringify(config) };
  const harness = createTestHarness({
    workers: [{ configPath: new URL("wrangler.toml", ROOT), vars: { ...vars, ...configured } }],
  });
  const { url } = await harness.listen();
  return { url: new URL(url), harness, [Symbol.asyncDispose]: () => harness.close() };
}
