import { createDemoServer, type DemoServer } from "../../examples/demo_server.ts";

/** A JSON-RPC message as it arrived. */
export interface SeenMessage {
  readonly method?: string;
  readonly params?: {
    readonly name?: string;
    readonly _meta?: { readonly traceparent?: string };
  };
}

/** A demo server on loopback. */
export interface RunningDemoServer extends AsyncDisposable {
  /** Its MCP endpoint. */
  readonly url: string;
  readonly port: number;
  readonly demo: DemoServer;
  /** Every message that it got, in order. */
  readonly messages: readonly SeenMessage[];
  /** Puts a new server that knows nothing in place of the old one, behind the same socket. */
  replace(): Promise<void>;
}

/**
 * Starts a demo server.
 *
 * @param port Where it listens; any free port without it.
 */
export function startDemoServer(port = 0): RunningDemoServer {
  let demo = createDemoServer();
  const messages: SeenMessage[] = [];
  const listen = { hostname: "127.0.0.1", port, onListen() {} };
  const server = Deno.serve(listen, async (request) => {
    if (request.method === "POST") messages.push(await request.clone().json());
    return await demo.fetch(request);
  });
  return {
    url: `http://127.0.0.1:${server.addr.port}/mcp`,
    port: server.addr.port,
    get demo() {
      return demo;
    },
    messages,
    async replace() {
      const old = demo;
      demo = createDemoServer();
      await old.close();
    },
    async [Symbol.asyncDispose]() {
      await demo.close();
      await server.shutdown();
    },
  };
}
