/**
 * Meets faults in the runtime that it runs in, and tells what was made of each. Knows no runtime; the
 * servers, and the count of what they did, are with whoever starts it.
 */
import { AutoMCPClient } from "../../src/client/client.ts";
import type { ExecutionResponse } from "../../src/client/execution.ts";
import type { Connection, Connector } from "../../src/client/ports.ts";
import type { Effect } from "../../src/errors/delivery.ts";
import { type ClientError, isClientError } from "../../src/errors/errors.ts";
import { healthOf } from "../../src/errors/health.ts";
import { createMcpConnector } from "../../src/mcp/mod.ts";
import { Deadline } from "../../src/resilience/deadline.ts";
import { StandingClock } from "../support/standing_clock.ts";
import { request } from "./support.ts";

/** What is done to a server: */
export type ProbeAct =
  /** an execution with two attempts; */
  | "execute"
  /** one whose caller leaves during the call; */
  | "abort"
  /** one whose deadline passes during the call; */
  | "deadline"
  /** a connection is made; */
  | "connect"
  /** one is closed during a call, and called once more; */
  | "close"
  /** one is called whose server has gone. */
  | "gone";

/** One thing to do. */
export interface ProbeTask {
  readonly url: string;
  readonly act: ProbeAct;
  readonly effect: Effect;
  /** Credentials that stay as they are, or are renewed after a refusal. */
  readonly credentials?: "fixed" | "renewed" | undefined;
  readonly maxAnswerBytes: number;
  /** Whether the server is known to be a legacy one, and not asked. */
  readonly era?: "legacy";
  /** The longest wait of the clock that ends, at once; all others never do. */
  readonly allowedMs?: number | undefined;
  /** Whether one execution goes well first, so long ago that what was learnt has gone stale. */
  readonly warm?: true;
}

/** What a failure proves. */
export type ProbeError = readonly [
  name: string,
  code: string,
  delivery: string,
  health: string,
  temporary: boolean,
  retryAfterMs: number | null,
];

/** What became of a task. */
export interface ProbeOutcome {
  /** What each failed attempt, or connecting, ended with. */
  readonly failures: readonly ProbeError[];
  /** The result's status; else name, code and delivery of the error, and of what it hides. */
  readonly end: readonly string[];
  /** How many attempts the execution claims. */
  readonly attempts: number | null;
  readonly retryable: boolean | null;
  /** Whether a failure was the end of its connection. */
  readonly closed: boolean;
  /** How many requests the server was still answering when all was over but nothing closed. */
  readonly open: number;
}

/** Real time, far below every time-out of these tasks; only what hangs comes near it. */
const LIMIT_MS = 30_000;
const TIMEOUT_MS = 60_000;
/** No list of tools stays fresh for so long here. */
const STALE_MS = 120_000;

/**
 * Does all tasks and logs a line for each: its index and its outcome, as JSON.
 *
 * @param log Takes the lines.
 * @param control Where the servers' side answers for them.
 * @param concurrency How many are done at once.
 * @returns How many tasks could not be done.
 */
export async function runProbe(
  log: (line: string) => void,
  control: string,
  tasks: readonly ProbeTask[],
  concurrency: number,
): Promise<number> {
  const queue = tasks.entries();
  let failed = 0;
  await Promise.all(Array.from({ length: concurrency }, async () => {
    for (const [index, task] of queue) {
      const ask = async (what: string): Promise<number> =>
        Number(await (await fetch(`${control}${what}/${index}`)).text());
      try {
        log(JSON.stringify([index, await withinLimit(probe(task, ask))]));
      } catch (error) {
        failed++;
        log(JSON.stringify([index, String(error)]));
      }
    }
  }));
  return failed;
}

async function withinLimit<T>(work: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const limit = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error("It hangs")), LIMIT_MS);
  });
  return await Promise.race([work, limit]).finally(() => clearTimeout(timer));
}

/** Asks the servers' side: `started`, `left` or `open`. */
type Ask = (what: string) => Promise<number>;

