import type { Clock } from "../../src/resilience/clock.ts";

/** Half of the model's round trip of 10 ms. */
const TRIP_MS = 5;

/**
 * One HTTP exchange over a network that takes its time: whatever either side does reaches the other
 * one trip later, in order.
 */
export class Exchange {
  /** Called when the server notices that the reader is gone. */
  onGone: () => void = () => {};
  readonly #clock: Clock;
  readonly #signal: AbortSignal | undefined;
  readonly #onEnd: () => void;
  readonly #abort = (): void => this.#giveUp();
  readonly #settle = Promise.withResolvers<Response>();
  #stream: ReadableStreamDefaultController<Uint8Array> | undefined;
  #ended = false;

  constructor(clock: Clock, signal: AbortSignal | undefined, onEnd: () => void) {
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
    this.#clock.setTimer(TRIP_MS, server);
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

  /** Sends a piece of the stream, the last one or not. */
  write(text: string, isLast = false): void {
    this.#later(() => {
      if (text !== "") this.#stream?.enqueue(new TextEncoder().encode(text));
      if (!isLast) return;
      this.#end();
      this.#stream?.close();
    });
  }

  /** Breaks the connection, or the attempt to make one. */
  fail(error: Error): void {
    this.#later(() => {
      this.#end();
      this.#settle.reject(error);
      this.#stream?.error(error);
    });
  }

  #later(client: () => void): void {
    this.#clock.setTimer(TRIP_MS, () => {
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
