import type { Execution } from "../client/execution.ts";
import type { RetryableClientGroup } from "../client/retryable_group.ts";
import type { TraceContext } from "../client/ports.ts";
import type { ClientError } from "../errors/errors.ts";
import type { Clock } from "../resilience/clock.ts";
import { readArguments } from "./body.ts";
import { streamEvents } from "./event_stream.ts";
import { prefersEvents, readTimeoutMs, readTrace, refuseIdempotencyKey } from "./headers.ts";
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
  /** Turns whatever was thrown into what the caller may see. */
  readonly toFailure: (error: unknown) => ClientError;
}

/** Executes an operation for a request and answers with its response, or with its events. */
export async function execute(
  group: RetryableClientGroup,
  operation: string,
  request: Request,
  context: ExecuteContext,
): Promise<Response> {
  const startMs = context.clock.now();
  refuseIdempotencyKey(request.headers);
  const timeoutMs = readTimeoutMs(request.headers, group.timeoutMsOf(operation));
  const trace: TraceContext | undefined = readTrace(request.headers);
  const args = await readArguments(request);
  const execution = group.start(operation, args, {
    ...(timeoutMs !== undefined && { timeoutMs }),
    ...(trace !== undefined && { trace }),
  });
  cancelWithCaller(execution, request.signal);

  const describe = (attempts: number): Record<string, string> => ({
    "automcp-execution-id": execution.id,
    "automcp-attempts": String(attempts),
    "server-timing": `execution;dur=${(context.clock.now() - startMs).toFixed(1)}`,
  });
  if (prefersEvents(request.headers)) {
    const ended = await endsWithoutAttempt(execution, context.clock);
    if (!ended) return answerWithEvents(execution, context, describe(0));
  }
  try {
    const response = await execution.response;
    return Response.json(response, {
      headers: { ...describe(response.attempts), "cache-control": "no-store" },
    });
  } catch (error) {
    const failure = context.toFailure(error);
    return problemResponse(failure, { headers: describe(failure.attempts) });
  }
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

function answerWithEvents(
  execution: Execution,
  { clock, toFailure }: ExecuteContext,
  headers: Record<string, string>,
): Response {
  const { id, group, operation } = execution;
  const body = streamEvents(execution, {
    clock,
    state: {
      id,
      group,
      operation,
      state: "running",
      attempts: 0,
      startedAt: new Date(clock.wall()).toISOString(),
    },
    describeFailure: (error) => toProblem(toFailure(error)),
  });
  return new Response(body, {
    headers: {
      ...headers,
      "content-type": "text/event-stream",
      "cache-control": "no-cache, no-transform",
      // Asks proxies such as nginx not to hold events back.
      "x-accel-buffering": "no",
    },
  });
}
