/**
 * A small legacy MCP server over stdio. Tools: `exit` ends the process, `burst` writes its progress
 * and its result at once, `pid` answers with the process id. With `--exit-on-probe` it ends as soon
 * as it is asked something before the handshake, as some servers do.
 */
interface Message {
  readonly id?: number | string;
  readonly method?: string;
  readonly params?: {
    readonly name?: string;
    readonly _meta?: { readonly progressToken?: number };
  };
}

function write(...messages: object[]): void {
  const text = messages.map((message) => `${JSON.stringify({ jsonrpc: "2.0", ...message })}\n`);
  Deno.stdout.writeSync(new TextEncoder().encode(text.join("")));
}

function handle({ id, method, params }: Message): void {
  const answer = (result: object): void => write({ id, result });
  const text = (text: string) => ({ content: [{ type: "text", text }] });
  switch (params?.name ?? method) {
    case "initialize":
      return answer({
        protocolVersion: "2025-11-25",
        capabilities: { tools: {} },
        serverInfo: { name: "small", version: "1.0.0" },
      });
    case "exit":
      return Deno.exit(3);
    case "burst":
      return write(
        ...[1, 2, 3].map((progress) => ({
          method: "notifications/progress",
          params: { progressToken: params?._meta?.progressToken, progress },
        })),
        { id, result: text("done") },
      );
    case "pid":
      return answer(text(String(Deno.pid)));
    default:
      if (method === "server/discover" && Deno.args.includes("--exit-on-probe")) Deno.exit(4);
      if (id !== undefined) write({ id, error: { code: -32601, message: "Unknown method" } });
  }
}

let input = "";
for await (const chunk of Deno.stdin.readable.pipeThrough(new TextDecoderStream())) {
  const lines = (input + chunk).split("\n");
  input = lines.pop() ?? "";
  for (const line of lines) handle(JSON.parse(line));
}
