import type { AuthProvider, OAuthClientProvider } from "@modelcontextprotocol/client";
import type { Connector } from "../client/ports.ts";
import { type OptionRules, resolveOptions } from "../errors/misuse.ts";
import { type Clock, systemClock } from "../resilience/clock.ts";
import { ModernCaller } from "./modern_caller.ts";
import { openConnection } from "./open.ts";
import { shareRefresh } from "./refresh.ts";
import { UpstreamTransport, type UpstreamTransportOptions } from "./transport.ts";

/** Where an MCP server is, and how to talk to it. */
export interface McpConnectorOptions {
  /** The server's endpoint, absolute, `http:` or `https:`, without credentials in it. */
  readonly url: string | URL;
  /**
   * Names the server in errors, events and stats.
   *
   * @default {new URL(options.url).host}
   */
  readonly name?: string;
  /** Headers of every request, as `Authorization`. The protocol's own cannot be replaced. */
  readonly headers?: Readonly<Record<string, string>>;
  /**
   * Gets and renews credentials: the SDK's `AuthProvider` or `OAuthClientProvider`. What needs a user
   * to log in first fails with `unauthorized`; finish the login with the SDK's `auth()`, call again.
   */
  readonly authProvider?: AuthProvider | OAuthClientProvider;
  /**
   * Which era the server belongs to. `"auto"` asks it once per connection and remembers a legacy
   * server; `"legacy"` does not ask.
   *
   * @default {"auto"}
   */
  readonly era?: "auto" | "legacy";
  /**
   * The longest answer that is read, in bytes, >= 1; of a stream it counts for each message. A longer
   * one fails with `protocol_error`; `Infinity` reads everything.
   *
   * @default {16777216}
   */
  readonly maxAnswerBytes?: number;
  /**
   * How long the head of an answer may take that needs no work, in milliseconds, > 0: that of a list
   * of tools, and of the questions that make and check a connection. A call may take longer, since
   * many servers send the head with the result. `Infinity` leaves it to the deadline.
   *
   * @default {15000}
   */
  readonly headersTimeoutMs?: number;
  /**
   * How long an event stream may be silent, in milliseconds, > 0, before its server counts as gone;
   * every byte starts it anew, also that of a comment. `Infinity` leaves it to the deadline.
   *
   * @default {60000}
   */
  readonly bytesIdleTimeoutMs?: number;
  /**
   * Whether 503 with a valid `Retry-After` proves that nothing ran. Set `false` for a gateway that
   * answers so after running the operation.
   *
   * @default {true}
   */
  readonly treat503AsNotExecuted?: boolean;
  /**
   * Sends the requests.
   *
   * @default {globalThis.fetch}
   */
  readonly fetch?: typeof globalThis.fetch;
  /**
   * Measures time.
   *
   * @default {systemClock}
   */
  readonly clock?: Clock;
}

const RULES: OptionRules<McpConnectorOptions> = {
  url: {},
  name: { type: "string" },
  headers: { preset: {}, type: "object" },
  authProvider: { type: "object" },
  era: { preset: "auto", oneOf: ["auto", "legacy"] },
  maxAnswerBytes: { preset: 16 * 2 ** 20, min: 1, integer: true },
  headersTimeoutMs: { preset: 15_000, min: 0, above: true },
  bytesIdleTimeoutMs: { preset: 60_000, min: 0, above: true },
  treat503AsNotExecuted: { preset: true, type: "boolean" },
  fetch: { type: "function" },
  clock: { preset: systemClock, type: "object" },
};
const ACT = "create an MCP connector";

/**
 * Creates a connector to an MCP server over Streamable HTTP. It speaks both eras: protocol
 * 2026-07-28 and later without sessions, earlier revisions with them.
 *
 * A connection settles every request as soon as its answer can no longer come, tells from the wire
 * what is proved about it, and never sends an operation twice by itself.
 *
 * @param options Where the server is.
 * @returns A connector for the configuration of an `AutoMCPClient`.
 * @throws {TypeError} If an option is unknown, missing or malformed.
 * @throws {RangeError} If `maxAnswerBytes` is below 1 or not whole, or a timeout is not above 0.
 *
 * @example A connector with a credential
 * ```ts
 * import { createMcpConnector } from "@automcp/client/mcp";
 * import { assertEquals } from "@std/assert";
 *
 * const connector = createMcpConnector({
 *   url: "https://files.example/mcp",
 *   headers: { Authorization: "Bearer token" },
 * });
 * assertEquals(connector.name, "files.example");
 * ```
 */
export function createMcpConnector(options: McpConnectorOptions): Connector {
  type Resolved = Required<McpConnectorOptions>;
  const resolved = resolveOptions<Resolved, McpConnectorOptions>(ACT, options, RULES);
  const { treat503AsNotExecuted, era } = resolved;
  const { clock, maxAnswerBytes, headersTimeoutMs, bytesIdleTimeoutMs } = resolved;
  const authProvider = options.authProvider && shareRefresh(options.authProvider);
  const url = resolveUrl(options.url);
  const headers = checkHeaders(resolved.headers);
  const wire: UpstreamTransportOptions = {
    // The global function is looked up at each call and called without a receiver of ours.
    fetch: options.fetch ?? ((input, init) => globalThis.fetch(input, init)),
    ...{ clock, maxAnswerBytes, headersTimeoutMs, bytesIdleTimeoutMs },
    headers,
    ...(authProvider !== undefined && { authProvider }),
  };
  const createCaller = authProvider === undefined
    ? (version: string) => new ModernCaller(url, wire, version)
    : undefined;
  let legacy = era === "legacy";
  return {
    name: options.name ?? url.host,
    async connect(limits) {
      limits.signal.throwIfAborted();
      const transport = new UpstreamTransport(url, wire);
      const endSession = () => transport.endSession();
      try {
        const connection = await openConnection(
          transport,
          { legacy, treat503AsNotExecuted, endSession, ...(createCaller && { createCaller }) },
          limits,
        );
        // A modern server is asked again: that costs one request and proves that it is there.
        legacy = connection.era === "legacy";
        return connection;
      } catch (error) {
        legacy = era === "legacy";
        throw error;
      }
    },
  };
}

function resolveUrl(value: unknown): URL {
  const text = String(value);
  const url = URL.parse(text);
  const ofHttp = url?.protocol === "http:" || url?.protocol === "https:";
  if (url === null || !ofHttp) {
    // What stands before an "@" may be a password.
    const shown = text.includes("@") ? "not shown" : text;
    return refuse("url", "an absolute http: or https: URL", shown);
  }
  if (url.username === "" && url.password === "") return url;
  return refuse("url", "without credentials", "not shown");
}

function checkHeaders(headers: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  try {
    return Object.fromEntries(new Headers(headers));
  } catch {
    return refuse("headers", "names and values of HTTP headers", "not shown");
  }
}

function refuse(name: string, requirement: string, value: unknown): never {
  throw new TypeError(
    `Cannot ${ACT} as '${name}' must be ${requirement}: current value is ${String(value)}`,
  );
}
