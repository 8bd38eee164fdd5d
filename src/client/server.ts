import { executeWithBoundary } from "../errors/boundary.ts";
import { type ClientError, createClientError, isClientError } from "../errors/errors.ts";
import { Deadline } from "../resilience/deadline.ts";
import { ResourcePool } from "../resilience/pool.ts";
import type { PoolEvent } from "../resilience/pool_options.ts";
import { abortable, withDeadline } from "./abort.ts";
import { createCatalog, type LoadedList, type OperationCatalog } from "./catalog.ts";
import type { ResolvedClientConfig, ResolvedGroup } from "./config.ts";
import type { Connection, Connector, Era, ServerInfo } from "./ports.ts";

/** The longest that connecting, or listing the operations, may take, in milliseconds. */
const SETUP_TIMEOUT_MS = 15_000;
/** The most sessions with one server. A connection that multiplexes is alone anyway. */
const MAX_CONNECTIONS = 4;

/**
 * Where a group's server stands: `"ready"` has no connection and nothing against one, `"connecting"`
 * makes its first, `"open"` has one, `"failed"` could not make one when it last tried.
 */
export type ServerState = "ready" | "connecting" | "open" | "failed";

/** One server: its connections, its operations, and what went wrong with it last. */
export class Server {
  /** The connector's name for it. */
  readonly name: string;
  /** Its connections. */
  readonly pool: ResourcePool<Connection>;
  /** Its operations. */
  readonly catalog: OperationCatalog;
  /** How the newest connection talks. */
  era: Era | undefined;
  /** What it said of itself on the newest connection. */
  info: ServerInfo | undefined;
  readonly #connector: Connector;
  readonly #options: ResolvedClientConfig;
  #connectError: ClientError | undefined;

  constructor(group: ResolvedGroup, options: ResolvedClientConfig) {
    const { connector, poolSize, acquireTimeoutMs, maxWaiters } = group;
    const { clock, random } = options;
    this.name = connector.name;
    this.#connector = connector;
    this.#options = options;
    this.catalog = createCatalog((signal) => this.#list(signal), clock);
    this.pool = new ResourcePool<Connection>({
      ...{ poolSize, acquireTimeoutMs, maxWaiters },
      maxResources: Math.min(MAX_CONNECTIONS, poolSize),
      leasesPerResource: (connection) => connection.maxConcurrency,
      create: ({ signal }) => this.#connect(signal),
      destroy: (connection) => connection.close(),
      onEvent: (event) => this.#onPoolEvent(event),
      clock,
      random,
    });
  }

  /** Where the server stands. */
  get state(): ServerState {
    const { size, creating } = this.pool.stats();
    if (size > 0) return "open";
    if (this.#connectError !== undefined) return "failed";
    return creating > 0 ? "connecting" : "ready";
  }

  /** Why the last connection could not be made; `undefined` once one could. */
  get lastError(): ClientError | undefined {
    return this.#connectError;
  }

  /** Ends all connections. */
  close(graceMs: number): Promise<void> {
    return this.pool.close({ graceMs });
  }

  /** Makes a connection, or fails in time even if the connector does not. */
  #connect(closing: AbortSignal): Promise<Connection> {
    const action = `connect to ${this.name}`;
    return this.#withTimeout(closing, action, async (signal, deadline) => {
      const connecting = executeWithBoundary(
        () => this.#connector.connect({ signal, deadline }),
        { action, signal, code: "internal", delivery: "not_sent" },
      );
      connecting.then((late) => signal.aborted ? late.close() : undefined).catch(() => {});
      const connection = await abortable(connecting, signal);
      connection.closed.addEventListener("abort", () => {
        this.pool.evict(connection, connection.closed.reason);
      }, { once: true });
      this.#connectError = undefined;
      this.era = connection.era;
      this.info = connection.server;
      return connection;
    });
  }

  /** Lists the operations, on a connection of the pool. */
  #list(signal: AbortSignal): Promise<LoadedList> {
    return this.#withTimeout(
      signal,
      `list ${this.name}`,
      (signal, deadline) =>
        this.pool.use(async (connection, lease) => {
          try {
            const list = await abortable(connection.describe({ signal, deadline }), signal);
            return { ...list, validate: connection.validate?.bind(connection) };
          } finally {
            // A connection that ended before the pool held it could not be evicted.
            if (connection.closed.aborted) lease.fail(connection.closed.reason);
          }
        }, { signal, deadline }),
    );
  }

  #withTimeout<T>(
    signal: AbortSignal,
    action: string,
    fn: (signal: AbortSignal, deadline: Deadline) => Promise<T>,
  ): Promise<T> {
    const { clock } = this.#options;
    const controller = new AbortController();
    const deadline = Deadline.after(SETUP_TIMEOUT_MS, clock);
    const onTimeout = (): void => {
      const message = `Cannot ${action} within ${SETUP_TIMEOUT_MS} ms`;
      controller.abort(createClientError("connection_lost", message, { delivery: "not_sent" }));
    };
    return withDeadline(
      { controller, signal, deadline, clock, onTimeout },
      () => fn(controller.signal, deadline),
    );
  }

  #onPoolEvent(event: PoolEvent): void {
    if (event.type === "pool.create_failed" && isClientError(event.error)) {
      this.#connectError = event.error;
    }
    const { onEvent, clock } = this.#options;
    onEvent?.({ ...event, server: this.name, atMs: clock.wall() });
  }
}
