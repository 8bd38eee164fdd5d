import type { ArgumentIssue } from "../errors/errors.ts";
import type { Clock } from "../resilience/clock.ts";
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
  readonly #load: () => Promise<LoadedList>;
  readonly #clock: Clock;
  #list: { readonly value: LoadedList; readonly freshUntilMs: number } | undefined;
  #loading: Promise<LoadedList> | undefined;

  constructor(load: () => Promise<LoadedList>, clock: Clock) {
    this.#load = load;
    this.#clock = clock;
  }

  /** How many operations the server had when last asked; `undefined` before. */
  get size(): number | undefined {
    return this.#list?.value.operations.length;
  }

  /** Returns the list, loading it if it is missing or no longer fresh. */
  list(): Promise<LoadedList> {
    if (this.#list !== undefined && this.#isFresh()) return Promise.resolve(this.#list.value);
    return this.#reload();
  }

  /**
   * Finds an operation. A list that is no longer fresh is good enough to find it, but not to say that
   * it does not exist.
   *
   * @param name The operation's name.
   * @param mustBeFresh Whether more than the name is wanted from the list. If a new one cannot be
   * loaded, the old one still serves, and `fresh` is false.
   */
  async find(name: string, mustBeFresh: boolean): Promise<FoundOperation | undefined> {
    const known = this.#pick(name);
    if (known !== undefined && (known.fresh || !mustBeFresh)) return known;
    if (known === undefined && this.#list !== undefined && this.#isFresh()) return undefined;
    try {
      await this.#reload();
    } catch (error) {
      if (known === undefined) throw error;
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

  #reload(): Promise<LoadedList> {
    this.#loading ??= this.#load().then((value) => {
      const ttlMs = Math.max(MIN_TTL_MS, value.ttlMs);
      this.#list = { value, freshUntilMs: this.#clock.now() + ttlMs };
      return value;
    }).finally(() => this.#loading = undefined);
    return this.#loading;
  }
}
