import type { ClientConfig, GroupConfig } from "../../src/client/config.ts";
import { AutoMCPClient } from "../../src/client/client.ts";
import type { ClientEvent } from "../../src/client/events.ts";
import { type ClientError, createClientError, type ErrorFacts } from "../../src/errors/errors.ts";
import type { ErrorCode } from "../../src/errors/codes.ts";
import { FakeClock } from "../support/fake_clock.ts";
import {
  data,
  MemoryConnector,
  type MemoryConnectorOptions,
  type MemoryOperation,
} from "../support/memory_connector.ts";

/** A client with one group, `g`, over a connector in memory and a clock that the test moves. */
export function createFixture(
  connectorOptions: MemoryConnectorOptions = {},
  group: Partial<GroupConfig> = {},
  config: Partial<ClientConfig> = {},
) {
  const clock = new FakeClock();
  const events: ClientEvent[] = [];
  const connector = new MemoryConnector(connectorOptions);
  const client = new AutoMCPClient("test", {
    clock,
    random: () => 0.5,
    onEvent: (event) => void events.push(event),
    ...config,
    groups: { g: { connector, ...group } },
  });
  return { clock, connector, client, events, group: client.group("g") };
}

/** An operation that fails so often before it works. */
export function failing(times: number, code: ErrorCode, facts?: ErrorFacts): MemoryOperation {
  return ({ effect }) => {
    if (times-- > 0) throw createClientError(code, "Injected", { effect, ...facts });
    return data({ done: true });
  };
}

/** What a promise rejects with, looked at later; fails if it fulfils. */
export async function rejection(promise: Promise<unknown>): Promise<ClientError> {
  try {
    await promise;
  } catch (error) {
    return error as ClientError;
  }
  throw new Error("Expected a rejection");
}

/** A signal that counts its listeners. */
export class CountingSignal extends EventTarget {
  aborted = false;
  reason: unknown = undefined;
  listeners = 0;
  readonly #known = new Set<unknown>();

  override addEventListener(type: string, listener: never, options?: never): void {
    if (!this.#known.has(listener)) this.listeners++;
    this.#known.add(listener);
    super.addEventListener(type, listener, options);
  }

  override removeEventListener(type: string, listener: never): void {
    if (this.#known.delete(listener)) this.listeners--;
    super.removeEventListener(type, listener);
  }

  abort(reason: unknown): void {
    this.aborted = true;
    this.reason = reason;
    this.dispatchEvent(new Event("abort"));
    // Listeners of one call are gone now, as in the real signal.
    this.#known.clear();
    this.listeners = 0;
  }

  throwIfAborted(): void {
    if (this.aborted) throw this.reason;
  }

  get signal(): AbortSignal {
    return this as unknown as AbortSignal;
  }
}
