import type { Execution, ExecutionResponse } from "../client/execution.ts";
import type { TrackedExecution } from "../executions/registry.ts";
import type { ExecutionEvent } from "../progress/events.ts";
import type { Clock } from "../resilience/clock.ts";
import type { ProblemDocument } from "./problem.ts";

/** How often a silent stream shows that it lives, in milliseconds; also how a lost reader shows. */
const KEEP_ALIVE_MS = 12_000;
/** How long a reader waits before it comes back, in milliseconds. */
const RETRY_MS = 1_000;

/** What a stream tells, and what happens around it. */
export interface EventStreamOptions {
  /** Measures time. */
  readonly clock: Clock;
  /** The id of the last event that the reader has; 0 if it has none. */
  readonly after: number;
  /** The state document that a stream from the start begins with. */
  readonly state: object;
  /** Makes the last event of a failure. */
  readonly describeFailure: (error: unknown) => ProblemDocument;
  /** Called when the reader leaves before the last event. */
  readonly onLeave: () => void;
}

/**
 * Streams an execution as server-sent events. The state document is event 1, so an event's id is one
 * more than its number within the execution.
 */
export function streamEvents(
  tracked: TrackedExecution,
  { clock, after, state, describeFailure, onLeave }: EventStreamOptions,
): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  const { execution } = tracked;
  const events = tracked.events(Math.max(0, after - 1))[Symbol.asyncIterator]();
  let stopBeat = (): void => {};
  return new ReadableStream({
    start(controller) {
      const beat = (): void => {
        controller.enqueue(encoder.encode(": keep-alive\n\n"));
        stopBeat = clock.setTimer(KEEP_ALIVE_MS, beat);
      };
      stopBeat = clock.setTimer(KEEP_ALIVE_MS, beat);
      const head = after === 0 ? format("execution", 1, state) : "\n";
      controller.enqueue(encoder.encode(`retry: ${RETRY_MS}\n${head}`));
    },
    async pull(controller) {
      try {
        const { value: event } = await events.next();
        const ended = event === undefined || isLast(event);
        if (ended) stopBeat();
        const frame = ended
          ? await formatOutcome(execution, event, describeFailure)
          : formatEvent(event);
        controller.enqueue(encoder.encode(frame));
        if (ended) controller.close();
      } catch (error) {
        stopBeat();
        throw error;
      }
    },
    cancel() {
      stopBeat();
      void events.return?.();
      onLeave();
    },
  });
}

/** Answers with the events of an execution, past every proxy that would hold them back. */
export function eventStreamResponse(
  tracked: TrackedExecution,
  options: EventStreamOptions,
  headers: Readonly<Record<string, string>>,
): Response {
  return new Response(streamEvents(tracked, options), {
    headers: {
      ...headers,
      "content-type": "text/event-stream",
      "cache-control": "no-cache, no-transform",
      // Asks proxies such as nginx not to hold events back.
      "x-accel-buffering": "no",
    },
  });
}

type MiddleEvent = Extract<ExecutionEvent, { type: "attempt" | "progress" | "gap" }>;

function isLast(event: ExecutionEvent): event is Exclude<ExecutionEvent, MiddleEvent> {
  return event.type !== "attempt" && event.type !== "progress" && event.type !== "gap";
}

function formatEvent(event: MiddleEvent): string {
  switch (event.type) {
    case "gap":
      return format("gap", event.to + 1, { from: event.from + 1, to: event.to + 1 });
    case "attempt":
    case "progress": {
      const { type, seq, atMs, ...data } = event;
      return format(type, seq + 1, { ...data, at: new Date(atMs).toISOString() });
    }
  }
}

async function formatOutcome(
  execution: Execution,
  last: { readonly seq: number } | undefined,
  describeFailure: (error: unknown) => ProblemDocument,
): Promise<string> {
  const id = last && last.seq + 1;
  let response: ExecutionResponse;
  try {
    response = await execution.response;
  } catch (error) {
    return format("error", id, describeFailure(error));
  }
  return format("result", id, response);
}

function format(event: string, id: number | undefined, data: unknown): string {
  const idLine = id === undefined ? "" : `id: ${id}\n`;
  return `${idLine}event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;
}
