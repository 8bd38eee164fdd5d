/**
 * An MCP server to try AutoMCP on: it counts, charges, refuses and breaks off as it is asked to.
 * Serves both eras at `/mcp`, the legacy one with sessions.
 */
import {
  createMcpHandler,
  hostHeaderValidationResponse,
  isLegacyRequest,
  localhostAllowedHostnames,
  localhostAllowedOrigins,
  McpServer,
  originValidationResponse,
  type ServerContext,
  WebStandardStreamableHTTPServerTransport,
} from "@modelcontextprotocol/server";
import { z } from "zod";
import { type Charge, registerContents } from "./demo_contents.ts";

/** A demo server and what it saw. */
export interface DemoServer {
  /** Answers one HTTP request; `/mcp` is the MCP endpoint, `/ledger` shows the charges. */
  fetch(request: Request): Promise<Response>;
  /** Every charge that was made, in order. */
  readonly ledger: readonly Charge[];
  /** How many `tools/call` requests arrived, the refused ones included. */
  readonly calls: number;
  /** How many tools run now. */
  readonly inFlight: number;
  /** The most tools that ever ran at once. */
  readonly maxInFlight: number;
  /** How many runs were cancelled before their end. */
  readonly cancelled: number;
  /** How many legacy sessions are open. */
  readonly sessions: number;
  /** Ends every stream and session. */
  close(): Promise<void>;
}

const MAX_SESSIONS = 1_000;

/** Creates a demo server that shares nothing with others of the same process. */
export function createDemoServer(): DemoServer {
  const ledger: Charge[] = [];
  const refusals = new Map<string, number>();
  const sessions = new Map<string, WebStandardStreamableHTTPServerTransport>();
  const cuts = new WeakMap<Request, AbortController>();
  const seen = { calls: 0, inFlight: 0, maxInFlight: 0, cancelled: 0 };

  async function run<T>(context: ServerContext, work: () => Promise<T> | T): Promise<T> {
    seen.inFlight++;
    seen.maxInFlight = Math.max(seen.maxInFlight, seen.inFlight);
    try {
      return await work();
    } finally {
      seen.inFlight--;
      if (context.mcpReq.signal.aborted) seen.cancelled++;
    }
  }

  function createServer(): McpServer {
    const server = new McpServer({ name: "automcp-demo", title: "Demo", version: "1.0.0" });
    server.registerTool("add", {
      title: "Add",
      description: "Adds two numbers.",
      inputSchema: z.object({ a: z.number(), b: z.number() }),
      outputSchema: z.object({ sum: z.number() }),
      annotations: { readOnlyHint: true },
    }, ({ a, b }, context) => run(context, () => answer({ sum: a + b })));

    server.registerTool(
      "count",
      {
        title: "Count",
        description: "Counts up to a number and reports each step; stops when it is cancelled.",
        inputSchema: z.object({
          steps: z.int().min(0).max(20_000).default(10),
          delayMs: z.int().min(0).max(60_000).default(200),
        }),
        outputSchema: z.object({ counted: z.int() }),
        annotations: { readOnlyHint: true },
      },
      ({ steps, delayMs }, context) =>
        run(
          context,
          async () => answer({ counted: await countTo(steps, steps, delayMs, context) }),
        ),
    );

    server.registerTool("flaky", {
      title: "Flaky",
      description: "Is refused with HTTP 503 the first times it is tried, then works.",
      inputSchema: z.object({
        failures: z.int().min(0).max(100).default(2),
        key: z.string().max(200).optional(),
      }),
      outputSchema: z.object({ refused: z.int() }),
    }, ({ failures }, context) => run(context, () => answer({ refused: failures })));

    server.registerTool("charge", {
      title: "Charge",
      description: "Writes a charge into the ledger; doing it twice charges twice.",
      inputSchema: z.object({
        amount: z.number().positive(),
        reference: z.string().max(200).optional(),
      }),
      outputSchema: z.object({
        id: z.int(),
        amount: z.number(),
        reference: z.string().optional(),
      }),
      annotations: { destructiveHint: true },
    }, ({ amount, reference }, context) =>
      run(context, () => {
        const charge: Charge = {
          id: ledger.length + 1,
          amount,
          ...(reference !== undefined && { reference }),
        };
        ledger.push(charge);
        return answer({ ...charge });
      }));

    server.registerTool("ledger", {
      title: "Ledger",
      description: "Shows every charge.",
      outputSchema: z.object({ charges: z.array(z.record(z.string(), z.unknown())) }),
      annotations: { readOnlyHint: true },
    }, (context) => run(context, () => answer({ charges: [...ledger] })));

    server.registerTool("cut", {
      title: "Cut",
      description: "Reports some steps, then ends its stream without a result.",
      inputSchema: z.object({ afterSteps: z.int().min(0).max(1_000).default(3) }),
    }, ({ afterSteps }, context) =>
      run(context, async () => {
        await countTo(afterSteps, afterSteps + 1, 50, context);
        if (context.http?.req) cuts.get(context.http.req)?.abort();
        return { content: [] };
      }));
    registerContents(server, ledger);
    return server;
  }

  const modern = createMcpHandler(createServer, { legacy: "reject" });

  async function serveLegacy(request: Request, parsedBody: unknown): Promise<Response> {
    const id = request.headers.get("mcp-session-id");
    const known = id === null ? undefined : sessions.get(id);
    if (known !== undefined) return known.handleRequest(request, { parsedBody });
    if (id !== null) {
      return Response.json({
        jsonrpc: "2.0",
        error: { code: -32001, message: "Session not found" },
        id: null,
      }, { status: 404 });
    }
    const transport = new WebStandardStreamableHTTPServerTransport({
      sessionIdGenerator: () => crypto.randomUUID(),
      onsessioninitialized: (id) => {
        sessions.set(id, transport);
        const [oldest] = sessions.keys();
        if (oldest !== undefined && sessions.size > MAX_SESSIONS) {
          void sessions.get(oldest)?.close();
          sessions.delete(oldest);
        }
      },
      onsessionclosed: (id) => void sessions.delete(id),
    });
    await createServer().connect(transport);
    return transport.handleRequest(request, { parsedBody });
  }

  async function serveMcp(request: Request): Promise<Response> {
    const parsedBody = request.method === "POST" ? await readJson(request) : undefined;
    if (request.method === "POST" && parsedBody === undefined) {
      return new Response("The body is not JSON\n", { status: 400 });
    }
    const tool = calledTool(parsedBody);
    if (tool !== undefined) seen.calls++;
    if (tool?.name === "flaky" && refuses(tool.arguments)) {
      return new Response(null, { status: 503, headers: { "retry-after": "1" } });
    }
    const cut = new AbortController();
    if (tool?.name === "cut") cuts.set(request, cut);
    const response = await isLegacyRequest(request, parsedBody)
      ? await serveLegacy(request, parsedBody)
      : await modern.fetch(request, { parsedBody });
    return tool?.name === "cut" ? endAt(cut.signal, response) : response;
  }

  /** Refuses the first tries of a key and starts anew once one has passed. */
  function refuses({ failures = 2, key = "" }: { failures?: unknown; key?: unknown }): boolean {
    const name = String(key);
    const refused = refusals.get(name) ?? 0;
    if (refused >= Number(failures)) {
      refusals.delete(name);
      return false;
    }
    refusals.set(name, refused + 1);
    return true;
  }

  return {
    async fetch(request) {
      const { pathname } = new URL(request.url);
      if (pathname === "/mcp") return await serveMcp(request);
      if (pathname === "/ledger") return Response.json({ charges: ledger });
      return new Response("MCP is at /mcp, the charges are at /ledger\n", {
        status: pathname === "/" ? 200 : 404,
      });
    },
    ledger,
    get calls() {
      return seen.calls;
    },
    get inFlight() {
      return seen.inFlight;
    },
    get maxInFlight() {
      return seen.maxInFlight;
    },
    get cancelled() {
      return seen.cancelled;
    },
    get sessions() {
      return sessions.size;
    },
    async close() {
      await Promise.all([modern.close(), ...[...sessions.values()].map((one) => one.close())]);
      sessions.clear();
    },
  };
}

