import { type ClientError, createClientError, isClientError } from "../errors/errors.ts";
import { checkOptions, checkValue, didYouMean } from "../errors/misuse.ts";
import { ProgressTracker } from "../progress/tracker.ts";
import { type CloseOptions, resolveCloseOptions } from "../resilience/pool_options.ts";
import {
  type ClientConfig,
  resolveClientConfig,
  type ResolvedClientConfig,
  type ResolvedGroup,
} from "./config.ts";
import type { Connector } from "./ports.ts";
import { ReplayStore } from "./replay.ts";
import { RetryableClientGroup } from "./retryable_group.ts";
import type { Run } from "./run.ts";
import { Server } from "./server.ts";
import type { ClientStats } from "./stats.ts";

/**
 * Calls operations on MCP servers: pooled, retried where that is safe, within a deadline, with live
 * progress and typed errors.
 *
 * A client owns its connections: create one per program, per HTTP request of a plain Worker, or per
 * Durable Object, and close it. Nothing is connected before it is needed.
 *
 * @example Call an operation and watch its progress
 * ```ts
 * import { AutoMCPClient } from "@automcp/client";
 * import { createMcpConnector } from "@automcp/client/mcp";
 *
 * const connector = createMcpConnector({ url: "http://localhost:9200/mcp" });
 * const client = new AutoMCPClient("reports", { timeoutMs: 60_000, groups: { demo: { connector } } });
 *
 * const execution = client.group("demo").start("count", { steps: 3, delayMs: 10 });
 * for await (const { fraction, message } of execution.progress) console.log(fraction, message);
 * console.log((await execution.response).content);
 *
 * await client.close();
 * ```
 */
export class AutoMCPClient {
  /** The client's name. */
  readonly name: string;
  /** The groups, by name. */
  readonly groups: ReadonlyMap<string, RetryableClientGroup>;
  readonly #config: ResolvedClientConfig;
  readonly #servers = new Map<Connector, Server>();
  readonly #running = new Set<Run>();
  #closed: Promise<void> | undefined;

  /**
   * Creates a client; it connects to nothing.
   *
   * @param name The client's name, for stats.
   * @param config The groups and how they are called.
   * @throws {TypeError} If a key is unknown, with the nearest known one, or a value is of the wrong
   * type.
   * @throws {RangeError} If a number is out of its range.
   */
  constructor(name: string, config: ClientConfig) {
    checkValue("create a client", "'name'", name, { type: "string" });
    this.name = name;
    this.#config = resolveClientConfig(config);
    const { clock, random, onEvent, traceAttempt } = this.#config;
    const replay = new ReplayStore();
    const tracker = new ProgressTracker({
      clock,
      onDropped: (executionId, reason, count) =>
        onEvent?.({ type: "progress.dropped", executionId, reason, count, atMs: clock.wall() }),
    });
    const running = this.#running;
    this.groups = new Map(
      this.#config.groups.map((group) => {
        const server = this.#serverOf(group);
        const context = { server, tracker, clock, random, onEvent, running, traceAttempt, replay };
        return [group.name, new RetryableClientGroup(group, context)];
      }),
    );
  }

  /**
   * Returns a group.
   *
   * @param name The group's name, as in the configuration.
   * @returns The group.
   * @throws {OperationError} `group_not_found`, with the nearest known name.
   *
   * @example A name that is not configured
   * ```ts
   * import { AutoMCPClient, OperationError } from "@automcp/client";
   * import { assertThrows } from "@std/assert";
   *
   * const client = new AutoMCPClient("empty", { groups: {} });
   * assertThrows(() => client.group("files"), OperationError, "No group 'files'");
   * ```
   */
  group(name: string): RetryableClientGroup {
    const group = this.groups.get(name);
    if (group !== undefined) return group;
    const hint = didYouMean(name, this.groups.keys());
    throw createClientError("group_not_found", `No group '${name}'${hint}`);
  }

  /**
   * Connects to all servers now instead of with the first call. One that cannot be reached fails
   * nothing: it is tried again by the next call.
   *
   * @param options What ends the wait.
   * @returns Why a server could not be reached, by the groups' names; empty if all could.
   * @throws The reason of the signal.
   *
   * @example Find out at the start what cannot be reached
   * ```ts
   * import { AutoMCPClient } from "@automcp/client";
   * import { createMcpConnector } from "@automcp/client/mcp";
   *
   * const connector = createMcpConnector({ url: "http://localhost:9200/mcp" });
   * const client = new AutoMCPClient("reports", { groups: { demo: { connector } } });
   * for (const [group, error] of await client.connect()) console.warn(group, error.code);
   * await client.close();
   * ```
   */
  async connect(
    options: { readonly signal?: AbortSignal } = {},
  ): Promise<ReadonlyMap<string, ClientError>> {
    checkOptions("connect", options, { signal: {} });
    const failures = new Map<string, ClientError>();
    await Promise.all(this.#config.groups.map(async ({ name, connector }) => {
      try {
        await this.#servers.get(connector)?.pool.use(() => {}, options);
      } catch (error) {
        if (options.signal?.aborted || !isClientError(error)) throw error;
        failures.set(name, error);
      }
    }));
    return failures;
  }

  /**
   * Returns the client at this moment, as plain data: executions by group, connections by server.
   *
   * @returns The numbers; those of executions add up.
   *
   * @example Watch how full a pool is
   * ```ts
   * import { AutoMCPClient } from "@automcp/client";
   * import { createMcpConnector } from "@automcp/client/mcp";
   *
   * const connector = createMcpConnector({ url: "http://localhost:9200/mcp" });
   * const client = new AutoMCPClient("reports", { groups: { demo: { connector } } });
   * for (const { name, pool } of client.stats().servers) console.log(name, pool.leases, pool.poolSize);
   * ```
   */
  stats(): ClientStats {
    return {
      name: this.name,
      groups: Object.fromEntries(
        this.#config.groups.map(({ name, connector }) => [
          name,
          { server: connector.name, ...this.group(name).retryStats },
        ]),
      ),
      servers: [...this.#servers.values()].map((server) => server.stats()),
    };
  }

  /**
   * Closes the client: refuses new calls and those that still wait, lets calls in flight end for
   * `graceMs`, then ends them too. Called again, it returns the same promise.
   *
   * @param options How long calls in flight may take.
   * @returns Nothing, once all connections are closed.
   *
   * @example Leave nothing behind
   * ```ts
   * import { AutoMCPClient } from "@automcp/client";
   *
   * const client = new AutoMCPClient("empty", { groups: {} });
   * await client.close({ graceMs: 1_000 });
   * ```
   */
  close(options: CloseOptions = {}): Promise<void> {
    const { graceMs } = resolveCloseOptions(options);
    return this.#closed ??= this.#close(graceMs);
  }

  /** Closes the client with the default grace. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(graceMs: number): Promise<void> {
    await Promise.all([...this.#servers.values()].map((server) => server.close(graceMs)));
    const running = [...this.#running];
    for (const run of running) run.close();
    await Promise.allSettled(running.map((run) => run.response));
  }

  #serverOf(group: ResolvedGroup): Server {
    const known = this.#servers.get(group.connector);
    if (known !== undefined) return known;
    const server = new Server(group, this.#config);
    this.#servers.set(group.connector, server);
    return server;
  }
}
