import type { ExecutionEvent } from "./events.ts";

/** What an event is counted as besides its message: an object of eleven fields. */
const EVENT_BYTES = 192;

/** An event that has a number, as all but a gap have. */
export type NumberedEvent = Exclude<ExecutionEvent, { type: "gap" }>;

function sizeBytes(event: NumberedEvent): number {
  const message = event.type === "progress" ? event.message : undefined;
  return EVENT_BYTES + (message?.length ?? 0);
}

/** The newest events of one execution: bounded, numbered without holes, readable from any number. */
export class EventLog {
  readonly #maxEvents: number;
  readonly #maxBytes: number;
  /** Made with the first event: a list that grows has room for seventeen at once. */
  #events: NumberedEvent[] | undefined;
  #bytes = 0;

  /**
   * Creates an empty log.
   *
   * @param maxEvents How many events it keeps, >= 1.
   * @param maxBytes How many bytes it keeps; the newest event stays even if it alone is larger.
   */
  constructor(maxEvents: number, maxBytes: number) {
    this.#maxEvents = maxEvents;
    this.#maxBytes = maxBytes;
  }

  /**
   * Appends an event and drops the oldest ones that have no place any more.
   *
   * @param event The event; its number is one above that of the event before.
   */
  append(event: NumberedEvent): void {
    this.#bytes += sizeBytes(event);
    if (this.#events === undefined) {
      this.#events = [event];
      return;
    }
    this.#events.push(event);
    while (
      this.#events.length > this.#maxEvents ||
      (this.#bytes > this.#maxBytes && this.#events.length > 1)
    ) this.#bytes -= sizeBytes(this.#events.shift()!);
  }

  /**
   * Returns what follows an event.
   *
   * @param seq The number of the event; 0 is before the first.
   * @returns The next event, a gap for those that were dropped, or `undefined` at the end.
   */
  after(seq: number): ExecutionEvent | undefined {
    const first = this.#events?.[0]?.seq;
    if (first === undefined) return undefined;
    if (seq + 1 < first) return { type: "gap", from: seq + 1, to: first - 1 };
    return this.#events?.[seq + 1 - first];
  }
}