function answer<T extends Record<string, unknown>>(structuredContent: T) {
  return {
    content: [{ type: "text" as const, text: JSON.stringify(structuredContent) }],
    structuredContent,
  };
}

/** Counts step by step with a progress report each; returns how far it came before a cancel. */
async function countTo(
  steps: number,
  total: number,
  delayMs: number,
  { mcpReq: { _meta, signal, notify } }: ServerContext,
): Promise<number> {
  for (let step = 1; step <= steps; step++) {
    if (delayMs > 0) await sleep(delayMs, signal);
    if (signal.aborted) return step - 1;
    if (_meta?.progressToken !== undefined) {
      await notify({
        method: "notifications/progress",
        params: {
          progressToken: _meta.progressToken,
          progress: step,
          total,
          message: `Step ${step} of ${total}`,
        },
      });
    }
  }
  return steps;
}

function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal.addEventListener("abort", end);
    if (signal.aborted) end();
  });
}

async function readJson(request: Request): Promise<unknown> {
  try {
    return await request.json();
  } catch {
    return undefined;
  }
}

function calledTool(
  message: unknown,
): { name: string; arguments: Record<string, unknown> } | undefined {
  const call = z.object({
    method: z.literal("tools/call"),
    params: z.object({
      name: z.string(),
      arguments: z.record(z.string(), z.unknown()).default({}),
    }),
  }).safeParse(message);
  return call.success ? call.data.params : undefined;
}

/** Ends an answer's body, neatly but too early, when the signal says so. */
function endAt(signal: AbortSignal, response: Response): Response {
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
  void response.body?.pipeTo(writable, { signal, preventAbort: true })
    .catch(() => writable.close())
    .catch(() => {});
  return new Response(readable, response);
}

const HELP = `An MCP server to try AutoMCP on.

deno run -A examples/demo_server.ts [PORT=9200]

Tools: add, count, flaky, charge, ledger, cut.
Resources: demo://ledger, demo://charges/{id}. Prompt: reminder.
`;

if (import.meta.main) {
  const [argument = "9200"] = Deno.args;
  const port = Number(argument);
  if (argument === "--help" || argument === "-h") {
    console.log(HELP);
    Deno.exit(0);
  }
  if (!Number.isInteger(port) || port < 0 || port > 65_535) {
    console.error(`PORT must be 0 to 65535: current value is ${argument}\n\n${HELP}`);
    Deno.exit(2);
  }
  const demo = createDemoServer();
  Deno.serve({
    hostname: "127.0.0.1",
    port,
    onListen({ port }) {
      console.log(`Demo MCP server: http://127.0.0.1:${port}/mcp`);
      console.log(`Its ledger:      http://127.0.0.1:${port}/ledger`);
    },
  }, (request) =>
    // A page of another site must not reach a server on this machine (DNS rebinding).
    hostHeaderValidationResponse(request, localhostAllowedHostnames()) ??
      originValidationResponse(request, localhostAllowedOrigins()) ??
      demo.fetch(request));
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    Deno.addSignalListener(signal, () => void demo.close().finally(() => Deno.exit(0)));
  }
}
