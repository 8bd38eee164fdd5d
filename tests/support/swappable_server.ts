/** Real servers of every kind behind one port, swapped while they are used. */
import { createMcpHandler, McpServer as ModernServer } from "@modelcontextprotocol/server";
import { McpServer as LegacyServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { WebStandardStreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/webStandardStreamableHttp.js";
import { z } from "zod";

/**
 * A kind of server: one of the legacy era answers 404 or 400 to a session that it does not know, or
 * has no sessions; one of the modern era refuses the other, or serves both.
 */
export type ServerKind =
  | "legacy, 404"
  | "legacy, 400"
  | "legacy, no sessions"
  | "modern"
  | "modern and legacy";

/** A server that turns into another one. */
export interface SwappableServer extends AsyncDisposable {
  readonly url: string;
  /** The keys of all runs of `charge` and `hang`, on whichever server, in order. */
  readonly ledger: readonly string[];
  /** The methods of all JSON-RPC messages and HTTP requests without one, in order. */
  readonly methods: readonly string[];
  /** Whether it forgets all legacy sessions before each call of a tool. */
  forgetful: boolean;
  /** How many legacy sessions are open. */
  readonly sessions: number;
  /** How many requests are being answered, their streams included. */
  readonly open: number;
  /** How many messages with this method arrived. */
  count(method: string): number;
  /** Ends the server, with all that it is answering, and puts another in its place. */
  swap(kind: ServerKind): Promise<void>;
  /** Forgets all legacy sessions. */
  forget(): void;
  /** Ends all streams, and nothing else. */
  cut(): void;
  /** Gives the server a tool more and says so to all who listen, unless it is done silently. */
  addTool(name: string, options?: { silently: boolean }): void;
}

/** One server, as long as it is in place. */
interface Serving {
  fetch(request: Request): Promise<Response>;

  readonly sessions: Map<string, unknown>;
  announce(name: string): void;
  close(): Promise<void>;
}

/** Starts a server on a free port. */
export function startSwappableServer(kind: ServerKind): SwappableServer {
  const ledger: string[] = [];
  const methods: string[] = [];
  const more: string[] = [];
  let serving = create(kind, ledger, more);
  let cut = new AbortController();
  let open = 0;
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    const body = request.method === "POST" ? await request.clone().json() : {};
    methods.push(body.method ?? request.method);
    if (swappable.forgetful && body.method === "tools/call") serving.sessions.clear();
    open++;
    const gone = new AbortController();
    const { signal } = cut;
    signal.addEventListener("abort", () => gone.abort(), { once: true });
    const response = await Promise.race([serving.fetch(request), aborted(gone.signal)]);
    if (response.body === null) {
      open--;
      return response;
    }
    return new Response(breakable(response.body, gone.signal, () => open--), response);
  });
  const swappable: SwappableServer = {
    forgetful: false,
    url: `http://127.0.0.1:${server.addr.port}/mcp`,
    ledger,
    methods,
    get sessions() {
      return serving.sessions.size;
    },
    get open() {
      return open;
    },
    count: (method) => methods.filter((one) => one === method).length,
    async swap(kind) {
      const old = serving;
      serving = create(kind, ledger, more);
      this.cut();
      await old.close();
    },
    forget: () => serving.sessions.clear(),
    cut() {
      cut.abort();
      cut = new AbortController();
    },
    addTool(name, options) {
      more.push(name);
      if (options?.silently !== true) serving.announce(name);
    },
    async [Symbol.asyncDispose]() {
      cut.abort();
      await serving.close();
      await server.shutdown();
    },
  };
  return swappable;
}

function create(kind: ServerKind, ledger: string[], more: readonly string[]): Serving {
  const charge = ({ key }: { key: string }) => {
    ledger.push(key);
    return { content: [] };
  };
  const hang = ({ key }: { key: string }) => {
    ledger.push(key);
    return new Promise<never>(() => {});
  };
  const done = () => ({ content: [] });
  const inputSchema = { key: z.string() };

  if (kind === "modern" || kind === "modern and legacy") {
    const handler = createMcpHandler(() => {
      const server = new ModernServer({ name: kind, version: "2.0.0" });
      server.registerTool("charge", { inputSchema: z.object(inputSchema) }, charge);
      server.registerTool("hang", { inputSchema: z.object(inputSchema) }, hang);
      for (const name of more) server.registerTool(name, {}, done);
      return server;
    }, { legacy: kind === "modern" ? "reject" : "stateless" });
    return {
      fetch: handler.fetch,
      sessions: new Map(),
      announce: () => handler.notify.toolsChanged(),
      close: () => handler.close(),
    };
  }

  const servers = new Set<LegacyServer>();
  const sessions = new Map<string, WebStandardStreamableHTTPServerTransport>();
  const connect = async (sessionIdGenerator?: () => string) => {
    const transport = new WebStandardStreamableHTTPServerTransport({
      ...(sessionIdGenerator && { sessionIdGenerator }),
      onsessioninitialized: (id: string) => void sessions.set(id, transport),
      onsessionclosed: (id: string) => void sessions.delete(id),
    });
    const server = new LegacyServer({ name: kind, version: "1.0.0" });
    server.registerTool("charge", { inputSchema }, charge);
    server.registerTool("hang", { inputSchema }, hang);
    for (const name of more) server.registerTool(name, {}, done);
    await server.connect(transport);
    if (sessionIdGenerator !== undefined) servers.add(server);
    return transport;
  };
  return {
    async fetch(request) {
      if (kind === "legacy, no sessions") return (await connect()).handleRequest(request);
      const id = request.headers.get("mcp-session-id");
      if (id === null) return (await connect(() => crypto.randomUUID())).handleRequest(request);
      const known = sessions.get(id);
      if (known !== undefined) return known.handleRequest(request);
      const [status, code] = kind === "legacy, 404" ? [404, -32001] : [400, -32000];
      const error = { code, message: "No such session" };
      return Response.json({ jsonrpc: "2.0", error, id: null }, { status });
    },
    sessions,
    announce(name) {
      // A server of this SDK tells by itself that it has a tool more.
      for (const server of servers) server.registerTool(name, {}, done);
    },
    async close() {
      await Promise.all([...sessions.values()].map((session) => session.close()));
    },
  };
}

/** The answer of a server that ends before its answer: one that breaks off. */
function aborted(signal: AbortSignal): Promise<Response> {
  return new Promise((resolve) => {
    signal.addEventListener("abort", () => {
      const headers = { "content-type": "application/json", "content-length": "1000" };
      resolve(new Response("{", { headers }));
    }, { once: true });
  });
}

/** A body that ends when a signal is aborted; says when it has ended. */
function breakable(
  body: ReadableStream<Uint8Array>,
  signal: AbortSignal,
  onEnd: () => void,
): ReadableStream<Uint8Array> {
  const reader = body.getReader();
  let ended = false;
  const end = (): void => {
    if (!ended) onEnd();
    ended = true;
  };
  return new ReadableStream<Uint8Array>({
    start(controller) {
      signal.addEventListener("abort", () => {
        if (ended) return;
        end();
        controller.close();
        void reader.cancel().catch(() => {});
      }, { once: true });
    },
    async pull(controller) {
      const { done, value } = await reader.read();
      if (ended) return;
      if (value !== undefined) return controller.enqueue(value);
      if (done) {
        end();
        controller.close();
      }
    },
    cancel() {
      end();
      void reader.cancel().catch(() => {});
    },
  }, { highWaterMark: 0 });
}
