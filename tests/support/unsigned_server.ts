import { runCommand } from "./command.ts";

/** Starts a server over TLS whose certificate nobody has signed. Needs `openssl`. */
export async function startUnsigned(): Promise<AsyncDisposable & { readonly url: string }> {
  const folder = await Deno.makeTempDir();
  const subject = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"];
  const newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
  const files = ["-keyout", "key.pem", "-out", "cert.pem"];
  await runCommand("openssl", ["req", "-x509", "-days", "1", ...newKey, ...subject, ...files], {
    cwd: folder,
  });
  const key = await Deno.readTextFile(`${folder}/key.pem`);
  const cert = await Deno.readTextFile(`${folder}/cert.pem`);
  await Deno.remove(folder, { recursive: true });
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {}, key, cert },
    () => new Response(),
  );
  return {
    url: `https://127.0.0.1:${server.addr.port}/`,
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}
