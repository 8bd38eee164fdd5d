import type { ArgumentIssue } from "../errors/errors.ts";
import type { AbortSource } from "../resilience/abort_source.ts";
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
export interface OperationCatalog {
  /** Returns the list, loading it if it is missing or no longer fresh. */
  list(signal: AbortSource): Promise<LoadedList>;
  /**
   * Finds an operation, at once unless a list must be loaded for it. A list that is no longer fresh is good enough to find it, but not to say that
   * it does not exist.
   *
   * @param name The operation's name.
   * @param mustBeFresh Whether more than the name is wanted from the list. If a new one cannot be
   * loaded, the old one still serves, and `fresh` is false.
   * @param signal Ends the wait.
   */
  find(
    name: string,
    mustBeFresh: boolean,
    signal: AbortSource,
  ): FoundOperation | undefined | Promise<FoundOperation | undefined>;
  /**
   * Takes note that the server's list has changed: the next who asks gets a new one. If that cannot be
   * loaded, the old one still finds an operation.
   */
  outdate(): void;
}

/** A list that is being loaded, and how many wait for it. */
interface Loading {
  readonly list: Promise<void>;
  readonly controller: AbortController;
  waiting: number;
}

/**
 * Creates a catalog that knows nothing yet.
 *
 * @param load Asks the server; its signal is aborted once nobody waits for the answer any more.
 */
export function createCatalog(
  load: (signal: AbortSignal) => Promise<LoadedList>,
  clock: Clock,
): OperationCatalog {
  let known: LoadedList | undefined;
  let byName: ReadonlyMap<string, OperationDescriptor> = new Map();
  let freshUntilMs = -Infinity;
  let loading: Loading | undefined;
  /** How many changes there were, and how many of them the known list may show. */
  let changes = 0;
  let shown = 0;

  const isFresh = (): boolean => shown === changes && clock.now() < freshUntilMs;

  const start = (): Loading => {
    const controller = new AbortController();
    const before = changes;
    const list = load(controller.signal).then((loaded) => {
      known = loaded;
      shown = before;
      // Of operations with one name the first counts.
      byName = new Map(loaded.operations.toReversed().map((one) => [one.name, one]));
      freshUntilMs = clock.now() + Math.max(MIN_TTL_MS, loaded.ttlMs);
    });
    const started = { list, controller, waiting: 0 };
    // A load that nobody waits for any more must not be joined while it winds down.
    const done = (): void => {
      if (loading === started) loading = undefined;
    };
    controller.signal.addEventListener("abort", done, { once: true });
    list.then(done, done);
    return started;
  };

  const reload = async (signal: AbortSource): Promise<void> => {
    const joined = loading ??= start();
    joined.waiting++;
    try {
      await abortable(joined.list, signal);
    } finally {
      if (--joined.waiting === 0) joined.controller.abort();
    }
  };

  const pick = (name: string): FoundOperation | undefined => {
    const operation = byName.get(name);
    return operation && { operation, fresh: isFresh(), validate: known?.validate };
  };

  return {
    async list(signal) {
      if (!isFresh()) await reload(signal);
      return known!;
    },
    find(name, mustBeFresh, signal) {
      const found = pick(name);
      const needed = mustBeFresh || shown !== changes || found?.operation.effect !== undefined;
      if (found === undefined ? isFresh() : found.fresh || !needed) return found;
      return reload(signal).then(() => pick(name), (error) => {
        if (found === undefined || signal.aborted) throw error;
        return pick(name);
      });
    },
    outdate: () => void changes++,
  };
}
