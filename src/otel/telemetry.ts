import {
  type Attributes,
  type Context,
  context as contexts,
  type MeterProvider,
  metrics,
  type Span,
  SpanKind,
  SpanStatusCode,
  trace as traces,
  type Tracer,
  type TracerProvider,
} from "@opentelemetry/api";
import type { ClientEvent } from "../client/events.ts";
import type { TraceContext } from "../client/ports.ts";
import type { ErrorCode } from "../errors/codes.ts";
import { checkOptions, type OptionRules } from "../errors/misuse.ts";
import { createMeasures, type Measures } from "./metrics.ts";
import { toSpanContext, toTraceContext } from "./trace_context.ts";

/** Where the telemetry of a client goes. */
export interface TelemetryOptions {
  /**
   * Makes the spans.
   *
   * @default {the global one, also if it is registered later}
   */
  readonly tracerProvider?: TracerProvider;
  /**
   * Makes the instruments.
   *
   * @default {the global one, which must be registered before}
   */
  readonly meterProvider?: MeterProvider;
}

/** What a client needs to be traced: two keys of its configuration. */
export interface Telemetry {
  /** Takes everything that happens in the client, in order. */
  readonly onEvent: (event: ClientEvent) => void;
  /** Names the trace context of an attempt, which is that of its span. */
  readonly traceAttempt: (executionId: string, attempt: number) => TraceContext | undefined;
}

const RULES: OptionRules<TelemetryOptions> = {
  tracerProvider: { type: "object" },
  meterProvider: { type: "object" },
};
const SCOPE = "@automcp/client";
/** The operations that are methods of MCP themselves; every other one is a tool. */
const METHODS: ReadonlySet<string> = new Set([
  ...["resources/list", "resources/templates/list", "resources/read"],
  ...["prompts/list", "prompts/get", "completion/complete"],
]);

/** An event of one type. */
type EventOf<T extends ClientEvent["type"]> = Extract<ClientEvent, { readonly type: T }>;

/**
 * Creates what shows the executions of one client to OpenTelemetry. Spread it into the client's
 * configuration; a listener of your own calls this one too.
 *
 * An execution is the span `execute_tool {operation}`. Its parent is the trace that the call names,
 * else the span that is active where the call starts. Each attempt is a client span
 * `tools/call {operation}` below it; attempts of a hedged execution overlap. If the operation is a
 * method of MCP itself, as `resources/read`, all have its name alone. A failure sets the status
 * and `error.type`: to its error code, to `tool_error` if the tool said no, or to `aborted` if it was
 * called off before it ended. A retry is an event of the execution's span.
 *
 * Attempts are measured by the histogram `mcp.client.operation.duration`, executions are counted by
 * `automcp.client.executions`, without their operation: its name may be one that no server has.
 *
 * @param options Where the telemetry goes.
 * @returns Two keys of a client's configuration, for one client.
 * @throws {TypeError} If an option is unknown or of the wrong type.
 *
 * @example Trace, and listen as well
 * ```ts
 * import { AutoMCPClient, type ClientEvent } from "@automcp/client";
 * import { createMcpConnector } from "@automcp/client/mcp";
 * import { createTelemetry } from "@automcp/client/otel";
 * import { assertEquals } from "@std/assert";
 *
 * const types: string[] = [];
 * const telemetry = createTelemetry();
 * const onEvent = (event: ClientEvent): void => {
 *   telemetry.onEvent(event);
 *   types.push(event.type);
 * };
 * const connector = createMcpConnector({ url: "http://localhost:9200/mcp" });
 * const client = new AutoMCPClient("calculator", {
 *   ...telemetry,
 *   onEvent,
 *   groups: { demo: { connector } },
 * });
 * await client.group("demo").execute("add", { a: 1, b: 2 });
 * await client.close();
 * assertEquals(types.filter((type) => type.startsWith("attempt")), ["attempt.start", "attempt.end"]);
 * ```
 */
export function createTelemetry(options: TelemetryOptions = {}): Telemetry {
  checkOptions("create telemetry", options, RULES);
  const { tracerProvider = traces, meterProvider = metrics } = options;
  const tracer = tracerProvider.getTracer(SCOPE);
  const measures = createMeasures(meterProvider.getMeter(SCOPE));
  const running = new Map<string, TracedExecution>();
  return {
    onEvent(event) {
      if (event.type === "execution.start") {
        running.set(event.executionId, new TracedExecution(event, tracer, measures));
      } else if ("executionId" in event) {
        running.get(event.executionId)?.take(event);
        if (event.type === "execution.end") running.delete(event.executionId);
      }
    },
    traceAttempt: (executionId, attempt) => running.get(executionId)?.traceAttempt(attempt),
  };
}

/** The spans of one execution. */
class TracedExecution {
  readonly #start: EventOf<"execution.start">;
  readonly #tracer: Tracer;
  readonly #measures: Measures;
  readonly #span: Span;
  /** What the attempts are children of. */
  readonly #context: Context;
  readonly #names: Names;
  readonly #attempts = new Map<number, Span>();
  /** Whether the tool answered, and said no. */
  #saidNo = false;

