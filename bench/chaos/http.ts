import type { VirtualClock } from "./clock.ts";
import { parseCredential } from "./credentials.ts";
import { Exchange } from "./exchange.ts";
import { type ClientMessage, RESULTS, toEvent, toToolResult } from "./protocol.ts";
import type { Era } from "../../src/client/ports.ts";
import type { Reply, ServerModel } from "./server.ts";
import type { Refusal } from "./scenario.ts";
import { Traffic } from "./traffic.ts";

/** Where a server model pretends to be. */
export function toModelUrl(server: number): string {
  return `http://model-${server}.test/mcp`;
}

/** The server model behind `fetch`: MCP over HTTP, with JSON answers and event streams. */
export class ModelNetwork {
  /** What goes over it, and over all networks that share it. */
  readonly traffic: Traffic;
  readonly #clock: VirtualClock;
  readonly #server: ServerModel;
  readonly #era: Era;
  readonly #sessions = new Map<string, Map<ClientMessage["id"], () => void>>();
  #sessionCount = 0;

  constructor(clock: VirtualClock, server: ServerModel, era: Era, traffic = new Traffic()) {
    this.#clock = clock;
    this.#server = server;
    this.#era = era;
    this.traffic = traffic;
    server.onCrash = () => {
      traffic.lostSessions += this.#sessions.size;
      this.#sessions.clear();
    };
  }

  /** As the runtime's `fetch`, to the model alone. */
  readonly fetch: typeof globalThis.fetch = async (_, init = {}) => {
    const signal = init.signal ?? undefined;
    signal?.throwIfAborted();
    const { body } = init;
    const text = typeof body === "string" ? body : await new Response(body ?? null).text();
    signal?.throwIfAborted();
    this.traffic.open();
    const exchange = new Exchange(this.#clock, signal, () => this.traffic.end());
    exchange.reach(() =>
      this.#receive(exchange, init.method ?? "GET", new Headers(init.headers), text)
    );
    return await exchange.response;
  };

  #receive(exchange: Exchange, method: string, headers: Headers, text: string): void {
    const message: ClientMessage = text === "" ? {} : JSON.parse(text);
    const isCall = message.method === "tools/call";
    if (isCall || this.#server.isDown) this.traffic.sendsMs.push(this.#clock.now());
    if (this.#server.isDown) {
      const call = message.params?.arguments?.call ?? -1;
      const { trace } = this.#server.journal;
      trace.push({ atMs: this.#clock.now(), call, what: "connection refused" });
      return exchange.fail(createRefusal());
    }
    if (!this.#server.accepts(parseCredential(headers.get("authorization")))) {
      return exchange.answer(401, "", { "www-authenticate": "Bearer" });
    }
    if (method === "DELETE") return exchange.answer(200, null);
    if (method !== "POST") return exchange.answer(405, null);
    if (!this.#admits(exchange, headers, message)) return;
    if (isCall) return this.#call(exchange, message, headers.get("mcp-session-id"));
    if (message.id === undefined) {
      this.#hear(message, headers.get("mcp-session-id"));
      return exchange.answer(202, null);
    }
    this.#tell(exchange, message);
  }

  /** Answers a legacy request outside of a session, and says whether it was inside. */
  #admits(exchange: Exchange, headers: Headers, { method, id }: ClientMessage): boolean {
    if (this.#era !== "legacy" || method === "initialize") return true;
    const session = headers.get("mcp-session-id");
    if (session !== null && this.#sessions.has(session)) return true;
    const [status, code] = session === null ? [400, -32000] : [404, -32001];
    const error = { code, message: "No session" };
    answerJson(exchange, status, { jsonrpc: "2.0", id: id ?? null, error });
    return false;
  }

  /** Legacy clients do not hang up, they say that they are no longer interested. */
  #hear({ method, params }: ClientMessage, session: string | null): void {
    if (method !== "notifications/cancelled") return;
    this.#sessions.get(session ?? "")?.get(params?.requestId)?.();
  }

  #tell(exchange: Exchange, { method = "", id }: ClientMessage): void {
    const result = RESULTS[method];
    if (result === undefined) {
      const error = { code: -32601, message: "Method not found" };
      return answerJson(exchange, 200, { jsonrpc: "2.0", id, error });
    }
    const headers: Record<string, string> = {};
    if (method === "initialize") {
      const session = `session-${++this.#sessionCount}`;
      this.traffic.initializes++;
      this.#sessions.set(session, new Map());
      headers["mcp-session-id"] = session;
    }
    answerJson(exchange, 200, { jsonrpc: "2.0", id, result }, headers);
  }

  #call(exchange: Exchange, { id, params }: ClientMessage, session: string | null): void {
    const call = params?.arguments?.call ?? -1;
    const progressToken = params?._meta?.progressToken;
    const running = this.#sessions.get(session ?? "");
    const ended = (): void => void running?.delete(id);
    const reply: Reply = {
      accept: () => exchange.open(),
      refuse: (refusal) => exchange.answer(refusal.status, "", this.#toWait(refusal)),
      progress: (share, from = 0, count = 1) => {
        if (progressToken === undefined) return;
        const events = Array.from({ length: count }, (_, at) => {
          const progress = from + (share - from) * (at + 1) / count;
          const report = { progressToken, progress, total: 1 };
          return toEvent({ method: "notifications/progress", params: report });
        });
        exchange.write(events.join(""));
      },
      comment: () => exchange.write(": still there\n\n"),
      result: (padBytes) => {
        ended();
        exchange.finish(toEvent({ id, result: toToolResult(call, padBytes) }));
      },
      end: () => {
        ended();
        exchange.finish("");
      },
      reset: () => {
        ended();
        exchange.fail(createReset());
      },
    };
    const onGone = this.#server.receive(call, reply);
    exchange.onGone = onGone;
    running?.set(id, onGone);
  }

  /** A date says when by the server's clock, which it states as well. */
  #toWait({ retryAfterSeconds, asDate = false }: Refusal): Record<string, string> {
    if (!asDate) return { "retry-after": String(retryAfterSeconds) };
    const wallMs = this.#clock.trueWall();
    const at = new Date(wallMs + retryAfterSeconds * 1_000);
    return { date: new Date(wallMs).toUTCString(), "retry-after": at.toUTCString() };
  }
}

function answerJson(
  exchange: Exchange,
  status: number,
  message: unknown,
  headers: Record<string, string> = {},
): void {
  exchange.answer(status, JSON.stringify(message), {
    "content-type": "application/json",
    ...headers,
  });
}

/** The errors of Deno's `fetch`, which AutoMCP and p-retry know by their texts. */
function createRefusal(): TypeError {
  const cause = new Error("client error (Connect): tcp connect error: Connection refused");
  return new TypeError(`error sending request for url (http://model.test/)`, { cause });
}

function createReset(): TypeError {
  const cause = new Error("client error (SendRequest): connection error: Connection reset by peer");
  return new TypeError(`error sending request for url (http://model.test/)`, { cause });
}
