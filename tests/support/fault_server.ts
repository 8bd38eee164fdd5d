/** An MCP server on a raw socket whose answers to `tools/call` are written byte by byte. */

/** What a connection's request is. */
export interface WireRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: Headers;
  /** The JSON-RPC message of a POST. */
  readonly message?: { id?: number | string; method?: string; params?: Record<string, unknown> };
}

/** One request and the socket that it came on. */
export interface FaultExchange {
  readonly request: WireRequest;
  /** The request's id as JSON. */
  readonly id: string;
  /** Writes bytes, or a text as UTF-8. */
  write(data: string | Uint8Array): Promise<void>;
  /** Writes a whole answer. */
  answer(status: number, type: string, body: string, headers?: string): Promise<void>;
  /** Opens an event stream that ends with the socket. */
  stream(...events: string[]): Promise<void>;
  /** Settles once the peer has closed the connection. */
  gone(): Promise<void>;
}

/** Handles a request; the socket is closed when it is done, unless it returns `"keep"`. */
export type FaultHandler = (exchange: FaultExchange) => Promise<unknown>;

/** How a fault server behaves. */
export interface FaultServerOptions {
  readonly era: "modern" | "legacy";
  /** Whether the legacy handshake hands out a session. */
  readonly session?: boolean;
  /** Whether connections are kept open between requests; `true` without it. */
  readonly keepAlive?: boolean;
  /** By JSON-RPC method, or by HTTP method for a request without one; read at each request. */
  readonly handlers?: Readonly<Record<string, FaultHandler>>;
}

/** A running fault server. */
export interface FaultServer extends AsyncDisposable {
  readonly url: string;
  /** Every request that arrived, in order. */
  readonly requests: readonly WireRequest[];
  /** How many requests are being answered now, streams that stay open included. */
  readonly open: number;
  /** How many requests with this method arrived. */
  count(method: string): number;
}

/** A result of `tools/call` that both eras take. */
export const RESULT = `{"resultType":"complete","content":[{"type":"text","text":"done"}]}`;

const INFO = `{"name":"fault","version":"1.0.0"}`;
/** A result of `server/discover`. */
export const DISCOVERED = `{"resultType":"complete","ttlMs":0,"cacheScope":"private",` +
  `"supportedVersions":["2026-07-28"],"capabilities":{"tools":{}},` +
  `"_meta":{"io.modelcontextprotocol/serverInfo":${INFO}}}`;

/** Starts a fault server on a free port. */
export function startFaultServer(options: FaultServerOptions): FaultServer {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const requests: WireRequest[] = [];
  const sockets = new Set<Deno.Conn>();
  let open = 0;
  let ended = false;
  const defaults = createDefaults(options);
  const pick = (name: string): FaultHandler | undefined => {
    const handler = options.handlers?.[name] ?? defaults[name];
    return handler && (async (exchange) => {
      open++;
      await handler(exchange).finally(() => open--);
    });
  };
  const serving = (async () => {
    const running = new Set<Promise<void>>();
    for await (const socket of listener) {
      sockets.add(socket);
      const done = serve(socket, requests, pick, options.keepAlive ?? true).catch(() => {})
        .finally(() => {
          sockets.delete(socket);
          close(socket);
          running.delete(done);
        });
      running.add(done);
    }
    await Promise.all(running);
  })();
  return {
    url: `http://127.0.0.1:${listener.addr.port}/mcp`,
    requests,
    get open() {
      return open;
    },
    count: (method) =>
      requests.filter((request) => (request.message?.method ?? request.method) === method).length,
    async [Symbol.asyncDispose]() {
      if (!ended) listener.close();
      ended = true;
      for (const socket of sockets) close(socket);
      await serving;
    },
  };
}

