import { type Effect, EFFECTS } from "../errors/delivery.ts";
import type { OptionRules } from "../errors/misuse.ts";
import type { Deadline } from "../resilience/deadline.ts";
import type { Priority } from "../resilience/pool_options.ts";
import type { RetryPolicy } from "../resilience/retry.ts";
import { TIMEOUT_RULE } from "./policy.ts";
import type { Era, OperationDescriptor, ServerInfo, TraceContext } from "./ports.ts";

/** How one execution differs from its group's policy. */
export interface ExecuteOptions {
  /**
   * Time for the execution in milliseconds, > 0: waiting, every attempt and every pause included.
   *
   * @default {the operation's, else the group's}
   */
  readonly timeoutMs?: number;
  /** An instant by which it must end; of this and `timeoutMs` the nearer wins. */
  readonly deadline?: Deadline;
  /** Ends the execution; its reason is what the response rejects with, the same object. */
  readonly signal?: AbortSignal;
  /** What repeating the operation does. It overrules every other source. */
  readonly effect?: Effect;
  /**
   * Whether it is served before or after others that wait for the same server.
   *
   * @default {"interactive"}
   */
  readonly priority?: Priority;
  /**
   * Whether a second copy may go out when the operation is slow; only `safe` ones ever get one.
   *
   * @default {the group's}
   */
  readonly hedge?: boolean;
  /** W3C Trace Context, passed on to the server. */
  readonly trace?: TraceContext;
  /**
   * The execution's id, unique in the world.
   *
   * @default {a random UUID}
   */
  readonly executionId?: string;
}

/** How long to wait for a description, and what ends the wait. */
export type DescribeOptions = Pick<ExecuteOptions, "timeoutMs" | "signal">;

/** How one execution is repeated, and how else it differs from its group's policy. */
export interface RetryExecuteOptions extends ExecuteOptions, RetryPolicy {}

/** An operation of a group, with what repeating it does. */
export interface GroupOperation extends OperationDescriptor {
  /** What repeating the operation does, as the group resolved it. */
  readonly effect: Effect;
}

/** What a group can do. */
export interface GroupDescription {
  /** The group's name. */
  readonly name: string;
  /** How the connection talks to the server. */
  readonly era: Era | undefined;
  /** What the server says of itself, if it does. */
  readonly server: ServerInfo | undefined;
  /** The group's operations, in the server's order. */
  readonly operations: readonly GroupOperation[];
  /** How long the list stays fresh, in milliseconds, as the server said. */
  readonly ttlMs: number;
}

/** What the options of a description must be. */
export const DESCRIBE_RULES: OptionRules<DescribeOptions> = { timeoutMs: TIMEOUT_RULE, signal: {} };

/** What the options of an execution must be. */
export const EXECUTE_RULES: OptionRules<ExecuteOptions> = {
  timeoutMs: TIMEOUT_RULE,
  deadline: { type: "object" },
  signal: { type: "object" },
  effect: { oneOf: EFFECTS },
  priority: { oneOf: ["interactive", "background"] },
  hedge: { type: "boolean" },
  trace: {},
  executionId: { type: "string" },
};
