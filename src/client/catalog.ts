import type { ArgumentIssue } from "../errors/errors.ts";
import type { Clock } from "../resilience/clock.ts";
import { abortable } from "./abort.ts";
import type { JsonObject, OperationDescriptor, OperationList } from "./ports.ts";

/** A server's operations as one connection listed them. */
export interface LoadedList extends OperationList {
  /** Checks arguments, where the connection can. */
  readonly validate?:
    | ((operation: OperationDescriptor, args: JsonObject) => readonly ArgumentIssue[])
    | undefined;
}

/**
 * A list that its server calls stale at once is still fresh for so long, in milliseconds: servers
 * that give no lifetime would otherwise be asked for their list before each call.
 */
const MIN_TTL_MS = 5_000;

/** An operation that was looked up. */
export interface FoundOperation {
  /** The operation. */
  readonly operation: OperationDescriptor;
  /** Whether the list it comes from may still be trusted. */
  readonly fresh: boolean;
  /** Checks arguments, where the connection can. */
  readonly validate: LoadedList["validate"];
}

/** The operations of one server: loaded once for all who ask at the same time, kept while fresh. */
export class OperationCatalog {
  readonly #load: (signal: AbortSignal) => Promise<LoadedList>;
  readonly #clock: Clock;
  #list: { readonly value: LoadedList; readonly freshUntilMs: number } | undefined;
  #loading: Loading | undefined;

  /**
   * @param load Asks the server; its signal is aborted once nobody waits for the answer any more.
   */
  constructor(load: (signal: AbortSignal) => Promise<LoadedList>, clock: Clock) {
    this.#load = load;
    this.#clock = clock;
  }

  /** How many operations the server had when last asked; `undefined` before. */
  get size(): number | undefined {
    return this.#list?.value.operations.length;
  }

  /** Returns the list, loading it if it is missing or no longer fresh. */
  list(signal: AbortSignal): Promise<LoadedList> {
    if (this.#list !== undefined && this.#isFresh()) return Promise.resolve(this.#list.value);
    return this.#reload(signal);
  }

  /**
   * Finds an operation. A list that is no longer fresh is good enough to find it, but not to say that
   * it does not exist.
   *
   * @param name The operation's name.
   * @param mustBeFresh Whether more than the name is wanted from the list. If a new one cannot be
   * loaded, the old one still serves, and `fresh` is false.
   * @param signal Ends the wait.
   */
  async find(
    name: string,
    mustBeFresh: boolean,
    signal: AbortSignal,
  ): Promise<FoundOperation | undefined> {
    const known = this.#pick(name);
    if (known !== undefined && (known.fresh || !mustBeFresh)) return known;
    if (known === undefined && this.#list !== undefined && this.#isFresh()) return undefined;
    try {
      await this.#reload(signal);
    } catch (error) {
      if (known === undefined || signal.aborted) throw error;
    }
    return this.#pick(name);
  }

  #pick(name: string): FoundOperation | undefined {
    const operation = this.#list?.value.operations.find((operation) => operation.name === name);
    if (operation === undefined) return undefined;
    return { operation, fresh: this.#isFresh(), validate: this.#list?.value.validate };
  }

  #isFresh(): boolean {
    return this.#list !== undefined && this.#clock.now() < this.#list.freshUntilMs;
  }

  async #reload(signal: AbortSignal): Promise<LoadedList> {
    const loading = this.#loading ??= this.#start();
    loading.waiting++;
    try {
      return await abortable(loading.list, signal);
    } finally {
      if (--loading.waiting === 0) loading.controller.abort();
    }
  }

  #start(): Loading {
    const controller = new AbortController();
    const list = this.#load(controller.signal).then((value) => {
      const ttlMs = Math.max(MIN_TTL_MS, value.ttlMs);
      this.#list = { value, freshUntilMs: this.#clock.now() + ttlMs };
      return value;
    });
    const loading = { list, controller, waiting: 0 };
    // A load that nobody waits for any more must not be joined while it winds down.
    const done = (): void => {
      if (this.#loading === loading) this.#loading = undefined;
    };
    controller.signal.addEventListener("abort", done, { once: true });
    list.then(done, done);
    return loading;
  }
}

/** A list that is being loaded, and how many wait for it. */
interface Loading {
  readonly list: Promise<LoadedList>;
  readonly controller: AbortController;
  waiting: number;
}
