import type { Execution, ExecutionResponse } from "../client/execution.ts";
import { type ClientError, createClientError, isClientError } from "../errors/errors.ts";
import { type OptionRules, resolveOptions } from "../errors/misuse.ts";
import type { ExecutionEvent } from "../progress/events.ts";
import { type Clock, systemClock } from "../resilience/clock.ts";
import type { ExecutionDocument, ExecutionState } from "./document.ts";

/** How long an {@linkcode ExecutionRegistry} remembers. */
export interface ExecutionRegistryOptions {
  /**
   * How long an execution is known after its end, in milliseconds, >= 0.
   *
   * @default {60000}
   */
  readonly endedTtlMs?: number;
  /**
   * How many executions are known after their end, an integer >= 0; the oldest are forgotten first.
   *
   * @default {1000}
   */
  readonly maxEnded?: number;
  /** The clock that it is measured on. */
  readonly clock?: Clock;
}

const RULES: OptionRules<ExecutionRegistryOptions> = {
  endedTtlMs: { preset: 60_000, min: 0 },
  maxEnded: { preset: 1_000, min: 0, integer: true },
  clock: { preset: systemClock, type: "object" },
};

/** A request to start an execution, as its sender identifies it. */
export interface StartRequest {
  /** The request's id, unique among those of its owner. */
  readonly id: string;
  /** What it asks for, or a digest of that. */
  readonly content: string;
}

/** How an execution ended. */
interface End {
  readonly atMs: number;
  readonly endedAt: string;
  readonly response?: ExecutionResponse;
  readonly error?: ClientError;
}

/** An execution that a registry knows. */
export interface TrackedExecution {
  /** The handle. */
  readonly execution: Execution;
  /** Returns what is known of it now. */
  toDocument(): ExecutionDocument;
  /** The error that it ended with; `undefined` while it runs and after a response. */
  readonly error: ClientError | undefined;
  /** Whether it has ended. */
  readonly ended: boolean;
  /** Its events after a number, in order, to the last. */
  events(after?: number): AsyncIterable<ExecutionEvent>;
}

/**
 * Knows the executions of one process by their ids: those that run, and for a while those that have
 * ended. Each belongs to an owner, and does not exist for anybody else.
 *
 * It lives as long as its process or Durable Object; what must outlive that needs a journal.
 *
 * @example Find a running execution by its id
 * ```ts
 * import { AutoMCPClient } from "@automcp/client";
 * import { ExecutionRegistry } from "@automcp/client/executions";
 * import { createMcpConnector } from "@automcp/client/mcp";
 * import { assertEquals } from "@std/assert";
 *
 * const connector = createMcpConnector({ url: "http://localhost:9200/mcp" });
 * const client = new AutoMCPClient("reports", { groups: { demo: { connector } } });
 * const executions = new ExecutionRegistry();
 *
 * const { id, response } = executions.track(client.group("demo").start("add", { a: 1, b: 2 }), "me");
 * await response;
 * assertEquals(executions.find(id, "me").toDocument().state, "succeeded");
 * await client.close();
 * ```
 */
export class ExecutionRegistry {
  readonly #endedTtlMs: number;
  readonly #maxEnded: number;
  readonly #clock: Clock;
  readonly #running = new Map<string, Entry>();
  /** By owner and request, for as long as the execution is known. */
  readonly #requests = new Map<string, Entry>();
  /** In the order of their ends, so that the oldest comes first. */
  readonly #ended = new Map<string, Entry>();

  /**
   * Creates an empty registry.
   *
   * @param options How long it remembers.
   * @throws {RangeError} If a number is out of its range.
   */
  constructor(options: ExecutionRegistryOptions = {}) {
    const resolved = resolveOptions<Required<ExecutionRegistryOptions>, ExecutionRegistryOptions>(
      "create a registry",
      options,
      RULES,
    );
    this.#endedTtlMs = resolved.endedTtlMs;
    this.#maxEnded = resolved.maxEnded;
    this.#clock = resolved.clock;
  }

