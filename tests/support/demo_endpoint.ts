import type { DemoServer } from "../../examples/demo_server.ts";
import { AutoMCPClient } from "../../src/client/client.ts";
import { createApp } from "../../src/hono/mod.ts";
import { createMcpConnector } from "../../src/mcp/mod.ts";
import { type SeenMessage, startDemoServer } from "./demo_server.ts";

/** An endpoint with the console before the demo server, as a visitor finds it. */
export interface DemoEndpoint extends AsyncDisposable {
  readonly url: string;
  readonly demo: DemoServer;
  /** Every message that the server got, in order. */
  readonly messages: readonly SeenMessage[];
}

/** What may be asked of a host besides its defaults. */
export interface DemoEndpointOptions {
  /** The only key that the endpoint takes. */
  readonly key?: string;
  /** Whether there is a group whose server is dead, too. */
  readonly deadGroup?: boolean;
}

const CSP = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; " +
  "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const ASSETS: Readonly<Record<string, [file: string, type: string]>> = {
  "/": ["index.html", "text/html; charset=utf-8"],
  "/app.js": ["app.js", "text/javascript; charset=utf-8"],
  "/style.css": ["style.css", "text/css; charset=utf-8"],
};
const DEAD_URL = "http://127.0.0.1:1/mcp";
const LOOPBACK = { hostname: "127.0.0.1", port: 0, onListen() {} } as const;

/** Serves the endpoint and the built page. */
export async function startDemoEndpoint(
  { key, deadGroup = false }: DemoEndpointOptions = {},
): Promise<DemoEndpoint> {
  const server = startDemoServer();
  const { url, demo, messages } = server;
  const client = new AutoMCPClient("endpoint", {
    groups: {
      demo: {
        connector: createMcpConnector({ url }),
        trustAnnotations: true,
        operations: { flaky: { effect: "idempotent" } },
      },
      ...(deadGroup && { archive: { connector: createMcpConnector({ url: DEAD_URL }) } }),
    },
  });
  const auth = key === undefined
    ? "none"
    : { keys: [{ principal: "visitor", sha256: await sha256(key) }] };
  const app = createApp({ client, auth });
  const front = Deno.serve(LOOPBACK, async (request) => {
    const asset = ASSETS[new URL(request.url).pathname];
    if (asset === undefined) return await app.fetch(request);
    const file = new URL(`../../dist/console/${asset[0]}`, import.meta.url);
    return new Response(await Deno.readFile(file), {
      headers: { "content-type": asset[1], "content-security-policy": CSP },
    });
  });
  return {
    url: `http://127.0.0.1:${front.addr.port}/`,
    demo,
    messages,
    async [Symbol.asyncDispose]() {
      await client.close({ graceMs: 0 });
      await Promise.all([front.shutdown(), server[Symbol.asyncDispose]()]);
    },
  };
}

async function sha256(text: string): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
