import { AutoMCPClient } from "../client/client.ts";
import type { OperationDescriptor } from "../client/ports.ts";
import { createEdgeConnector } from "../edge/mod.ts";
import { responseToError } from "../edge/problem.ts";
import type { Effect } from "../errors/delivery.ts";
import { type ClientError, createClientError, isClientError } from "../errors/errors.ts";
import { Run } from "./run.ts";

/** A group as the endpoint's list shows it. */
export interface Group {
  readonly name: string;
  readonly title?: string;
  /** `open` has a connection, `ready` makes its first when it is called. */
  readonly state: "ready" | "connecting" | "open" | "failed";
  readonly server?: { readonly name: string; readonly version: string };
  readonly era?: string;
  readonly operations?: number;
  readonly problem?: { readonly code: string; readonly detail: string };
}

/** Tells whether a group is worth being asked for its operations. */
export function isReachable({ state }: Group): boolean {
  return state !== "failed";
}

/** An operation with its effect. */
export type Operation = OperationDescriptor & { readonly effect: Effect };

/** The operations of a group, or why there are none. */
export type OperationsOfGroup = readonly Operation[] | ClientError | undefined;

const LOAD_TIMEOUT_MS = 15_000;

/** Everything that a visitor with one key does at the endpoint. */
export class Session {
  readonly groups: readonly Group[];
  readonly #client: AutoMCPClient;
  readonly #runs = new Map<string, Run>();

  private constructor(url: string, key: string | undefined, groups: readonly Group[]) {
    this.groups = groups;
    const configs = groups.map(({ name }) => {
      const connector = createEdgeConnector({
        url,
        group: name,
        ...(key !== undefined && { key }),
        onEvent: (event) => this.#runs.get(toId(name, event.operation))?.take(event),
      });
      return [name, { connector }] as const;
    });
    // The endpoint repeats what may be repeated; a page that did so as well would hide its answers.
    this.#client = new AutoMCPClient("console", {
      maxAttempts: 1,
      groups: Object.fromEntries(configs),
    });
  }

  /**
   * Lists the groups of the endpoint.
   *
   * @throws {ClientError} `unauthorized` without a key that the endpoint knows.
   */
  static async open(url: string, key: string | undefined): Promise<Session> {
    const signal = AbortSignal.timeout(LOAD_TIMEOUT_MS);
    let response: Response;
    let groups: readonly Group[];
    try {
      response = await fetch(new URL("v1/groups", url), {
        headers: key === undefined ? {} : { authorization: `Bearer ${key}` },
        signal,
      });
      if (!response.ok) {
        throw await responseToError(response, { effect: "safe", signal, wallMs: Date.now() });
      }
      ({ groups } = await response.json());
    } catch (error) {
      if (isClientError(error)) throw error;
      throw createClientError("connection_lost", "The endpoint does not answer", { cause: error });
    }
    return new Session(url, key, groups);
  }

  /** Lists the operations of a group. */
  async describe(group: string): Promise<readonly Operation[] | ClientError> {
    try {
      return (await this.#client.group(group).describe()).operations;
    } catch (error) {
      return isClientError(error) ? error : createClientError("internal", String(error));
    }
  }

  /** The newest run of an operation. */
  run(group: string, operation: string): Run {
    const id = toId(group, operation);
    const run = this.#runs.get(id) ??
      new Run((args, timeoutMs) => this.#client.group(group).start(operation, args, { timeoutMs }));
    this.#runs.set(id, run);
    return run;
  }

  close(): Promise<void> {
    return this.#client.close();
  }
}

/** Names an operation in the address of the page. */
export function toId(group: string, operation: string): string {
  return `#/${encodeURIComponent(group)}/${encodeURIComponent(operation)}`;
}
