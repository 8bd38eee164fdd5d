import type { AuthProvider, OAuthClientProvider } from "@modelcontextprotocol/client";
import type { Connection, ConnectOptions, Connector } from "../client/ports.ts";
import { concludeError } from "../errors/conclude.ts";
import { checkOptions, checkValue, type OptionRules, resolveOptions } from "../errors/misuse.ts";
import { type Clock, systemClock, systemRandom } from "../resilience/clock.ts";
import { SharedCredentials } from "./credentials.ts";
import { EraMemory, type McpPrior } from "./era.ts";
import { INPUT_RULES, type InputHandlers } from "./input.ts";
import { ModernCaller } from "./modern_caller.ts";
import { type KnownEra, openConnection } from "./open.ts";
import { isOfOtherEra, isRefusal } from "./repairs.ts";
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
  /**
   * Headers of every request to the server's origin, as `Authorization`. The protocol's own cannot be
   * replaced.
   */
  readonly headers?: Readonly<Record<string, string>>;
  /**
   * Gets and renews credentials: the SDK's `AuthProvider` or `OAuthClientProvider`, as its
   * `ClientCredentialsProvider` and `PrivateKeyJwtProvider` for programs. However many calls meet an
   * expired token, it is renewed once.
   *
   * What needs a user to log in first fails with `unauthorized`; finish the login with the SDK's
   * `auth()`, call again. Credentials that were registered beforehand go to one issuer alone: the one
   * that they name (`expectedIssuer`), else the first that the server names.
   */
  readonly authProvider?: AuthProvider | OAuthClientProvider;
  /**
   * Which era the server belongs to. `"auto"` asks it for each connection, a legacy server once an
   * hour, and again whenever an answer does not fit its era; `"legacy"` never asks.
   *
   * @default {"auto"}
   */
  readonly era?: "auto" | "legacy";
  /**
   * What the server said of its era to an earlier connector, its {@linkcode McpConnector.prior}: the
   * first connection then does not ask. It must stem from the same credentials. One older than an
   * hour, or malformed, is as none; one that proves wrong costs the question that it was to spare.
   */
  readonly prior?: McpPrior;
  /**
   * Answers what the server asks for while it runs an operation: forms, pages to visit, language
   * models, folders. Meanwhile the execution keeps its place on the connection, one of `poolSize`.
   *
   * @default {{}}, which offers nothing: what asks all the same fails with `operation_failed`
   */
  readonly input?: InputHandlers;
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
   * Whether to listen to what a modern server tells of changes of its operations, on a stream of its
   * own, as long as the connection is used: after a minute without a call the stream is closed. A
   * stream keeps a process alive, and on Cloudflare it must not outlive the request that opened it.
   * Without it, a list is fresh as long as its server says. What a legacy server tells arrives anyway.
   *
   * @default {false}
   */
  readonly listen?: boolean;
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
  /**
   * A source of chance, 0 <= x < 1, for the waits before a server is asked again how a task is.
   *
   * @default {Math.random}
   */
  readonly random?: () => number;
}

/** A connector to an MCP server over Streamable HTTP. */
export interface McpConnector extends Connector {
  /**
   * What the server has said of its era, to spare a later connector the question, as in a Worker
   * that connects anew for each request; `undefined` before the first connection, after an hour, and
   * once it has proved wrong.
   */
  readonly prior: McpPrior | undefined;
}

const RULES: OptionRules<McpConnectorOptions> = {
  url: {},
  name: { type: "string" },
  headers: { preset: {}, type: "object" },
  authProvider: { type: "object" },
  era: { preset: "auto", oneOf: ["auto", "legacy"] },
  prior: { type: "object" },
  input: { preset: {}, type: "object" },
  maxAnswerBytes: { preset: 16 * 2 ** 20, min: 1, integer: true },
  headersTimeoutMs: { preset: 15_000, min: 0, above: true },
  bytesIdleTimeoutMs: { preset: 60_000, min: 0, above: true },
  treat503AsNotExecuted: { preset: true, type: "boolean" },
  listen: { preset: false, type: "boolean" },
  fetch: { type: "function" },
  clock: { preset: systemClock, type: "object" },
  random: { preset: systemRandom, type: "function" },
};
const ACT = "create an MCP connector";

