/** A server, made with the official SDK, whose tools ask before they answer; both eras at `/mcp`. */
import {
  acceptedContent,
  createMcpHandler,
  inputRequired,
  inputResponse,
  isLegacyRequest,
  McpServer,
  WebStandardStreamableHTTPServerTransport,
} from "@modelcontextprotocol/server";
import { z } from "zod";

/** A running server whose tools ask. */
export interface InputServer extends AsyncDisposable {
  readonly url: string;
  /** How often a tool came to its end, by name. */
  readonly ran: Readonly<Record<string, number>>;
  /** Every `tools/call` that arrived, in order. */
  readonly calls: readonly {
    readonly id: unknown;
    readonly params: Record<string, unknown>;
  }[];
  /** Refuses the next `tools/call` that carries answers with 429. */
  refuseNextRound(): void;
  /** Breaks the connection after the next `tools/call` that carries answers has been executed. */
  cutNextRound(): void;
}

const PERSON = z.object({ name: z.string(), age: z.int().default(36) });

/** Creates what serves one connection. */
export function createInputServer(ran: Record<string, number> = {}): McpServer {
  const server = new McpServer({ name: "asking", version: "1.0.0" });
  const done = (tool: string, data: unknown) => {
    ran[tool] = (ran[tool] ?? 0) + 1;
    return { content: [{ type: "text" as const, text: JSON.stringify(data) }] };
  };
  server.registerTool("greet", {}, (context) => {
    const answer = inputResponse(context.mcpReq.inputResponses, "who");
    if (answer.kind === "missing") {
      const ask = { message: "Who are you?", requestedSchema: PERSON };
      return inputRequired({ inputRequests: { who: inputRequired.elicit(ask) } });
    }
    return done("greet", answer.kind === "elicit" ? answer : {});
  });
  server.registerTool("everything", {}, (context) => {
    const { inputResponses } = context.mcpReq;
    const keys = ["who", "page", "words", "folders"];
    const answers = keys.map((key) => inputResponse(inputResponses, key));
    if (answers.every(({ kind }) => kind !== "missing")) return done("everything", answers);
    return inputRequired({
      inputRequests: {
        who: inputRequired.elicit({ message: "Who?", requestedSchema: PERSON }),
        page: inputRequired.elicitUrl({ message: "Log in", url: "https://login.example/" }),
        words: inputRequired.createMessage({
          messages: [{ role: "user", content: { type: "text", text: "Hi" } }],
          maxTokens: 10,
        }),
        folders: inputRequired.listRoots(),
      },
    });
  });
  server.registerTool("chain", { inputSchema: z.object({ rounds: z.int() }) }, (args, context) => {
    const round = Number(context.mcpReq.requestState<string>() ?? "0");
    if (round >= args.rounds) return done("chain", { round });
    const { inputResponses } = context.mcpReq;
    const asked = acceptedContent(inputResponses, `who${round}`) ?? {};
    const requestState = String(round + 1);
    // Every other time it only gives its state to keep.
    if (round % 2 === 1) return inputRequired({ requestState });
    const ask = { message: `Who ${round}? ${JSON.stringify(asked)}`, requestedSchema: PERSON };
    return inputRequired({
      requestState,
      inputRequests: { [`who${round + 1}`]: inputRequired.elicit(ask) },
    });
  });
  return server;
}

/** Starts such a server. */
export function startInputServer(): InputServer {
  const ran: Record<string, number> = {};
  const calls: { id: unknown; params: Record<string, unknown> }[] = [];
  const sessions = new Map<string, WebStandardStreamableHTTPServerTransport>();
  const modern = createMcpHandler(() => createInputServer(ran), { legacy: "reject" });
  let refuses = false;
  let cuts = false;
  async function serveLegacy(request: Request, parsedBody: unknown): Promise<Response> {
    const known = sessions.get(request.headers.get("mcp-session-id") ?? "");
    if (known !== undefined) return await known.handleRequest(request, { parsedBody });
    const transport = new WebStandardStreamableHTTPServerTransport({
      sessionIdGenerator: () => crypto.randomUUID(),
      onsessioninitialized: (id) => void sessions.set(id, transport),
    });
    await createInputServer(ran).connect(transport);
    return await transport.handleRequest(request, { parsedBody });
  }
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    const body = request.method === "POST" ? await request.json() : undefined;
    const answers = body?.method === "tools/call" && "inputResponses" in body.params;
    if (body?.method === "tools/call") calls.push({ id: body.id, params: body.params });
    if (answers && refuses) {
      refuses = false;
      return new Response(null, { status: 429, headers: { "retry-after": "0" } });
    }
    const response = await isLegacyRequest(request, body)
      ? await serveLegacy(request, body)
      : await modern.fetch(request, { parsedBody: body });
    if (!answers || !cuts) return response;
    cuts = false;
    await response.body?.cancel();
    return new Response("", { headers: { "content-type": "text/event-stream" } });
  });
  return {
    url: `http://127.0.0.1:${server.addr.port}/mcp`,
    ran,
    calls,
    refuseNextRound: () => void (refuses = true),
    cutNextRound: () => void (cuts = true),
    async [Symbol.asyncDispose]() {
      await Promise.all([modern.close(), ...[...sessions.values()].map((one) => one.close())]);
      await server.shutdown();
    },
  };
}