/** How a server answers where its options say nothing, by method. */
export function createDefaults(
  { era, session = true }: FaultServerOptions,
): Record<string, FaultHandler> {
  const json = ({ answer, id }: FaultExchange, result: string, headers?: string) =>
    answer(200, "application/json", `{"jsonrpc":"2.0","id":${id},"result":${result}}`, headers);
  const shared: Record<string, FaultHandler> = {
    "notifications/initialized": ({ answer }) => answer(202, "", ""),
    "notifications/cancelled": ({ answer }) => answer(202, "", ""),
    "tools/list": (exchange) =>
      json(
        exchange,
        `{"resultType":"complete","ttlMs":5000,"cacheScope":"private","tools":[
          {"name":"act","inputSchema":{"type":"object"}}]}`.replace(/\s*\n\s*/, ""),
      ),
    "tools/call": (exchange) => json(exchange, RESULT),
    DELETE: ({ answer }) => answer(200, "", ""),
    GET: ({ answer }) => answer(405, "", ""),
  };
  if (era === "modern") {
    return {
      ...shared,
      "server/discover": (exchange) => json(exchange, DISCOVERED),
    };
  }
  return {
    ...shared,
    "server/discover": ({ answer }) =>
      answer(
        400,
        "application/json",
        `{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"No session"}}`,
      ),
    initialize: (exchange) =>
      json(
        exchange,
        `{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":${INFO}}`,
        session ? "mcp-session-id: s1\r\n" : "",
      ),
    ping: (exchange) => json(exchange, "{}"),
  };
}

async function serve(
  socket: Deno.Conn,
  requests: WireRequest[],
  pick: (name: string) => FaultHandler | undefined,
  keepAlive: boolean,
): Promise<void> {
  const encoder = new TextEncoder();
  const write = async (data: string | Uint8Array): Promise<void> => {
    for (let bytes = typeof data === "string" ? encoder.encode(data) : data; bytes.length > 0;) {
      bytes = bytes.subarray(await socket.write(bytes));
    }
  };
  for (let input = ""; true;) {
    const [request, rest] = await readRequest(socket, input);
    input = rest;
    requests.push(request);
    const handler = pick(request.message?.method ?? request.method);
    if (handler === undefined) return;
    let kept = false;
    await handler({
      request,
      id: JSON.stringify(request.message?.id ?? null),
      write,
      async answer(status, type, body, headers = "") {
        kept = keepAlive;
        const length = encoder.encode(body).length;
        await write(
          `HTTP/1.1 ${status} x\r\n${type && `content-type: ${type}\r\n`}${headers}` +
            `connection: ${
              keepAlive ? "keep-alive" : "close"
            }\r\ncontent-length: ${length}\r\n\r\n${body}`,
        );
      },
      stream: (...events) =>
        write(
          `HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n` +
            events.map((event) => `${event}\n\n`).join(""),
        ),
      async gone() {
        while (await socket.read(new Uint8Array(1024)) !== null);
      },
    });
    if (!kept) return;
  }
}

async function readRequest(socket: Deno.Conn, input: string): Promise<[WireRequest, string]> {
  const decoder = new TextDecoder("latin1");
  const buffer = new Uint8Array(65_536);
  const more = async (): Promise<void> => {
    const size = await socket.read(buffer);
    if (size === null) throw new Error("The peer has closed the connection");
    input += decoder.decode(buffer.subarray(0, size));
  };
  while (!input.includes("\r\n\r\n")) await more();
  const [line = "", ...fields] = input.slice(0, input.indexOf("\r\n\r\n")).split("\r\n");
  const headers = new Headers(
    fields.map((field) => field.split(/:\s*(.*)/s).slice(0, 2) as [string, string]),
  );
  input = input.slice(input.indexOf("\r\n\r\n") + 4);
  let body = "";
  if (headers.get("transfer-encoding") === "chunked") {
    while (!/(?:^|\r\n)0\r\n\r\n/.test(input)) await more();
    for (let size = -1; size !== 0;) {
      size = parseInt(input, 16);
      const start = input.indexOf("\r\n") + 2;
      body += input.slice(start, start + size);
      input = input.slice(start + size + 2);
    }
  } else {
    const length = Number(headers.get("content-length") ?? 0);
    while (input.length < length) await more();
    body = input.slice(0, length);
    input = input.slice(length);
  }
  const [method = "", path = ""] = line.split(" ");
  return [{ method, path, headers, ...(body !== "" && { message: JSON.parse(body) }) }, input];
}

function close(socket: Deno.Conn): void {
  try {
    socket.close();
  } catch {
    // It was closed before.
  }
}
