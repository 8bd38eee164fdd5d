/** Resources and prompts through the whole client: repeated without anybody's word, and asked for. */
import {
  createMcpHandler,
  inputRequired,
  inputResponse,
  McpServer,
} from "@modelcontextprotocol/server";
import { assertEquals } from "@std/assert";
import { z } from "zod";
import { AutoMCPClient } from "../../src/client/client.ts";
import type { GroupConfig } from "../../src/client/config.ts";
import { isClientError } from "../../src/errors/errors.ts";
import {
  createMcpConnector,
  type FormAnswer,
  type McpConnectorOptions,
} from "../../src/mcp/mod.ts";

/** A server of the official SDK that breaks off what it is asked for, as often as it is told to. */
function serve(breaks: number) {
  const seen: string[] = [];
  const handler = createMcpHandler(() => {
    const server = new McpServer({ name: "files", version: "1.0.0" });
    server.registerResource("note", "demo://note", {}, ({ href }) => ({
      contents: [{ uri: href, text: "kept" }],
    }));
    server.registerPrompt(
      "greet",
      { argsSchema: z.object({ mood: z.string() }) },
      (args, context) => {
        const answer = inputResponse(context.mcpReq.inputResponses, "who");
        if (answer.kind !== "elicit") {
          const ask = { message: "Who?", requestedSchema: z.object({ name: z.string() }) };
          return inputRequired({ inputRequests: { who: inputRequired.elicit(ask) } });
        }
        const text = `Greet ${answer.content?.["name"]}, ${args.mood}.`;
        return { messages: [{ role: "user", content: { type: "text", text } }] };
      },
    );
    return server;
  }, { legacy: "stateless" });
  let left = breaks;
  const http = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    if (request.method !== "POST") return await handler.fetch(request);
    const parsedBody = await request.json();
    const { method } = parsedBody;
    seen.push(method);
    const response = await handler.fetch(request, { parsedBody });
    if (!/read|get/.test(method) || left-- <= 0) return response;
    await response.body?.cancel();
    return new Response("", { headers: { "content-type": "text/event-stream" } });
  });
  return {
    url: `http://127.0.0.1:${http.addr.port}/mcp`,
    count: (method: string) => seen.filter((one) => one === method).length,
    async [Symbol.asyncDispose]() {
      await handler.close();
      await http.shutdown();
    },
  };
}

function connect(options: McpConnectorOptions, config: Omit<GroupConfig, "connector"> = {}) {
  const connector = createMcpConnector(options);
  const client = new AutoMCPClient("t", { groups: { g: { connector, ...config } } });
  return Object.assign(client.group("g"), { [Symbol.asyncDispose]: () => client.close() });
}

for (const era of ["auto", "legacy"] as const) {
  Deno.test(`resources/read that broke is read again, though nobody is trusted, ${era}`, async () => {
    await using server = serve(1);
    await using group = connect({ url: server.url, era });
    const { content, attempts } = await group.execute("resources/read", { uri: "demo://note" });
    assertEquals([content[0]?.["resource"], attempts], [{ uri: "demo://note", text: "kept" }, 2]);
    assertEquals(server.count("resources/read"), 2);
  });

  Deno.test(`resources/read that is configured as unsafe is sent once, ${era}`, async () => {
    await using server = serve(1);
    const operations = { "resources/read": { effect: "unsafe" } } as const;
    await using group = connect({ url: server.url, era }, { operations });
    const error = await group.execute("resources/read", { uri: "demo://note" }).catch((thrown) =>
      thrown
    );
    assertEquals(isClientError(error) && [error.code, error.attempts], ["outcome_unknown", 1]);
    assertEquals(server.count("resources/read"), 1);
  });
}

for (const way of ["of its own", "by the SDK"] as const) {
  Deno.test(`prompts/get gets what the server asks for, ${way}`, async () => {
    await using server = serve(0);
    const form = (): FormAnswer => ({ action: "accept", content: { name: "Ada" } });
    const authProvider = { token: () => Promise.resolve("t") };
    await using group = connect({
      url: server.url,
      input: { form },
      ...(way === "by the SDK" && { authProvider }),
    });
    const prompt = { name: "greet", arguments: { mood: "warmly" } };
    const { content, attempts } = await group.execute("prompts/get", prompt);
    assertEquals([content[0]?.["text"], attempts], ["Greet Ada, warmly.", 1]);
    assertEquals(server.count("prompts/get"), 2);
  });
}
