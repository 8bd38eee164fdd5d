import { executeWithBoundary } from "../errors/boundary.ts";
import { type ClientError, createClientError, isClientError } from "../errors/errors.ts";
import { type HealthEvidence, healthOf } from "../errors/health.ts";
import { RetryBudget } from "../resilience/budget.ts";
import type { Clock } from "../resilience/clock.ts";
import { Deadline } from "../resilience/deadline.ts";
import { DeadlineTimer } from "../resilience/deadline_timer.ts";
import { Gate } from "../resilience/gate.ts";
import type { ManagedResource } from "../resilience/managed_resource.ts";
import { ResourcePool } from "../resilience/pool.ts";
import type { PoolEvent } from "../resilience/pool_options.ts";
import { abortable, withDeadline } from "./abort.ts";
import { createCatalog, type LoadedList, type OperationCatalog } from "./catalog.ts";
import type { ResolvedClientConfig, ResolvedGroup } from "./config.ts";
import type { ServerEvent } from "./events.ts";
import type { Connection, ConnectionOptions, Connector, Era, ServerInfo } from "./ports.ts";
import type { ServerStats } from "./stats.ts";

/** The longest that connecting, or listing the operations, may take, in milliseconds. */
const SETUP_TIMEOUT_MS = 15_000;
/** The most sessions with one server. A connection that multiplexes is alone anyway. */
const MAX_CONNECTIONS = 4;
/** What second copies of slow requests may cost: a tenth more load. */
const HEDGE_BUDGET = { capacity: 10, initial: 1, perExecution: 0.1, perSecond: 0 };
/** Under what name lists are estimated; no operation can have it. */
const LIST = "";

/**
 * Where a group's server stands: `"ready"` has no connection and nothing against one, `"connecting"`
 * makes its first, `"open"` has one, `"failed"` could not make one when it last tried.
 */
export type ServerState = "ready" | "connecting" | "open" | "failed";

/** One server: its connections, its gate, its operations, and what went wrong with it last. */
export class Server {
  /** The connector's name for it. */
  readonly name: string;
  /** Its connections. */
  readonly pool: ResourcePool<Connection>;
  /** Stands in front of them. */
  readonly gate: Gate;
  /** What repeats of its requests may cost. */
  readonly budget: RetryBudget;
  /** What second copies of its requests may cost. */
  readonly hedgeBudget: RetryBudget;
  /** Its operations. */
  readonly catalog: OperationCatalog;
  readonly clock: Clock;
  /** Watches all that is limited in time. */
  readonly timer: DeadlineTimer;
  /** How the newest connection talks. */
  era: Era | undefined;
  /** What it said of itself on the newest connection. */
  info: ServerInfo | undefined;
  readonly #connector: Connector;
  /** Unset if nobody listens, so that no event is made. */
  readonly #emit: ((event: ServerEvent) => void) | undefined;
  #connectError: ClientError | undefined;
  #lostSession = false;

