import type { JsonObject, JsonValue } from "../client/ports.ts";
import { concludeError } from "../errors/conclude.ts";
import { type Effect, strongerDelivery } from "../errors/delivery.ts";
import { type ClientError, createClientError, isClientError } from "../errors/errors.ts";

/** As many as the SDK reads of a list of tools. */
const MAX_PAGES = 64;

/** How a list is read. */
export interface PagesOptions {
  /** Where a page holds its items. */
  readonly items: string;
  /** What repeating the whole does. */
  readonly effect: Effect;
  /** Asks for a page; without a cursor for the first one. */
  readonly ask: (cursor?: string) => Promise<JsonObject>;
}

/**
 * Reads all pages of a list and returns them as one. Of a list with more pages than are read,
 * `nextCursor` says where to go on.
 */
export async function readPages({ items, effect, ask }: PagesOptions): Promise<JsonObject> {
  const itemsOf = (page: JsonObject) => page[items] as readonly JsonValue[];
  let last = await ask();
  const { nextCursor: _, ...first } = last;
  const pages = [last];
  while (typeof last["nextCursor"] === "string" && pages.length < MAX_PAGES) {
    const cursor = last["nextCursor"];
    const page = await ask(cursor).catch((error) => {
      throw isClientError(error) ? toPageError(error, effect) : error;
    });
    const repeated = page["nextCursor"] === cursor &&
      JSON.stringify(itemsOf(page)) === JSON.stringify(itemsOf(last));
    // A server that does not look at the cursor would answer so for ever.
    if (repeated) return join(first, pages, items);
    pages.push(last = page);
  }
  const { nextCursor } = last;
  return { ...join(first, pages, items), ...(nextCursor !== undefined && { nextCursor }) };
}

/** Returns pages as one; it is fresh as long as all of them, and for those whom all are for. */
function join(first: JsonObject, pages: readonly JsonObject[], items: string): JsonObject {
  const isPublic = pages.every(({ cacheScope }) => cacheScope === "public");
  return {
    ...first,
    [items]: pages.flatMap((page) => page[items] as readonly JsonValue[]),
    ...("ttlMs" in first && { ttlMs: Math.min(...pages.map(({ ttlMs }) => Number(ttlMs ?? 0))) }),
    ...("cacheScope" in first && { cacheScope: isPublic ? "public" : "private" }),
  };
}

/** What a later page failed with, as the end of a request whose first part was answered. */
function toPageError(error: ClientError, effect: Effect): ClientError {
  if (error.code === "invalid_arguments") {
    // The cursor was the server's own. It has forgotten it: only from the start can it go on.
    const message = "The list changed while it was read";
    return createClientError("operation_failed", message, {
      effect,
      temporary: true,
      cause: error,
    });
  }
  return concludeError(error, { effect, delivery: strongerDelivery(error.delivery, "unknown") });
}
