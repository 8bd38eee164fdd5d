/**
 * What the whole guard costs beside cockatiel's: deadline, retry, breaker, limiter and pool around a
 * promise that is resolved already. Put together as `src/client` does it.
 */
import {
  bulkhead,
  circuitBreaker,
  ConsecutiveBreaker,
  ExponentialBackoff,
  handleAll,
  retry,
  timeout,
  TimeoutStrategy,
  wrap,
} from "cockatiel";
import { OwnController } from "../../src/client/abort.ts";
import { createClientError } from "../../src/errors/errors.ts";
import { RetryBudget } from "../../src/resilience/budget.ts";
import { systemClock } from "../../src/resilience/clock.ts";
import { Deadline } from "../../src/resilience/deadline.ts";
import { DeadlineTimer } from "../../src/resilience/deadline_timer.ts";
import { Gate } from "../../src/resilience/gate.ts";
import type { ManagedResource } from "../../src/resilience/managed_resource.ts";
import { ResourcePool } from "../../src/resilience/pool.ts";
import {
  classifyClientError,
  Repeats,
  type ResolvedRetryPolicy,
} from "../../src/resilience/retry.ts";
import { AutoMCPClient } from "../../mod.ts";
import { ANSWER, createConnector } from "../connector.ts";
import type { Row } from "./row.ts";

/** Runs a function under all that protects a call. */
export type Guard = <T>(fn: Guarded<T>) => Promise<T>;

type Guarded<T> = (signal: AbortSignal) => Promise<T>;

const SIZE = 10;
const TIMEOUT_MS = 30_000;
const OPERATION = "work";

/** Returns the guard of AutoMCP, with its defaults. */
export function createGuard(timeoutMs: number = TIMEOUT_MS): Guard {
  const clock = systemClock;
  const random = Math.random;
  const timer = new DeadlineTimer(clock);
  const budget = new RetryBudget({}, clock);
  const check = (): Promise<void> => Promise.resolve();
  const rules = { breaker: {}, limiter: {}, queue: {}, onEvent: undefined };
  const gate = new Gate({ maxLimit: SIZE, ...rules, clock, random, check });
  // One connection carries all, as one to a modern server does.
  const pool = new ResourcePool({
    poolSize: SIZE,
    leasesPerResource: () => Infinity,
    create: () => Promise.resolve({}),
  });
  const policy: ResolvedRetryPolicy = {
    maxAttempts: 3,
    baseDelayMs: 100,
    throttledBaseDelayMs: 1_000,
    backoffFactor: 1.5,
    maxDelayMs: 2_000,
    maxRetryAfterMs: 60_000,
  };
  const createRepeats = (deadline: Deadline, signal: AbortSignal): Repeats =>
    new Repeats(policy, {
      effect: "safe",
      classify: classifyClientError,
      minRemainingMs: () => gate.estimates.p50Ms(OPERATION),
      onRetry: undefined,
      onBudgetEmpty: undefined,
      ...{ deadline, signal, budget, clock, random },
    });

  const carry = <T>(
    fn: Guarded<T>,
    controller: OwnController,
    permit: number,
    lease: ManagedResource<unknown>,
  ): Promise<T> => {
    const { signal } = controller;
    const startedMs = clock.now();
    const end = (succeeded: boolean): void => {
      lease.release();
      gate.leave(permit, {
        operation: OPERATION,
        health: succeeded ? "answered" : "none",
        timedOut: signal.aborted,
        succeeded,
        retryAfterMs: undefined,
        elapsedMs: clock.now() - startedMs,
      });
    };
    return new Promise((resolve, reject) => {
      const onAbort = (): void => {
        end(false);
        reject(signal.reason);
      };
      controller.addEventListener("abort", onAbort);
      fn(signal).then((value) => {
        if (signal.aborted) return;
        controller.removeEventListener("abort", onAbort);
        end(true);
        resolve(value);
      }, (error) => {
        if (signal.aborted) return;
        controller.removeEventListener("abort", onAbort);
        end(false);
        reject(error);
      });
    });
  };

  const wait = async <T>(
    fn: Guarded<T>,
    deadline: Deadline,
    controller: OwnController,
  ): Promise<T> => {
    const { signal } = controller;
    const place = { operation: OPERATION, deadline, signal, priority: "interactive" } as const;
    const permit = await gate.enter({ ...place, failFast: false });
    return await carry(fn, controller, permit, await pool.acquire({ signal, deadline }));
  };

  const attempt = <T>(
    fn: Guarded<T>,
    deadline: Deadline,
    controller: OwnController,
  ): Promise<T> => {
    const lease = gate.isFree ? pool.tryAcquire() : undefined;
    if (lease === undefined) return wait(fn, deadline, controller);
    return carry(fn, controller, gate.tryEnter()!, lease);
  };

  return async (fn) => {
    const controller = new OwnController();
    const deadline = Deadline.after(timeoutMs, clock);
    const onTimeout = (): void =>
      controller.abort(createClientError("deadline_exceeded", "The call did not end in time"));
    const expiry = { atMs: deadline.atMs, onTimeout };
    let repeats: Repeats | undefined;
    budget.deposit();
    timer.add(expiry);
    try {
      for (;;) {
        try {
          return await attempt(fn, deadline, controller);
        } catch (error) {
          repeats ??= createRepeats(deadline, controller.signal);
          await repeats.wait(error);
        }
      }
    } finally {
      timer.delete(expiry);
    }
  };
}

/** Returns the same of cockatiel. */
export function createCockatielGuard(timeoutMs: number = TIMEOUT_MS): Guard {
  const policy = wrap(
    retry(handleAll, { maxAttempts: 3, backoff: new ExponentialBackoff() }),
    circuitBreaker(handleAll, { halfOpenAfter: 10_000, breaker: new ConsecutiveBreaker(5) }),
    timeout(timeoutMs, TimeoutStrategy.Aggressive),
    bulkhead(SIZE),
  );
  return (fn) => policy.execute(({ signal }) => fn(signal));
}

/** Makes one of each, and what a call on it is; the last is the peer. */
function createCalls(): Record<string, () => Promise<unknown>> {
  const work = (): Promise<number> => Promise.resolve(1);
  const guard = createGuard();
  const peer = createCockatielGuard();
  const client = new AutoMCPClient("bench", {
    timeoutMs: TIMEOUT_MS,
    groups: { nothing: { connector: createConnector() } },
  });
  const group = client.group("nothing");
  return {
    "AutoMCP": () => guard(work),
    "AutoMCPClient.execute()": () => group.execute(ANSWER),
    "cockatiel 4": () => peer(work),
  };
}

/** Returns all rows, each on a guard of its own. */
export function createGuardRows(): Row[] {
  const calls = Object.entries(createCalls());
  return [1, SIZE].flatMap((callers) =>
    calls.map(([name, call], index) => ({
      group: callers === 1 ? "guard" : `guard, ${callers} callers at once`,
      name,
      isPeer: index === calls.length - 1,
      operations: callers,
      run: callers === 1 ? call : () => Promise.all(Array.from({ length: callers }, call)),
    }))
  );
}
