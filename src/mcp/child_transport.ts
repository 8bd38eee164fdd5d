import type { JSONRPCMessage, Transport } from "@modelcontextprotocol/client";
import {
  StdioClientTransport,
  type StdioServerParameters,
} from "@modelcontextprotocol/client/stdio";

/**
 * The SDK's stdio transport with one message delivered at a time: it hands a progress report on one
 * microtask late, so that a result out of the same chunk would overtake it and the report be lost.
 */
export class ChildTransport implements Transport {
  onclose?: () => void;
  onerror?: (error: Error) => void;
  onmessage?: (message: JSONRPCMessage) => void;
  readonly #child: StdioClientTransport;
  #delivered: Promise<void> = Promise.resolve();
  #spawned = false;
  #exited = false;
  #ended = false;

  constructor(server: StdioServerParameters) {
    this.#child = new StdioClientTransport(server);
    this.#child.onmessage = (message) => this.#queue(() => this.onmessage?.(message));
    this.#child.onerror = (error) => {
      this.onerror?.(error);
      // A child that writes a message that is too long is given up right after this. The SDK tells only
      // of its exit, which may be seconds away.
      queueMicrotask(() => this.#spawned && this.#child.pid === null && this.#end());
    };
    this.#child.onclose = () => {
      this.#exited = true;
      this.#end();
    };
  }

  /** Whether the child has started; what cannot start never will. */
  get spawned(): boolean {
    return this.#spawned;
  }

  /** Whether the child ended. */
  get exited(): boolean {
    return this.#exited;
  }

  // The SDK tells by these two that silence and an exit are answers of a legacy server.
  /** The SDK's stream of the child's errors. */
  get stderr(): unknown {
    return this.#child.stderr;
  }

  /** The child's process id. */
  get pid(): number | null {
    return this.#child.pid;
  }

  async start(): Promise<void> {
    await this.#child.start();
    this.#spawned = true;
  }

  send(message: JSONRPCMessage): Promise<void> {
    return this.#child.send(message);
  }

  async close(): Promise<void> {
    await this.#child.close();
    await this.#delivered;
  }

  #end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#queue(() => this.onclose?.());
  }

  #queue(deliver: () => void): void {
    this.#delivered = this.#delivered.then(deliver).catch((error) => this.onerror?.(error));
  }
}
