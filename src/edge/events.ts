/** One event of a `text/event-stream` (WHATWG HTML §9.2). */
export interface ServerSentEvent {
  /** The event's type; `"message"` if the stream did not name one. */
  readonly type: string;
  /** The lines of its data, joined by line feeds. */
  readonly data: string;
  /** The last id that the stream gave, this event's own or an earlier one; `""` for none. */
  readonly lastEventId: string;
}

/** The longest event that is read, in UTF-16 code units: 16 Mi. */
export const MAX_EVENT_LENGTH: number = 16 * 2 ** 20;

/** Says that one event of a stream is longer than allowed. */
export class EventTooLongError extends RangeError {
  /** The name of the class. */
  override readonly name: string = "EventTooLongError";
}

/** Cuts the bytes of a `text/event-stream` into events, however the bytes come in pieces. */
export class EventParser {
  readonly #maxLength: number;
  /** Keeps characters whole across chunks. Left to it, Deno drops byte order marks anywhere. */
  readonly #decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  readonly #lineEnd = /[\r\n]/g;
  #atStart = true;
  #line = "";
  #skipLineFeed = false;
  #type = "";
  #data = "";
  #lastEventId = "";
  #retryMs: number | undefined;

  /** @param maxLength The longest event, in UTF-16 code units. */
  constructor(maxLength: number = MAX_EVENT_LENGTH) {
    this.#maxLength = maxLength;
  }

  /** The last id that the stream gave; a reader that comes back names it. */
  get lastEventId(): string {
    return this.#lastEventId;
  }

  /** How long the stream asks to wait before coming back, in milliseconds. */
  get retryMs(): number | undefined {
    return this.#retryMs;
  }

  /**
   * Takes the next bytes.
   *
   * @returns The events that they complete. What the stream leaves incomplete at its end is no event.
   * @throws {EventTooLongError} If the event in the making is longer than allowed.
   */
  push(bytes: Uint8Array): ServerSentEvent[] {
    const text = this.#decoder.decode(bytes, { stream: true });
    const events: ServerSentEvent[] = [];
    let start = 0;
    // A carriage return ends its line at once; only the line feed that may follow is left to skip.
    if (text !== "") {
      if (this.#skipLineFeed && text[0] === "\n") start = 1;
      if (this.#atStart && text[0] === "\uFEFF") start = 1;
      this.#skipLineFeed = this.#atStart = false;
    }
    this.#lineEnd.lastIndex = start;
    for (let match = this.#lineEnd.exec(text); match; match = this.#lineEnd.exec(text)) {
      const end = match.index;
      this.#append(text.slice(start, end));
      const event = this.#endLine();
      if (event !== undefined) events.push(event);
      start = end + 1;
      if (match[0] === "\r") {
        if (start === text.length) this.#skipLineFeed = true;
        else if (text[start] === "\n") start++;
      }
      this.#lineEnd.lastIndex = start;
    }
    this.#append(text.slice(start));
    return events;
  }

  #append(text: string): void {
    this.#line += text;
    if (this.#line.length + this.#data.length <= this.#maxLength) return;
    throw new EventTooLongError(`An event of the stream is longer than ${this.#maxLength}`);
  }

  #endLine(): ServerSentEvent | undefined {
    const line = this.#line;
    this.#line = "";
    if (line === "") return this.#dispatch();
    const colon = line.indexOf(":");
    const field = colon === -1 ? line : line.slice(0, colon);
    const value = colon === -1 ? "" : line.slice(line[colon + 1] === " " ? colon + 2 : colon + 1);
    if (field === "data") this.#data += `${value}\n`;
    else if (field === "event") this.#type = value;
    else if (field === "id" && !value.includes("\0")) this.#lastEventId = value;
    else if (field === "retry" && /^[0-9]+$/.test(value)) this.#retryMs = Number(value);
    return undefined;
  }

  #dispatch(): ServerSentEvent | undefined {
    const [type, data] = [this.#type, this.#data];
    this.#type = this.#data = "";
    if (data === "") return undefined;
    return { type: type || "message", data: data.slice(0, -1), lastEventId: this.#lastEventId };
  }
}