async function probe(task: ProbeTask, ask: Ask): Promise<ProbeOutcome> {
  const { url, act, credentials, maxAnswerBytes, allowedMs, effect, era = "auto" } = task;
  const clock = new StandingClock(allowedMs);
  const token = () => Promise.resolve("t");
  const onUnauthorized = () => Promise.resolve();
  const failures: ProbeError[] = [];
  let closed = false;
  const connector = note(
    createMcpConnector({
      ...{ url, maxAnswerBytes, clock, era },
      ...(credentials === "fixed" && { authProvider: { token } }),
      ...(credentials === "renewed" && { authProvider: { token, onUnauthorized } }),
    }),
    (error, connection) => {
      failures.push(describe(error));
      closed ||= connection?.closed.aborted === true;
    },
  );
  const settle = async (work: Promise<unknown>): Promise<ProbeOutcome> => {
    const ended = await outcomeOf(work);
    return { ...ended, failures, closed, open: await ask("open") };
  };
  if (act === "connect" || act === "gone" || act === "close") {
    const { signal } = new AbortController();
    const limits = { signal, deadline: Deadline.after(TIMEOUT_MS, clock) };
    const connecting = connector.connect(limits);
    if (act === "connect") {
      const outcome = await settle(connecting);
      await connecting.then((connection) => connection.close(), () => {});
      return outcome;
    }
    const connection = await connecting;
    const call = () =>
      connection.execute(request("act", {}, { effect }), { ...limits, onProgress: () => {} });
    if (act === "gone") await ask("left");
    const settled = settle(call());
    if (act === "close") await ask("started");
    if (act === "gone") await settled;
    await connection.close();
    if (act === "close") await outcomeOf(call());
    return await settled;
  }

  const client = new AutoMCPClient("probe", {
    clock,
    timeoutMs: TIMEOUT_MS,
    maxAttempts: act === "execute" ? 2 : 1,
    random: () => 0,
    groups: { g: { connector } },
  });
  const group = client.group("g");
  if (task.warm) {
    await group.execute("act", {}, { effect });
    await clock.advance(STALE_MS);
  }
  const abort = new AbortController();
  const settled = settle(group.execute("act", {}, { effect, signal: abort.signal }));
  if (act !== "execute") await ask("started");
  if (act === "abort") abort.abort(REASON);
  if (act === "deadline") await clock.advance(TIMEOUT_MS);
  const outcome = await settled;
  await client.close();
  return outcome;
}

const REASON = { why: "the user left" };

async function outcomeOf(
  work: Promise<unknown>,
): Promise<Pick<ProbeOutcome, "end" | "attempts" | "retryable">> {
  try {
    const { status = "ok", attempts = null } = await work as Partial<ExecutionResponse>;
    return { end: [status], attempts, retryable: null };
  } catch (error) {
    if (error === REASON) return { end: ["the caller's reason"], attempts: null, retryable: null };
    if (!isClientError(error)) throw error;
    const { cause, attempts, retryable } = error;
    const hidden = error.code === "outcome_unknown" && isClientError(cause) ? [cause] : [];
    const end = [error, ...hidden].flatMap(({ name, code, delivery }) => [name, code, delivery]);
    return { end, attempts, retryable };
  }
}

function describe(error: ClientError): ProbeError {
  const { name, code, delivery, temporary, retryAfterMs } = error;
  return [name, code, delivery, healthOf(error), temporary, retryAfterMs ?? null];
}

/** Tells what connecting and each attempt fail with. */
function note(
  connector: Connector,
  onFailure: (error: ClientError, connection?: Connection) => void,
): Connector {
  const watch = async <T>(work: Promise<T>, connection?: Connection): Promise<T> => {
    try {
      return await work;
    } catch (error) {
      if (isClientError(error)) onFailure(error, connection);
      throw error;
    }
  };
  return {
    name: connector.name,
    async connect(options) {
      const connection = await watch(connector.connect(options));
      return new Proxy(connection, {
        get(target, name) {
          if (name === "execute") {
            return (...call: Parameters<Connection["execute"]>) =>
              watch(target.execute(...call), target);
          }
          const value = Reflect.get(target, name, target);
          return typeof value === "function" ? value.bind(target) : value;
        },
      });
    },
  };
}
