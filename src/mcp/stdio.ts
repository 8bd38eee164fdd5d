/**
 * Connects the client to local MCP servers that run as a child process and talk over their standard
 * streams. For Deno, Bun and Node; the child ends with its connection.
 *
 * @example A connector to a server from npm
 * ```ts
 * import { createStdioConnector } from "@automcp/client/stdio";
 * import { assertEquals } from "@std/assert";
 *
 * const connector = createStdioConnector({
 *   command: "npx",
 *   args: ["-y", "@modelcontextprotocol/server-filesystem", "."],
 *   name: "files",
 * });
 * assertEquals(connector.name, "files");
 * ```
 *
 * @module
 */
import type { Connection, ConnectionOptions, Connector } from "../client/ports.ts";
import { createClientError } from "../errors/errors.ts";
import { checkOptions, misuse, type OptionRules, resolveOptions } from "../errors/misuse.ts";
import { systemClock, systemRandom } from "../resilience/clock.ts";
import { ChildTransport } from "./child_transport.ts";
import { INPUT_RULES, type InputHandlers } from "./input.ts";
import { openConnection } from "./open.ts";

export type {
  FormAnswer,
  FormRequest,
  InputContext,
  InputHandler,
  InputHandlers,
  RootsAnswer,
  SamplingAnswer,
  SamplingRequest,
  UrlAnswer,
  UrlRequest,
} from "./input.ts";

/** Which program to run, and how. */
export interface StdioConnectorOptions {
  /** The program; found on `PATH`, started without a shell. */
  readonly command: string;
  /** Its arguments. */
  readonly args?: readonly string[];
  /**
   * Variables of its environment, besides the few that every child gets: `PATH`, `HOME`, `USER` and
   * their like.
   */
  readonly env?: Readonly<Record<string, string>>;
  /**
   * The folder it runs in.
   *
   * @default {the one of this process}
   */
  readonly cwd?: string;
  /**
   * Where its standard error goes: to the one of this process, or nowhere.
   *
   * @default {"inherit"}
   */
  readonly stderr?: "inherit" | "ignore";
  /**
   * Names the server in errors, events and stats.
   *
   * @default {options.command}
   */
  readonly name?: string;
  /**
   * Which era the server belongs to. `"auto"` asks it once per connection and remembers a legacy
   * server; `"legacy"` does not ask.
   *
   * @default {"auto"}
   */
  readonly era?: "auto" | "legacy";
  /**
   * The longest message that is read, in bytes, >= 1; what has arrived of the next one counts with it.
   * A longer one ends the child, and every call on its connection with `connection_lost`; `Infinity`
   * reads everything. Long messages are dear, as all that is there is searched again with each piece
   * that arrives: 8 MB took 2.7 s of computing in Deno, 0.3 s in Node.
   *
   * @default {10485760}
   */
  readonly maxAnswerBytes?: number;
  /**
   * Answers what the server asks for while it runs an operation: forms, pages to visit, language
   * models, folders. Meanwhile the execution keeps its place on the connection, one of `poolSize`.
   *
   * @default {{}}, which offers nothing: what asks all the same fails with `operation_failed`
   */
  readonly input?: InputHandlers;
}

const RULES: OptionRules<StdioConnectorOptions> = {
  command: { type: "string", required: true },
  args: { type: "list" },
  env: { type: "object" },
  cwd: {},
  stderr: { oneOf: ["inherit", "ignore"] },
  name: { type: "string" },
  era: { preset: "auto", oneOf: ["auto", "legacy"] },
  maxAnswerBytes: { preset: 10 * 2 ** 20, min: 1, integer: true },
  input: { preset: {}, type: "object" },
};
/** A server that is silent for so long on the question for its era is a legacy one. */
const PROBE_TIMEOUT_MS = 15_000;

/**
 * Creates a connector that starts an MCP server as a child process for each connection.
 *
 * @param options Which program to run.
 * @returns A connector for the configuration of an `AutoMCPClient`.
 * @throws {TypeError} If an option is unknown, missing or malformed.
 * @throws {RangeError} If `maxAnswerBytes` is below 1 or not whole.
 *
 * @example A program with a variable of its own
 * ```ts
 * import { createStdioConnector } from "@automcp/client/stdio";
 * import { assertEquals } from "@std/assert";
 *
 * const connector = createStdioConnector({
 *   command: "mcp-server-memory",
 *   env: { MEMORY_FILE_PATH: "memory.json" },
 * });
 * assertEquals(connector.name, "mcp-server-memory");
 * ```
 */
export function createStdioConnector(options: StdioConnectorOptions): Connector {
  const act = "create a stdio connector";
  const { command, name = command, era, input, maxAnswerBytes } = resolveOptions<
    StdioConnectorOptions & Required<Pick<StdioConnectorOptions, "maxAnswerBytes">>,
    StdioConnectorOptions
  >(act, options, RULES);
  const handlers = { ...input };
  checkOptions(act, handlers, INPUT_RULES);
  if (command === "") throw new TypeError(misuse(act, "'command'", "the name of a program", "''"));
  let legacy = era === "legacy";

  async function open(limits: ConnectionOptions): Promise<Connection> {
    limits.signal.throwIfAborted();
    const transport = new ChildTransport({
      command,
      args: [...options.args ?? []],
      ...(options.env !== undefined && { env: { ...options.env } }),
      ...(options.cwd !== undefined && { cwd: options.cwd }),
      stderr: options.stderr ?? "inherit",
      maxBufferSize: maxAnswerBytes,
    });
    try {
      const probeTimeoutMs = Math.min(PROBE_TIMEOUT_MS, limits.deadline.remainingMs() / 2);
      const connection = await openConnection(
        transport,
        {
          ...(legacy && { known: { era: "legacy" } }),
          ...{ probeTimeoutMs, treat503AsNotExecuted: true, ownsServer: true },
          ...{ handlers, clock: systemClock, random: systemRandom },
        },
        limits,
      );
      legacy = connection.era === "legacy";
      return connection;
    } catch (error) {
      if (limits.signal.aborted) throw error;
      if (!transport.spawned) {
        throw createClientError("connection_refused", "The program could not be started", {
          temporary: false,
          effect: "safe",
          cause: error,
        });
      }
      if (legacy || !transport.exited) throw error;
      // Some legacy servers exit on a question they do not know.
      legacy = true;
      return await open(limits);
    }
  }

  return {
    name,
    connect: (limits) =>
      open(limits).catch((error) => {
        legacy = era === "legacy";
        throw error;
      }),
  };
}