  /**
   * Remembers an execution from now until a while after its end.
   *
   * @param execution The execution.
   * @param owner Who may see it.
   * @param request The request that started it, if that has an id.
   * @returns The execution, for chaining.
   *
   * @example Remember what is started
   * ```ts
   * import type { Execution } from "@automcp/client";
   * import { ExecutionRegistry } from "@automcp/client/executions";
   *
   * const executions = new ExecutionRegistry();
   * const remember = (execution: Execution) => executions.track(execution, "anonymous");
   * ```
   */
  track(execution: Execution, owner: string, request?: StartRequest): Execution {
    const entry = new Entry(execution, owner, request);
    this.#running.set(execution.id, entry);
    if (request !== undefined) this.#requests.set(keyOf(owner, request.id), entry);
    const end = (outcome: { response: ExecutionResponse } | { error: ClientError }): void => {
      const endedAt = new Date(this.#clock.wall()).toISOString();
      entry.end = { ...outcome, atMs: this.#clock.now(), endedAt };
      this.#running.delete(execution.id);
      this.#ended.set(execution.id, entry);
      this.#forget();
    };
    execution.response.then((response) => end({ response }), (error) => {
      const left = (): ClientError => createClientError("cancelled", "Its caller aborted it");
      end({ error: isClientError(error) ? error : left() });
    });
    return execution;
  }

  /**
   * Returns an execution.
   *
   * @param id Its id.
   * @param owner Who asks.
   * @returns The execution.
   * @throws {ClientError} `execution_not_found` if there is none with this id for this owner.
   *
   * @example An execution that does not exist
   * ```ts
   * import { ClientError } from "@automcp/client";
   * import { ExecutionRegistry } from "@automcp/client/executions";
   * import { assertThrows } from "@std/assert";
   *
   * assertThrows(() => new ExecutionRegistry().find("nobody", "me"), ClientError);
   * ```
   */
  find(id: string, owner: string): TrackedExecution {
    this.#forget();
    const entry = this.#running.get(id) ?? this.#ended.get(id);
    if (entry !== undefined && entry.owner === owner) return entry;
    throw createClientError("execution_not_found", "No execution with this id is known", {
      delivery: "not_sent",
    });
  }

  /**
   * Returns the execution that a request started, so that the same request, sent again by a browser
   * or a proxy on its own, starts nothing twice.
   *
   * @param request The request.
   * @param owner Who asks.
   * @returns The execution; `undefined` if this request has started none that is still known.
   * @throws {ClientError} `idempotency_key_reused` if the id belongs to another request.
   *
   * @example A request that has started nothing yet
   * ```ts
   * import { ExecutionRegistry } from "@automcp/client/executions";
   * import { assertEquals } from "@std/assert";
   *
   * const request = { id: "7f9c", content: "add 1 2" };
   * assertEquals(new ExecutionRegistry().findStarted(request, "me"), undefined);
   * ```
   */
  findStarted(request: StartRequest, owner: string): TrackedExecution | undefined {
    this.#forget();
    const entry = this.#requests.get(keyOf(owner, request.id));
    if (entry === undefined || entry.request?.content === request.content) return entry;
    throw createClientError("idempotency_key_reused", "The id belongs to another request");
  }

  /** Forgets what has ended long ago, and the oldest of too many. */
  #forget(): void {
    const oldestMs = this.#clock.now() - this.#endedTtlMs;
    for (const [id, { end, owner, request }] of this.#ended) {
      if (this.#ended.size <= this.#maxEnded && (end?.atMs ?? 0) > oldestMs) return;
      this.#ended.delete(id);
      if (request !== undefined) this.#requests.delete(keyOf(owner, request.id));
    }
  }
}

class Entry implements TrackedExecution {
  readonly execution: Execution;
  readonly owner: string;
  readonly request: StartRequest | undefined;
  end: End | undefined;

  constructor(execution: Execution, owner: string, request: StartRequest | undefined) {
    this.execution = execution;
    this.owner = owner;
    this.request = request;
  }

  get ended(): boolean {
    return this.end !== undefined;
  }

  get error(): ClientError | undefined {
    return this.end?.error;
  }

  toDocument(): ExecutionDocument {
    const { id, group, operation, attempts, startedAt } = this.execution;
    const { endedAt, response, error } = this.end ?? {};
    return {
      ...{ id, group, operation, state: this.#state(), attempts, startedAt },
      ...(endedAt !== undefined && { endedAt }),
      ...(response !== undefined && { response }),
      ...(error !== undefined && { error: error.toJSON() }),
    };
  }

  events(after: number = 0): AsyncIterable<ExecutionEvent> {
    const { events } = this.execution;
    return {
      [Symbol.asyncIterator]() {
        const reader = events[Symbol.asyncIterator]();
        return {
          async next() {
            while (true) {
              const next = await reader.next();
              const event = next.done ? undefined : eventAfter(next.value, after);
              if (next.done || event !== undefined) return { ...next, value: event };
            }
          },
          // Not a generator's: a reader that leaves must not wait for the next event first.
          async return() {
            await reader.return?.();
            return { done: true, value: undefined };
          },
        } as AsyncIterator<ExecutionEvent>;
      },
    };
  }

  #state(): ExecutionState {
    if (this.end === undefined) return this.execution.attempts > 0 ? "running" : "queued";
    if (this.end.response !== undefined) return "succeeded";
    return this.end.error?.code === "cancelled" ? "cancelled" : "failed";
  }
}

/** Returns what a reader that knows all events up to a number has not seen of an event. */
function eventAfter(event: ExecutionEvent, after: number): ExecutionEvent | undefined {
  if (event.type !== "gap") return event.seq > after ? event : undefined;
  return event.to > after ? { ...event, from: Math.max(event.from, after + 1) } : undefined;
}

function keyOf(owner: string, requestId: string): string {
  return JSON.stringify([owner, requestId]);
}
