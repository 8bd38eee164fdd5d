/** Real MCP servers for tests, each in a process group of its own that ends with the test. */

/** A server that runs until it is disposed of. */
export interface Peer extends AsyncDisposable {
  /** The server's MCP endpoint. */
  readonly url: string;
  readonly port: number;
}

/** A server that is started as a child process by who talks to it. */
export interface StdioPeer {
  readonly command: string;
  readonly args: readonly string[];
  readonly cwd: string;
}

const ROOT = new URL("../../", import.meta.url).pathname;
const EVERYTHING = "npm:@modelcontextprotocol/server-everything@2026.8.31";
const FILESYSTEM = "npm:@modelcontextprotocol/server-filesystem@2026.8.31";
const PROXY = "npm:mcp-proxy@6.7.19";
const MEMORY = "npm:@modelcontextprotocol/server-memory@2026.8.31";
const GATEWAY = "npm:supergateway@4.0.0";
const START_MS = 30_000;

/** The reference server over stdio: legacy, progress, elicitation. */
export function everythingCommand(): StdioPeer {
  return { command: Deno.execPath(), args: ["run", "-A", EVERYTHING, "stdio"], cwd: ROOT };
}

/** The filesystem server over stdio: output schemas, every effect by its hints. */
export function filesystemCommand(folder: string): StdioPeer {
  return { command: Deno.execPath(), args: ["run", "-A", FILESYSTEM, folder], cwd: ROOT };
}

/**
 * Starts the reference server: legacy with sessions, an event store, progress. It answers 400 to a
 * session that it does not know.
 */
export async function startEverything(options: { port?: number } = {}): Promise<Peer> {
  const port = options.port ?? findPort();
  const args = ["run", "-A", EVERYTHING, "streamableHttp"];
  return await start(args, port, { PORT: String(port) });
}

/** Starts the filesystem server behind `mcp-proxy`: both eras on one port, or only the legacy one. */
export async function startFilesystemProxy(
  options: { legacyOnly?: boolean; folder: string; port?: number },
): Promise<Peer> {
  return await startProxy(filesystemCommand(options.folder), options);
}

/** Starts `mcp-proxy` in front of a server over stdio: both eras on one port, or only the legacy one. */
export async function startProxy(
  { command, args }: StdioPeer,
  options: { legacyOnly?: boolean; port?: number } = {},
): Promise<Peer> {
  const port = options.port ?? findPort();
  const flags = options.legacyOnly ? ["--no-modern"] : [];
  return await start([
    ...["run", "-A", PROXY, "--host", "127.0.0.1", "--port", String(port), ...flags],
    ...["--", command, ...args],
  ], port);
}

/** Starts the memory server behind `supergateway`: legacy, no sessions, a child for each request. */
export async function startMemoryGateway(
  options: { file: string; port?: number },
): Promise<Peer> {
  const port = options.port ?? findPort();
  return await start(
    [
      ...["run", "-A", GATEWAY, "--stdio", `${Deno.execPath()} run -A ${MEMORY}`],
      ...["--outputTransport", "streamableHttp", "--port", String(port)],
    ],
    port,
    { MEMORY_FILE_PATH: options.file },
  );
}

/** Starts the demo server in a process of its own: both eras. */
export async function startDemo(options: { port?: number } = {}): Promise<Peer> {
  const port = options.port ?? findPort();
  const server = new URL("examples/demo_server.ts", import.meta.resolve("../../")).pathname;
  return await start(["run", "-A", server, String(port)], port);
}

/** Returns a port that was free a moment ago. */
export function findPort(): number {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  listener.close();
  return port;
}

async function start(args: string[], port: number, env: Record<string, string> = {}) {
  const child = new Deno.Command(Deno.execPath(), {
    args,
    env,
    cwd: ROOT,
    detached: true,
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
  let ended = false;
  const status = child.status.finally(() => ended = true);
  const peer: Peer = {
    url: `http://127.0.0.1:${port}/mcp`,
    port,
    async [Symbol.asyncDispose]() {
      // The minus means the whole group: servers behind a proxy are its children.
      if (!ended) Deno.kill(-child.pid, "SIGKILL");
      await status;
    },
  };
  const giveUpAt = performance.now() + START_MS;
  while (!await answers(peer.url)) {
    if (!ended && performance.now() < giveUpAt) {
      await new Promise((resolve) => setTimeout(resolve, 50));
      continue;
    }
    await peer[Symbol.asyncDispose]();
    throw new Error(`Cannot start ${args.join(" ")}: no answer on port ${port}`);
  }
  return peer;
}

async function answers(url: string): Promise<boolean> {
  try {
    const response = await fetch(url, { method: "DELETE" });
    await response.body?.cancel();
    return true;
  } catch {
    return false;
  }
}
