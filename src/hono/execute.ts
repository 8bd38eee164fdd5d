import type { Execution } from "../client/execution.ts";
import type { RetryableClientGroup } from "../client/retryable_group.ts";
import type { TraceContext } from "../client/ports.ts";
import { type ClientError, isClientError } from "../errors/errors.ts";
import { notify } from "../errors/notify.ts";
import type { ExecutionRegistry } from "../executions/registry.ts";
import type { Clock } from "../resilience/clock.ts";
import { readArguments } from "./body.ts";
import { sha256Hex } from "./digest.ts";
import { eventStreamResponse } from "./event_stream.ts";
import { describeExecution } from "./executions.ts";
import {
  prefersEvents,
  readOnDisconnect,
  readRequestId,
  readTimeoutMs,
  readTrace,
  refuseIdempotencyKey,
} from "./headers.ts";
import { problemResponse, toProblem } from "./problem.ts";

/**
 * How long a stream waits for the checks before the first send, so that a refusal can still be an
 * HTTP status; afterwards it is the stream's last event.
 */
const CHECK_WAIT_MS = 100;

/** What the execution of an operation needs of its endpoint. */
export interface ExecuteContext {
  /** Measures time. */
  readonly clock: Clock;
  /** Knows the executions. */
  readonly executions: ExecutionRegistry;
  /** Makes the id of a new execution. */
  readonly createExecutionId: () => string;
  /** Turns whatever was thrown into what the caller may see. */
  readonly toFailure: (error: unknown) => ClientError;
  /** Takes each defect. */
  readonly onDefect: (defect: unknown, id: string) => void;
}

/** Executes an operation for a request and answers with its response, or with its events. */
export async function execute(
  group: RetryableClientGroup,
  operation: string,
  request: Request,
  principal: string,
  context: ExecuteContext,
): Promise<Response> {
  const { clock, executions, createExecutionId, toFailure } = context;
  const startMs = clock.now();
  const { headers } = request;
  refuseIdempotencyKey(headers);
  const timeoutMs = readTimeoutMs(headers, group.timeoutMsOf(operation));
  const detaches = readOnDisconnect(headers) === "detach";
  const trace: TraceContext | undefined = readTrace(headers);
  const requestId = readRequestId(headers);
  const args = await readArguments(request);
  const start = requestId === undefined
    ? undefined
    : { id: requestId, content: await sha256Hex(JSON.stringify([group.name, operation, args])) };
  // No await from here to `track()`: two copies of one request must not both find nothing.
  const execution = (start && executions.findStarted(start, principal)?.execution) ??
    executions.track(
      reportingDefects(
        group.start(operation, args, {
          executionId: createExecutionId(),
          ...(timeoutMs !== undefined && { timeoutMs }),
          ...(trace !== undefined && { trace }),
        }),
        context.onDefect,
      ),
      principal,
      start,
    );
  if (!detaches) cancelWithCaller(execution, request.signal);

  const describe = (attempts: number): Record<string, string> => ({
    "automcp-execution-id": execution.id,
    "automcp-attempts": String(attempts),
    "server-timing": `execution;dur=${(clock.now() - startMs).toFixed(1)}`,
  });
  if (prefersEvents(headers) && !await endsWithoutAttempt(execution, clock)) {
    const tracked = executions.find(execution.id, principal);
    return eventStreamResponse(tracked, {
      clock,
      after: 0,
      state: describeExecution(tracked, toFailure),
      describeFailure: (error) => toProblem(toFailure(error)),
      onLeave: () => detaches || execution.cancel(),
    }, describe(0));
  }
  try {
    const response = await execution.response;
    return Response.json(response, {
      headers: { ...describe(response.attempts), "cache-control": "no-store" },
    });
  } catch (error) {
    const failure = toFailure(error);
    return problemResponse(failure, { headers: describe(failure.attempts) });
  }
}

/** Reports a defect once, where it ended an execution; its readers may be many or none. */
function reportingDefects(
  execution: Execution,
  onDefect: ExecuteContext["onDefect"],
): Execution {
  execution.response.catch((error) => {
    const source = isClientError(error) && error.code === "outcome_unknown" ? error.cause : error;
    if (isClientError(source) && source.code === "internal") notify(onDefect, error, execution.id);
  });
  return execution;
}

/** A signal that aborts after the answer, as `Deno.serve`'s does, comes too late to cancel. */
function cancelWithCaller(execution: Execution, signal: AbortSignal): void {
  const cancel = (): void => execution.cancel();
  if (signal.aborted) return cancel();
  signal.addEventListener("abort", cancel, { once: true });
  const forget = (): void => signal.removeEventListener("abort", cancel);
  execution.response.then(forget, forget);
}

/** Tells whether the execution ends, soon, before anything is sent. */
async function endsWithoutAttempt(execution: Execution, clock: Clock): Promise<boolean> {
  const events = execution.events[Symbol.asyncIterator]();
  let undo = (): void => {};
  const late = new Promise<undefined>((resolve) => {
    undo = clock.setTimer(CHECK_WAIT_MS, () => resolve(undefined));
  });
  const first = await Promise.race([events.next(), late]);
  undo();
  void events.return?.();
  return first !== undefined && first.value?.type !== "attempt";
}
