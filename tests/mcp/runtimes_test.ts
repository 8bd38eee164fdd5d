/** What each runtime's own `fetch` proves when it fails, and how often it sends. */
import { assertEquals } from "@std/assert";
import { runCommand } from "../support/command.ts";
import {
  DISCOVERED,
  type FaultHandler,
  RESULT,
  startFaultServer,
} from "../support/fault_server.ts";
import { findProgram, requires } from "../support/prerequisites.ts";

const NO_NPX = findProgram("npx") === undefined ? "npx is not on PATH" : undefined;
const NO_OPENSSL = findProgram("openssl") === undefined ? "openssl is not on PATH" : undefined;
const RUNTIMES = [
  { runtime: "deno", program: Deno.execPath(), args: ["run", "-A"], missing: undefined },
  { runtime: "node22", program: "npx", args: ["-y", "node@22"], missing: NO_NPX },
  { runtime: "node24", program: "npx", args: ["-y", "node@24"], missing: NO_NPX },
  { runtime: "bun", program: "npx", args: ["-y", "bun@1.4.5"], missing: NO_NPX },
];

const folder = await Deno.makeTempDir();
globalThis.addEventListener("unload", () => Deno.removeSync(folder, { recursive: true }));
await runCommand(
  Deno.execPath(),
  ["bundle", "--quiet", "--platform", "deno", "-o", `${folder}/probe.mjs`, "runtime_probe.ts"],
  { cwd: new URL(".", import.meta.url) },
);

const json = (result: string): FaultHandler => ({ answer, id }) =>
  answer(200, "application/json", `{"jsonrpc":"2.0","id":${id},"result":${result}}`);

/** A port that nobody listens on. */
function findClosedPort(): number {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  listener.close();
  return listener.addr.port;
}

for (const { runtime, program, args, missing } of RUNTIMES) {
  Deno.test({
    ...requires(
      `createMcpConnector() K3, K4, C4: ${runtime} proves what it can and sends once`,
      missing ?? NO_OPENSSL,
    ),
    async fn() {
      let closing: PromiseLike<void> | undefined;
      const leaving = startFaultServer({
        era: "modern",
        keepAlive: false,
        handlers: {
          "server/discover": async (exchange) => {
            await json(DISCOVERED)(exchange);
            closing = leaving[Symbol.asyncDispose]();
          },
        },
      });
      let calls = 0;
      const call: FaultHandler = (exchange) =>
        ++calls % 2 === 1 ? json(RESULT)(exchange) : Promise.resolve();
      await using breaking = startFaultServer({ era: "modern", handlers: { "tools/call": call } });
      const listen = { hostname: "127.0.0.1", port: 0, onListen() {} };
      const [key, cert] = await createCertificate();
      await using unsigned = Deno.serve({ ...listen, key, cert }, () => new Response());

      const ok = ["ok"];
      const refused = ["connection_refused", "not_sent", "temporary", "hard"];
      const lost = ["connection_lost", "unknown", "temporary", "hard"];
      const cases: readonly [url: string, calls: number, outcomes: readonly string[][]][] = [
        [`http://127.0.0.1:${findClosedPort()}/`, 0, [refused]],
        ["http://nobody.invalid/", 0, [refused]],
        [leaving.url, 1, [ok, refused]],
        // Each second call breaks a connection that the one before has warmed.
        [breaking.url, 4, [ok, ok, lost, ok, lost]],
        [`https://127.0.0.1:${unsigned.addr.port}/`, 0, [
          ["connection_refused", "not_sent", "lasting", "none"],
        ]],
      ];
      const tasks = JSON.stringify(cases.map(([url, calls]) => [url, calls]));
      const text = await runCommand(program, [...args, "probe.mjs", tasks], { cwd: folder });
      const lines = text.split("\n").filter((line) => line.startsWith("[["));
      assertEquals(
        lines.map((line) => JSON.parse(line)),
        cases.map(([, , outcomes]) => outcomes),
        text,
      );
      assertEquals(calls, 4);
      await closing;
    },
  });
}

/** Makes a certificate that nobody has signed, and its key. */
async function createCertificate(): Promise<[key: string, cert: string]> {
  const subject = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"];
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
  const files = ["-keyout", "key.pem", "-out", "cert.pem"];
  await runCommand("openssl", ["req", "-x509", "-days", "1", ...key, ...subject, ...files], {
    cwd: folder,
  });
  return [
    await Deno.readTextFile(`${folder}/key.pem`),
    await Deno.readTextFile(`${folder}/cert.pem`),
  ];
}
