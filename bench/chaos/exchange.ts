import type { VirtualClock } from "./clock.ts";

/** Half of the model's round trip of 10 ms. */
export const TRIP_MS = 5;
/** What the line carries at once, and how often: 1 Gbit/s. */
const PIECE_BYTES = 2 ** 18;
const PIECE_MS = 2;
const ENCODER = new TextEncoder();

/**
 * One HTTP exchange over a network that takes its time: whatever either side does reaches the other
 * one trip later, in order.
 */
export class Exchange {
  /** Called when the server notices that the reader is gone. */
  onGone: () => void = () => {};
  readonly #clock: VirtualClock;
  readonly #signal: AbortSignal | undefined;
  readonly #onEnd: () => void;
  readonly #abort = (): void => this.#giveUp();
  readonly #settle = Promise.withResolvers<Response>();
  #stream: ReadableStreamDefaultController<Uint8Array> | undefined;
  #ended = false;

  constructor(clock: VirtualClock, signal: AbortSignal | undefined, onEnd: () => void) {
    this.#clock = clock;
    this.#signal = signal;
    this.#onEnd = onEnd;
    signal?.addEventListener("abort", this.#abort, { once: true });
  }

  /** Settles as `fetch` does. */
  get response(): Promise<Response> {
    return this.#settle.promise;
  }

  /** Does something on the server's side, one trip from now. */
  reach(server: () => void): void {
    this.#clock.setModelTimer(TRIP_MS, server);
  }

  /** Answers with a whole response. */
  answer(status: number, body: string | null, headers: Record<string, string> = {}): void {
    this.#later(() => {
      this.#end();
      this.#settle.resolve(new Response(body, { status, headers }));
    });
  }

  /** Answers with the head of an event stream. */
  open(): void {
    this.#later(() => {
      const body = new ReadableStream<Uint8Array>({
        start: (controller) => void (this.#stream = controller),
        cancel: () => this.#leave(),
      });
      const headers = { "content-type": "text/event-stream" };
      this.#settle.resolve(new Response(body, { headers }));
    });
  }

  /** Sends a piece of the stream. */
  write(text: string): void {
    this.#later(() => this.#stream?.enqueue(ENCODER.encode(text)));
  }

  /** Sends the last piece of the stream: at once, or as fast as the line carries it. */
  finish(text: string): void {
    const bytes = ENCODER.encode(text);
    const pieces = Math.max(1, Math.ceil(bytes.length / PIECE_BYTES));
    for (let piece = 0; piece < pieces; piece++) {
      this.#later(() => {
        const part = bytes.subarray(piece * PIECE_BYTES, (piece + 1) * PIECE_BYTES);
        if (part.length > 0) this.#stream?.enqueue(part);
        if (piece < pieces - 1) return;
        this.#end();
        this.#stream?.close();
      }, piece * PIECE_MS);
    }
  }

  /** Breaks the connection, or the attempt to make one. */
  fail(error: Error): void {
    this.#later(() => {
      this.#end();
      this.#settle.reject(error);
      this.#stream?.error(error);
    });
  }

  #later(client: () => void, delayMs = 0): void {
    this.#clock.setTimer(TRIP_MS + delayMs, () => {
      if (!this.#ended) client();
    });
  }

  #giveUp(): void {
    const reason = this.#signal?.reason;
    this.#leave();
    this.#settle.reject(reason);
    this.#stream?.error(reason);
  }

  #leave(): void {
    if (this.#ended) return;
    this.#end();
    this.reach(() => this.onGone());
  }

  #end(): void {
    this.#ended = true;
    this.#signal?.removeEventListener("abort", this.#abort);
    this.#onEnd();
  }
}