  constructor(event: EventOf<"execution.start">, tracer: Tracer, measures: Measures) {
    const { executionId, server, group, operation } = event;
    // The start is told while the caller waits for it, so what is active is the caller's.
    const parent = withRemoteParent(contexts.active(), event.trace);
    this.#names = toNames(operation);
    const attributes = {
      // Not on the attempts, or a call that was repeated would count as several.
      ...this.#names.action,
      ...this.#names.tool,
      "automcp.execution.id": executionId,
      "automcp.group": group,
      "automcp.server": server,
    };
    this.#start = event;
    this.#tracer = tracer;
    this.#measures = measures;
    this.#span = tracer.startSpan(this.#names.execution, { attributes }, parent);
    this.#context = traces.setSpan(parent, this.#span);
  }

  traceAttempt(attempt: number): TraceContext | undefined {
    const span = this.#attempts.get(attempt);
    return span && toTraceContext(span.spanContext());
  }

  take(event: ClientEvent): void {
    switch (event.type) {
      case "attempt.start":
        return this.#startAttempt(event);
      case "attempt.end":
        return this.#endAttempt(event);
      case "retry.scheduled": {
        const { reason, waitMs } = event;
        this.#span.addEvent(event.type, { "error.type": reason, "automcp.wait_ms": waitMs });
        return;
      }
      case "execution.end":
        return this.#end(event);
    }
  }

  #startAttempt({ executionId, attempt, server, generation }: EventOf<"attempt.start">): void {
    const { method, tool } = this.#names;
    const attributes = {
      ...method,
      ...tool,
      "automcp.execution.id": executionId,
      "automcp.server": server,
      "automcp.attempt": attempt,
      "automcp.generation": generation,
    };
    const options = { kind: SpanKind.CLIENT, attributes };
    const span = this.#tracer.startSpan(this.#names.attempt, options, this.#context);
    this.#attempts.set(attempt, span);
  }

  #endAttempt(event: EventOf<"attempt.end">): void {
    const { attempt, server, status, delivery, code, elapsedMs } = event;
    const span = this.#attempts.get(attempt);
    if (span === undefined) return;
    this.#attempts.delete(attempt);
    this.#saidNo ||= status === "error";
    const failure = toFailure(code, delivery === "executed", status === "error");
    endSpan(span, { "automcp.delivery": delivery, ...failure });
    const { method, action, tool } = this.#names;
    this.#measures.attempt(elapsedMs, {
      ...method,
      ...action,
      ...tool,
      "automcp.server": server,
      ...failure,
    });
  }

  #end({ outcome, effect, code, delivery, attempts }: EventOf<"execution.end">): void {
    // An attempt that is still open was called off with its execution.
    for (const span of this.#attempts.values()) endSpan(span, toFailure(undefined, false));
    const failure = toFailure(code, outcome === "completed", this.#saidNo);
    endSpan(this.#span, {
      "automcp.outcome": outcome,
      "automcp.delivery": delivery,
      "automcp.attempts": attempts,
      ...(effect && { "automcp.effect": effect }),
      ...failure,
    });
    this.#measures.execution({
      "automcp.group": this.#start.group,
      "automcp.outcome": outcome,
      ...failure,
    });
  }
}

/** How an operation is told. */
interface Names {
  /** The name of an execution's span. */
  readonly execution: string;
  /** The name of an attempt's span. */
  readonly attempt: string;
  /** What an attempt sends; behind an AutoMCP endpoint, it is the endpoint that sends it. */
  readonly method: Attributes;
  /** What an execution does, if it runs a tool. */
  readonly action: Attributes;
  /** Which tool that is. */
  readonly tool: Attributes;
}

function toNames(operation: string): Names {
  if (METHODS.has(operation)) {
    const method = { "mcp.method.name": operation };
    return { execution: operation, attempt: operation, method, action: {}, tool: {} };
  }
  return {
    execution: `execute_tool ${operation}`,
    attempt: `tools/call ${operation}`,
    method: { "mcp.method.name": "tools/call" },
    action: { "gen_ai.operation.name": "execute_tool" },
    tool: { "gen_ai.tool.name": operation },
  };
}

/** A trace that the call names goes before what is active; what else is in the context stays. */
function withRemoteParent(active: Context, trace: TraceContext | undefined): Context {
  const remote = trace && toSpanContext(trace);
  return remote ? traces.setSpanContext(active, remote) : active;
}

/** How spans and measures name a failure, so that they name it alike. */
function toFailure(code: ErrorCode | undefined, answered: boolean, saidNo = false): Attributes {
  if (code !== undefined) return { "error.type": code };
  if (!answered) return { "error.type": "aborted" };
  return saidNo ? { "error.type": "tool_error" } : {};
}

function endSpan(span: Span, attributes: Attributes): void {
  span.setAttributes(attributes);
  if ("error.type" in attributes) span.setStatus({ code: SpanStatusCode.ERROR });
  span.end();
}
