/**
 * A small legacy MCP server over stdio. Tools: `add`, `count` and `cut` as the demo server has them,
 * but that `cut` ends the process; `exit` ends it at once, `burst` writes its progress and its result
 * at once, `flood` writes a line of 64 MiB, `text` answers with as many characters as it is asked for,
 * `change` says that the tools have changed, `pid` answers with the process id. With
 * `--exit-on-probe` it ends as soon as it is asked something before the handshake, as some servers do;
 * with `--log=FILE` it writes down all messages that it gets.
 */
interface Message {
  readonly id?: number | string;
  readonly method?: string;
  readonly params?: {
    readonly name?: string;
    readonly arguments?: Readonly<Record<string, number>>;
    readonly requestId?: number | string;
    readonly _meta?: { readonly progressToken?: number };
  };
}

const LOG = Deno.args.find((arg) => arg.startsWith("--log="))?.slice("--log=".length);
const running = new Map<unknown, AbortController>();
const numbers = (...names: string[]) => ({
  type: "object",
  properties: Object.fromEntries(names.map((name) => [name, { type: "number" }])),
  required: names,
});

function write(...messages: object[]): void {
  const text = messages.map((message) => `${JSON.stringify({ jsonrpc: "2.0", ...message })}\n`);
  Deno.stdout.writeSync(new TextEncoder().encode(text.join("")));
}

function progress(message: Message, progress: number, total: number): object {
  const progressToken = message.params?._meta?.progressToken;
  return { method: "notifications/progress", params: { progressToken, progress, total } };
}

/** Counts with a report per step; returns whether it came to its end. */
async function count(message: Message, steps: number, delayMs: number): Promise<boolean> {
  const abort = new AbortController();
  running.set(message.id, abort);
  for (let step = 1; step <= steps; step++) {
    await new Promise((resolve) => setTimeout(resolve, delayMs));
    if (abort.signal.aborted) break;
    write(progress(message, step, steps));
  }
  return running.delete(message.id) && !abort.signal.aborted;
}

async function handle(message: Message): Promise<void> {
  const { id, method, params } = message;
  const answer = (result: object): void => write({ id, result });
  const text = (text: string) => ({ content: [{ type: "text", text }] });
  const data = (value: object) => ({ ...text(JSON.stringify(value)), structuredContent: value });
  const args = params?.arguments ?? {};
  switch (params?.name ?? method) {
    case "initialize":
      return answer({
        protocolVersion: "2025-11-25",
        capabilities: { tools: {} },
        serverInfo: { name: "small", version: "1.0.0" },
      });
    case "ping":
      return answer({});
    case "tools/list":
      return answer({
        tools: [
          { name: "add", inputSchema: numbers("a", "b") },
          { name: "count", inputSchema: numbers("steps", "delayMs") },
          { name: "cut", inputSchema: numbers("afterSteps") },
        ],
      });
    case "notifications/cancelled":
      return running.get(params?.requestId)?.abort();
    case "add": {
      const sum = args["a"]! + args["b"]!;
      return answer(isFinite(sum) ? data({ sum }) : { ...text("Too large"), isError: true });
    }
    case "count": {
      const counted = args["steps"]!;
      if (await count(message, counted, args["delayMs"]!)) answer(data({ counted }));
      return;
    }
    case "cut":
      await count(message, args["afterSteps"]!, 50);
      return Deno.exit(3);
    case "exit":
      return Deno.exit(3);
    case "burst":
      return write(
        ...[1, 2, 3].map((step) => progress(message, step, 3)),
        { id, result: text("done") },
      );
    case "flood": {
      const bytes = new Uint8Array(2 ** 20).fill(120);
      for (let mebibyte = 0; mebibyte < 64; mebibyte++) {
        for (let start = 0; start < bytes.length;) {
          start += await Deno.stdout.write(bytes.subarray(start));
        }
      }
      return;
    }
    case "text":
      return answer(text("x".repeat(args["length"]!)));
    case "change":
      return write({ method: "notifications/tools/list_changed" }, { id, result: text("done") });
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
  for (const line of lines) {
    if (LOG !== undefined) Deno.writeTextFileSync(LOG, `${line}\n`, { append: true });
    void handle(JSON.parse(line));
  }
}