  constructor(group: ResolvedGroup, { clock, random, onEvent }: ResolvedClientConfig) {
    const { connector, poolSize, breaker, limiter, queue, retryBudget } = group;
    this.name = connector.name;
    this.clock = clock;
    this.timer = new DeadlineTimer(clock);
    this.#connector = connector;
    this.#emit = onEvent &&
      ((event) => onEvent({ ...event, server: this.name, atMs: clock.wall() }));
    this.budget = new RetryBudget(retryBudget, clock);
    this.hedgeBudget = new RetryBudget(HEDGE_BUDGET, clock);
    this.catalog = createCatalog((signal) => this.#list(signal), clock);
    this.gate = new Gate({
      ...{ maxLimit: poolSize, breaker, limiter, queue, clock, random, onEvent: this.#emit },
      check: (signal) => this.#check(signal),
    });
    const { acquireTimeoutMs, idleTimeoutMs, maxLifetimeMs, leakThresholdMs } = group;
    this.pool = new ResourcePool<Connection>({
      ...{ poolSize, acquireTimeoutMs, idleTimeoutMs, maxLifetimeMs, leakThresholdMs },
      retireAfterTimeouts: group.retireAfterTimeouts,
      // Who waits for a connection has passed the gate, which bounds how many wait.
      maxWaiters: Infinity,
      maxResources: Math.min(MAX_CONNECTIONS, poolSize),
      leasesPerResource: (connection) => connection.maxConcurrency,
      isStateful: (connection) => connection.stateful,
      isUsable: (connection) => !connection.closed.aborted,
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

  /** Returns the server at this moment, as plain data. */
  stats(): ServerStats {
    const { breaker, limiter } = this.gate;
    return {
      name: this.name,
      state: this.state,
      ...(this.era !== undefined && { era: this.era }),
      pool: this.pool.stats(),
      breaker: breaker.stats(),
      limiter: { limit: limiter.limit, inFlight: limiter.inFlight },
      queue: this.gate.stats(),
      retryBudget: { tokens: this.budget.tokens },
    };
  }

  /** Ends all connections. */
  close(graceMs: number): Promise<void> {
    this.gate.close(createClientError("pool_closed", "The client is closed"));
    this.timer.close();
    return this.pool.close({ graceMs });
  }

  /** Learns about a connection from an attempt on it that failed. */
  judgeLease(lease: ManagedResource<Connection>, error: unknown, timedOut: boolean): void {
    if (timedOut) return lease.noteTimeout();
    if (!isClientError(error)) return;
    if (error.code === "session_lost") this.#lostSession = true;
    // An answer to nobody's request: whatever state is there on the other side, it is not ours.
    const isConfused = error.code === "protocol_error" && error.temporary && lease.value.stateful;
    if (error.code === "session_lost" || isConfused) lease.fail(error);
    else if (healthOf(error) === "answered") lease.noteAnswer();
  }

  /** Makes a connection, or fails in time even if the connector does not. */
  #connect(closing: AbortSignal): Promise<Connection> {
    const action = `connect to ${this.name}`;
    const onOperationsChanged = (): void => this.catalog.outdate();
    return this.#withTimeout(closing, action, async (signal, deadline) => {
      const connecting = executeWithBoundary(
        () => this.#connector.connect({ signal, deadline, onOperationsChanged }),
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

  /** Lists the operations: a request like all others, in front of the gate and behind it. */
  #list(signal: AbortSignal): Promise<LoadedList> {
    return this.#withTimeout(signal, `list ${this.name}`, async (signal, deadline) => {
      const operation = LIST;
      const place = {
        operation,
        deadline,
        signal,
        priority: "interactive",
        failFast: false,
      } as const;
      const permit = await this.gate.enter(place);
      const startedMs = this.clock.now();
      let health: HealthEvidence = "none";
      let failure: ClientError | undefined;
      try {
        return await this.#use(async (connection) => {
          const list = await abortable(connection.describe({ signal, deadline }), signal);
          health = "answered";
          return { ...list, validate: connection.validate?.bind(connection) };
        }, { signal, deadline });
      } catch (error) {
        if (isClientError(error)) health = healthOf(failure = error);
        throw error;
      } finally {
        const elapsedMs = this.clock.now() - startedMs;
        this.gate.leave(permit, {
          ...{ operation, health, elapsedMs, timedOut: false, succeeded: health === "answered" },
          retryAfterMs: failure?.retryAfterMs,
        });
      }
    });
  }

  /** Asks for a sign of life; a connection that is made for it is one. */
  async #check(signal: AbortSignal): Promise<void> {
    const deadline = Deadline.after(SETUP_TIMEOUT_MS, this.clock);
    const made = this.pool.stats().created;
    try {
      await this.#use(async (connection) => {
        if (this.pool.stats().created === made) await connection.check({ signal, deadline });
      }, { signal, deadline });
    } catch (error) {
      // Whoever knows that the session is lost is there.
      if (!isClientError(error) || error.code !== "session_lost") throw error;
    }
  }

  /** Uses a connection for something that is no attempt, and learns as much about it. */
  #use<T>(fn: (connection: Connection) => Promise<T>, options: ConnectionOptions): Promise<T> {
    return this.pool.use(async (connection, lease) => {
      try {
        return await fn(connection);
      } catch (error) {
        this.judgeLease(lease, error, false);
        throw error;
      }
    }, options);
  }

  #withTimeout<T>(
    signal: AbortSignal,
    action: string,
    fn: (signal: AbortSignal, deadline: Deadline) => Promise<T>,
  ): Promise<T> {
    const controller = new AbortController();
    const deadline = Deadline.after(SETUP_TIMEOUT_MS, this.clock);
    const onTimeout = (): void => {
      const message = `Cannot ${action} within ${SETUP_TIMEOUT_MS} ms`;
      controller.abort(createClientError("connection_lost", message, { delivery: "not_sent" }));
    };
    return withDeadline(
      { controller, signal, deadline, timer: this.timer, onTimeout },
      () => fn(controller.signal, deadline),
    );
  }

  #onPoolEvent(event: PoolEvent): void {
    this.#emit?.(event);
    const { breaker } = this.gate;
    if (event.type === "pool.created") {
      breaker.recover();
      if (this.#lostSession) {
        this.#lostSession = false;
        this.#emit?.({ type: "session.replaced", generation: event.generation });
      }
    } else if (event.type === "pool.create_failed" && isClientError(event.error)) {
      this.#connectError = event.error;
      const { retryAfterMs } = event.error;
      const evidence = event.temporary ? healthOf(event.error) : "none";
      breaker.record(evidence, breaker.generation, retryAfterMs);
    }
  }
}