/**
 * Creates a connector to an MCP server over Streamable HTTP. It speaks both eras: protocol
 * 2026-07-28 and later without sessions, earlier revisions with them.
 *
 * A connection settles every request as soon as its answer can no longer come, tells from the wire
 * what is proved about it, and never sends an operation twice by itself. A server that changes its era
 * while it is used is followed. A tool of a modern server whose `x-mcp-header` declarations are invalid
 * is left out of the operations, as the protocol demands; the SDK says so by `console.warn`.
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
 *
 * @example A program that gets its tokens by OAuth
 * ```ts
 * import { createMcpConnector } from "@automcp/client/mcp";
 * import { ClientCredentialsProvider } from "@modelcontextprotocol/client";
 * import { assertEquals } from "@std/assert";
 *
 * const connector = createMcpConnector({
 *   url: "https://files.example/mcp",
 *   authProvider: new ClientCredentialsProvider({
 *     clientId: "reports",
 *     clientSecret: "from the environment",
 *     expectedIssuer: "https://login.example",
 *   }),
 * });
 * assertEquals(connector.name, "files.example");
 * ```
 */
export function createMcpConnector(options: McpConnectorOptions): McpConnector {
  type Resolved = Required<McpConnectorOptions>;
  const resolved = resolveOptions<Resolved, McpConnectorOptions>(ACT, options, RULES);
  const { treat503AsNotExecuted, era, listen, random } = resolved;
  const { clock, maxAnswerBytes, headersTimeoutMs, bytesIdleTimeoutMs } = resolved;
  const handlers = { ...resolved.input };
  checkOptions(ACT, handlers, INPUT_RULES);
  const { authProvider } = options;
  const credentials = authProvider && new SharedCredentials(authProvider, clock);
  const url = resolveUrl(options.url);
  const headers = checkHeaders(resolved.headers);
  const wire: UpstreamTransportOptions = {
    // The global function is looked up at each call and called without a receiver of ours.
    fetch: options.fetch ?? ((input, init) => globalThis.fetch(input, init)),
    ...{ clock, maxAnswerBytes, headersTimeoutMs, bytesIdleTimeoutMs },
    headers,
    ...(credentials && { credentials }),
  };
  const createCaller = authProvider === undefined
    ? (version: string) => new ModernCaller(url, { ...wire, handlers }, version)
    : undefined;
  const memory = new EraMemory(clock, checkPrior(options.prior));
  let mayBelievePrior = true;
  let hasListened = false;

  async function open(known: KnownEra | undefined, limits: ConnectOptions): Promise<Connection> {
    const onChange = limits.onOperationsChanged;
    const transport = new UpstreamTransport(url, {
      ...wire,
      ...(onChange && { onReopen: onChange }),
    });
    const connection = await openConnection(transport, {
      ...{ known, treat503AsNotExecuted, handlers, clock, random },
      endSession: () => transport.endSession(),
      onEraChange: () => memory.forget(),
      isEraOutdated: () => era === "auto" && memory.isOutdated,
      ...(createCaller && { createCaller }),
      ...(listen && onChange && { feed: { clock, onChange, isLater: hasListened } }),
    }, limits);
    hasListened = true;
    if (known === undefined) memory.learn(connection.discover);
    return connection;
  }

  return {
    name: options.name ?? url.host,
    get prior() {
      return memory.known;
    },
    async connect(limits) {
      limits.signal.throwIfAborted();
      if (era === "legacy") return await open({ era }, limits);
      const { known } = memory;
      // A modern server is asked again: that costs one request and proves that it is there.
      const believed = known?.era === "legacy" || mayBelievePrior ? known : undefined;
      mayBelievePrior = false;
      try {
        return await open(believed, limits);
      } catch (error) {
        memory.forget();
        if (limits.signal.aborted || !isRefusal(error)) throw error;
        if (believed !== undefined) return await open(undefined, limits);
        // Then another replica was asked for its era than the one that refused the handshake.
        throw isOfOtherEra(error.cause, "legacy")
          ? concludeError(error, { temporary: true })
          : error;
      }
    },
  };
}

function checkPrior(prior: McpPrior | undefined): McpPrior | undefined {
  if (prior === undefined) return undefined;
  checkValue(ACT, "'prior.era'", prior.era, { oneOf: ["modern", "legacy"] });
  checkValue(ACT, "'prior.askedAtMs'", prior.askedAtMs, { min: 0 });
  if (prior.era === "modern") {
    checkValue(ACT, "'prior.discover'", prior.discover, { type: "object" });
  }
  return prior;
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
