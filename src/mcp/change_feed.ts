import type { Client, McpSubscription } from "@modelcontextprotocol/client";
import type { Clock } from "../resilience/clock.ts";

/** What a change feed needs. */
export interface ChangeFeedOptions {
  readonly clock: Clock;
  /** Called whenever operations have changed, or may have changed while nobody listened. */
  readonly onChange: () => void;
  /** Whether there was a feed of the same server before, so that changes may have been missed. */
  readonly isLater: boolean;
}

/** How long a stream may take to be acknowledged; the first list waits for that. */
const ACKNOWLEDGE_MS = 5_000;
/** After how much time without a use the stream is closed: it would keep the process alive. */
export const FEED_IDLE_MS = 60_000;
/** The wait before a stream that ended is opened again doubles from the first to the second. */
const FIRST_REOPEN_MS = 1_000;
const LAST_REOPEN_MS = 60_000;

/**
 * The stream on which a modern server tells what changes (`subscriptions/listen`). It is open while its
 * connection is used: a use opens it, a minute without one closes it, and what ends it is made good by
 * a later use. So it never makes anything happen while nobody calls.
 */
export class ChangeFeed {
  readonly #client: Client;
  readonly #options: ChangeFeedOptions;
  #opening: Promise<void> | undefined;
  #stream: McpSubscription | undefined;
  #undoIdle = (): void => {};
  #usedMs = 0;
  #mayOpenAtMs = -Infinity;
  #failures = 0;
  #wasOpen: boolean;
  /** How many lists wait for the stream: they will show what changed before it. */
  #waiting = 0;
  #ended = false;

  constructor(client: Client, options: ChangeFeedOptions) {
    this.#client = client;
    this.#options = options;
    this.#wasOpen = options.isLater;
  }

  /** Says that the connection is used. */
  touch(): void {
    const { clock } = this.#options;
    this.#usedMs = clock.now();
    if (this.#ended || this.#stream !== undefined || this.#usedMs < this.#mayOpenAtMs) return;
    this.#opening ??= this.#open().finally(() => this.#opening = undefined);
  }

  /** Waits until the stream is open, or cannot be opened now: a list from then on misses nothing. */
  async ready(): Promise<void> {
    this.touch();
    this.#waiting++;
    await this.#opening;
    this.#waiting--;
  }

  /** Closes the stream for good. */
  close(): void {
    this.#ended = true;
    this.#closeStream();
  }

  async #open(): Promise<void> {
    let stream: McpSubscription;
    try {
      stream = await this.#client.listen({ toolsListChanged: true }, { timeout: ACKNOWLEDGE_MS });
    } catch {
      // Whether the server is well is for calls to find out.
      return this.#postpone();
    }
    this.#ended ||= stream.honoredFilter.toolsListChanged !== true;
    this.#stream = stream;
    if (this.#ended) return this.#closeStream();
    if (this.#wasOpen && this.#waiting === 0) this.#options.onChange();
    this.#wasOpen = true;
    const openedMs = this.#options.clock.now();
    this.#watchIdle();
    void stream.closed.then(() => {
      if (this.#stream !== stream) return;
      this.#closeStream();
      if (this.#options.clock.now() - openedMs >= LAST_REOPEN_MS) this.#failures = 0;
      this.#postpone();
    });
  }

  #postpone(): void {
    const waitMs = Math.min(LAST_REOPEN_MS, FIRST_REOPEN_MS * 2 ** this.#failures++);
    this.#mayOpenAtMs = this.#options.clock.now() + waitMs;
  }

  #watchIdle(): void {
    const { clock } = this.#options;
    const leftMs = this.#usedMs + FEED_IDLE_MS - clock.now();
    if (leftMs <= 0) return this.#closeStream();
    this.#undoIdle = clock.setTimer(leftMs, () => this.#watchIdle(), { keepAlive: false });
  }

  #closeStream(): void {
    this.#undoIdle();
    const stream = this.#stream;
    this.#stream = undefined;
    void stream?.close().catch(() => {});
  }
}
