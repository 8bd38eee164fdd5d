import { context, createContextKey, SpanKind, SpanStatusCode, trace } from "@opentelemetry/api";
import {
  AlwaysOnSampler,
  ParentBasedSampler,
  type ReadableSpan,
  StackContextManager,
} from "@opentelemetry/sdk-trace";
import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import type { ClientEvent } from "../../src/client/events.ts";
import { createClientError } from "../../src/errors/errors.ts";
import { createTelemetry, type TelemetryOptions } from "../../src/otel/mod.ts";
import { createFixture, failing, rejection } from "../client/support.ts";
import { data, hang, type MemoryConnectorOptions, text } from "../support/memory_connector.ts";
import { keepTelemetry, type Kept, toText, traceparentOf } from "./support.ts";

const TRACE_ID = "0af7651916cd43dd8448eb211c80319c";
const SPAN_ID = "b7ad6b7169203331";
const TRACE = { traceparent: `00-${TRACE_ID}-${SPAN_ID}-01`, tracestate: "a=1" };

function createTraced({ telemetry }: Pick<Kept, "telemetry">, options?: MemoryConnectorOptions) {
  return createFixture(options, {}, { ...telemetry });
}

/** The executions' spans and the attempts', each in the order of their ends. */
function split(spans: readonly ReadableSpan[]): [ReadableSpan[], ReadableSpan[]] {
  const ofKind = (kind: SpanKind) => spans.filter((span) => span.kind === kind);
  return [ofKind(SpanKind.INTERNAL), ofKind(SpanKind.CLIENT)];
}

const parentOf = ({ parentSpanContext }: ReadableSpan): string | undefined =>
  parentSpanContext?.spanId;
const idOf = (span: ReadableSpan): string => span.spanContext().spanId;

Deno.test("createTelemetry() makes a span per execution and a client span per attempt", async () => {
  await using kept = keepTelemetry();
  const { group, connector } = createTraced(kept);
  const { executionId } = await group.execute("add", { a: 1, b: 2 }, { effect: "safe" });

  const [[execution], [attempt]] = split(kept.spans());
  assertEquals(kept.spans().length, 2);
  assertEquals(execution!.name, "execute_tool add");
  assertEquals(execution!.attributes, {
    "gen_ai.operation.name": "execute_tool",
    "gen_ai.tool.name": "add",
    "automcp.execution.id": executionId,
    "automcp.group": "g",
    "automcp.server": "memory",
    "automcp.outcome": "completed",
    "automcp.effect": "safe",
    "automcp.delivery": "executed",
    "automcp.attempts": 1,
  });
  assertEquals(attempt!.name, "tools/call add");
  assertEquals(attempt!.attributes, {
    "mcp.method.name": "tools/call",
    "gen_ai.tool.name": "add",
    "automcp.execution.id": executionId,
    "automcp.server": "memory",
    "automcp.attempt": 1,
    "automcp.generation": 1,
    "automcp.delivery": "executed",
  });
  assertEquals(parentOf(execution!), undefined);
  assertEquals(parentOf(attempt!), idOf(execution!));
  assertEquals(connector.requests[0]!.trace, { traceparent: traceparentOf(attempt!) });
  for (const { status } of kept.spans()) assertEquals(status.code, SpanStatusCode.UNSET);
});

Deno.test("createTelemetry() does not take a method of MCP for a tool", async () => {
  for (
    const operation of [
      ...["resources/list", "resources/templates/list", "resources/read"],
      ...["prompts/list", "prompts/get", "completion/complete"],
    ]
  ) {
    await using kept = keepTelemetry();
    const { group } = createTraced(kept, { operations: { [operation]: () => data({}) } });
    await group.execute(operation);
    const spans = kept.spans();
    assertEquals(spans.map(({ name }) => name), [operation, operation]);
    const attempts = (await kept.series()).filter(({ name }) => name.startsWith("mcp.client"));
    for (const { attributes } of [...spans, ...attempts]) {
      assertEquals(Object.keys(attributes).filter((name) => name.startsWith("gen_ai")), []);
    }
    for (const { attributes } of [spans[0]!, ...attempts]) {
      assertEquals(attributes["mcp.method.name"], operation);
    }
  }
});

Deno.test("createTelemetry() makes a span of each attempt of a retry, and tells the wait", async () => {
  await using kept = keepTelemetry();
  const { group, clock, connector } = createTraced(kept, {
    operations: { work: failing(1, "unavailable") },
  });
  const response = group.execute("work", {}, { effect: "safe" });
  await clock.advance(10_000);
  await response;

  const [[execution], attempts] = split(kept.spans());
  assertEquals(attempts.map(({ attributes }) => attributes["automcp.attempt"]), [1, 2]);
  assertEquals(attempts.map(({ attributes }) => attributes["error.type"]), [
    "unavailable",
    undefined,
  ]);
  assertEquals(attempts.map(({ status }) => status.code), [
    SpanStatusCode.ERROR,
    SpanStatusCode.UNSET,
  ]);
  assertEquals(attempts.map(parentOf), [idOf(execution!), idOf(execution!)]);
  assertEquals(connector.requests.map((request) => request.trace?.traceparent), [
    traceparentOf(attempts[0]!),
    traceparentOf(attempts[1]!),
  ]);
  assertEquals(execution!.status.code, SpanStatusCode.UNSET);
  assertEquals(execution!.attributes["error.type"], undefined);
  assertEquals(execution!.attributes["automcp.attempts"], 2);
  const [retry] = execution!.events;
  assertEquals(retry!.name, "retry.scheduled");
  assertEquals(retry!.attributes, {
    "error.type": "unavailable",
    "automcp.wait_ms": clock.sleeps[0]!,
  });
});

Deno.test("createTelemetry() names a failure by its code, on the span and in the measures", async () => {
  await using kept = keepTelemetry();
  const { group } = createTraced(kept, { operations: { work: failing(9, "operation_failed") } });
  await rejection(group.execute("work"));

  for (const { status, attributes } of kept.spans()) {
    assertEquals(status, { code: SpanStatusCode.ERROR });
    assertEquals(attributes["error.type"], "operation_failed");
  }
  const [[execution], [attempt]] = split(kept.spans());
  assertEquals(execution!.attributes["automcp.outcome"], "failed");
  assertEquals(attempt!.attributes["automcp.delivery"], execution!.attributes["automcp.delivery"]);
});

Deno.test("createTelemetry() names the no of a tool as a failure, as MCP's conventions do", async () => {
  await using kept = keepTelemetry();
  const { group } = createTraced(kept, { operations: { work: () => text("no", "error") } });
  assertEquals((await group.execute("work")).status, "error");

  for (const { status, attributes } of kept.spans()) {
    assertEquals(status.code, SpanStatusCode.ERROR);
    assertEquals(attributes["error.type"], "tool_error");
    assertEquals(attributes["automcp.delivery"], "executed");
  }
  assertEquals(kept.spans().at(-1)!.attributes["automcp.outcome"], "completed");
  for (const { attributes } of await kept.series()) {
    assertEquals(attributes["error.type"], "tool_error");
  }
});

Deno.test("createTelemetry() makes no attempt of an execution that sends nothing", async () => {
  await using kept = keepTelemetry();
  const { group } = createTraced(kept);
  await rejection(group.execute("nothing"));
  assertEquals(kept.spans().map(({ name }) => name), ["execute_tool nothing"]);
  assertEquals(kept.spans()[0]!.attributes["error.type"], "operation_not_found");
  assertEquals("automcp.effect" in kept.spans()[0]!.attributes, false);
});

Deno.test("createTelemetry() calls an attempt aborted that its deadline ended", async () => {
  await using kept = keepTelemetry();
  const { group, clock } = createTraced(kept, { operations: { hang } });
  const failed = rejection(group.execute("hang", {}, { timeoutMs: 100, effect: "safe" }));
  await clock.advance(100);
  assertEquals((await failed).code, "deadline_exceeded");

  const [[execution], [attempt]] = split(kept.spans());
  assertEquals(execution!.attributes["error.type"], "deadline_exceeded");
  assertEquals(attempt!.attributes["error.type"], "aborted");
  assertEquals(attempt!.attributes["automcp.delivery"], "unknown");
});

Deno.test("createTelemetry() calls an execution aborted that its caller ended", async () => {
  await using kept = keepTelemetry();
  const { group, clock } = createTraced(kept, { operations: { hang } });
  const controller = new AbortController();
  const failed = rejection(group.execute("hang", {}, { signal: controller.signal }));
  await clock.advance(1);
  controller.abort("enough");
  await failed;

  for (const { status, attributes } of kept.spans()) {
    assertEquals(status.code, SpanStatusCode.ERROR);
    assertEquals(attributes["error.type"], "aborted");
  }
  assertEquals(kept.spans().at(-1)!.attributes["automcp.outcome"], "cancelled");
});

Deno.test("createTelemetry() takes the trace of the call as the parent, before what is active", async () => {
  await using kept = keepTelemetry();
  const { group, connector } = createTraced(kept);
  await withActiveSpan(kept, () => group.execute("add", {}, { trace: TRACE }));

  const [[execution], [attempt]] = split(kept.spans());
  assertEquals(execution!.parentSpanContext?.traceId, TRACE_ID);
  assertEquals(parentOf(execution!), SPAN_ID);
  assertEquals(execution!.parentSpanContext?.isRemote, true);
  const { traceparent } = connector.requests[0]!.trace!;
  assertEquals(traceparent, traceparentOf(attempt!));
  assertStringIncludes(traceparent, `00-${TRACE_ID}-`);
  assertEquals(connector.requests[0]!.trace!.tracestate, "a=1");
});

Deno.test("createTelemetry() takes what is active at the start as the parent", async () => {
  await using kept = keepTelemetry();
  const { group } = createTraced(kept);
  const activeId = await withActiveSpan(kept, async (spanId) => {
    await group.execute("add");
    return spanId;
  });
  const [[execution]] = split(kept.spans());
  assertEquals(parentOf(execution!), activeId);
});

Deno.test("createTelemetry() takes what is active in place of a malformed trace", async () => {
  await using kept = keepTelemetry();
  const { group } = createTraced(kept);
  const activeId = await withActiveSpan(kept, async (spanId) => {
    await group.execute("add", {}, { trace: { traceparent: "00-1-2-01" } });
    return spanId;
  });
  const [[execution]] = split(kept.spans());
  assertEquals(parentOf(execution!), activeId);
});

Deno.test("createTelemetry() hands what is active on to the processors of spans", () => {
  const key = createContextKey("tenant");
  const seen: unknown[] = [];
  const telemetry = createTelemetry({
    tracerProvider: {
      getTracer: () => ({
        startSpan(_name, _options, parent) {
          seen.push(parent?.getValue(key));
          return trace.wrapSpanContext({ traceId: TRACE_ID, spanId: SPAN_ID, traceFlags: 1 });
        },
        startActiveSpan: () => {
          throw new Error("Nobody may be left with our span");
        },
      }),
    },
  });
  const manager = new StackContextManager().enable();
  context.setGlobalContextManager(manager);
  try {
    context.with(
      context.active().setValue(key, "blue"),
      () => telemetry.onEvent(start("1", TRACE)),
    );
  } finally {
    context.disable();
  }
  telemetry.onEvent(attemptStart("1", 1));
  assertEquals(seen, ["blue", "blue"]);
});

Deno.test("createTelemetry() keeps the caller's decision not to sample", async () => {
  await using kept = keepTelemetry(new ParentBasedSampler({ root: new AlwaysOnSampler() }));
  const { group, connector } = createTraced(kept);
  await group.execute("add", {}, { trace: { traceparent: `00-${TRACE_ID}-${SPAN_ID}-00` } });
  assertEquals(kept.spans(), []);
  const { traceparent } = connector.requests[0]!.trace!;
  assert(/-00$/.test(traceparent), traceparent);
  assertStringIncludes(traceparent, TRACE_ID);
});

Deno.test("createTelemetry() keeps the attempts of a hedged execution apart", async () => {
  await using kept = keepTelemetry();
  const { telemetry: { onEvent, traceAttempt } } = kept;
  onEvent(start("1"));
  onEvent(attemptStart("1", 1));
  const first = traceAttempt("1", 1);
  onEvent(attemptStart("1", 2));
  const second = traceAttempt("1", 2);
  assertEquals(traceAttempt("1", 1), first);
  onEvent(attemptEnd("1", 2, "executed"));
  onEvent(attemptEnd("1", 1, "unknown"));
  onEvent(end("1"));

  const [[execution], attempts] = split(kept.spans());
  assertEquals(attempts.map(({ attributes }) => attributes["automcp.attempt"]), [2, 1]);
  assertEquals(attempts.map(traceparentOf), [second?.traceparent, first?.traceparent]);
  assertEquals(attempts.map(parentOf), [idOf(execution!), idOf(execution!)]);
  assertEquals(attempts.map(({ attributes }) => attributes["error.type"]), [undefined, "aborted"]);
  assertEquals(execution!.status.code, SpanStatusCode.UNSET);
});

Deno.test("createTelemetry() keeps executions apart that run at once", async () => {
  await using kept = keepTelemetry();
  const { group, connector } = createTraced(kept, {
    operations: { work: () => data({ done: true }) },
  });
  const responses = await Promise.all(
    Array.from({ length: 50 }, () => group.execute("work", {}, { effect: "safe" })),
  );
  const [executions, attempts] = split(kept.spans());
  const idsOf = (spans: ReadableSpan[]) =>
    spans.map(({ attributes }) => attributes["automcp.execution.id"]).sort();
  const ids = responses.map(({ executionId }) => executionId).sort();
  assertEquals(idsOf(executions), ids);
  assertEquals(idsOf(attempts), ids);
  const execution = new Map(executions.map((span) => [idOf(span), span]));
  for (const attempt of attempts) {
    assertEquals(
      execution.get(parentOf(attempt)!)?.attributes["automcp.execution.id"],
      attempt.attributes["automcp.execution.id"],
    );
  }
  assertEquals(
    connector.requests.map((request) => request.trace!.traceparent).sort(),
    attempts.map(traceparentOf).sort(),
  );
});

Deno.test("createTelemetry() forgets an execution at its end, with an attempt that is still open", async () => {
  await using kept = keepTelemetry();
  const { telemetry: { onEvent, traceAttempt } } = kept;
  onEvent(start("1"));
  onEvent(attemptStart("1", 1));
  onEvent(end("1"));
  assertEquals(traceAttempt("1", 1), undefined);
  onEvent(attemptEnd("1", 1, "executed"));
  onEvent(end("1"));

  assertEquals(kept.spans().map(({ name }) => name), ["tools/call add", "execute_tool add"]);
  assertEquals(kept.spans()[0]!.attributes["error.type"], "aborted");
  const counts = (await kept.series()).filter(({ name }) => name === "automcp.client.executions");
  assertEquals(counts.map(({ value }) => value), [1]);
});

Deno.test("createTelemetry() measures attempts in seconds and counts executions by outcome", async () => {
  await using kept = keepTelemetry();
  const { group, clock } = createTraced(kept, {
    operations: {
      work: async () => {
        await clock.sleep(250);
        return data({ done: true });
      },
      broken: failing(9, "operation_failed"),
    },
  });
  for (let run = 0; run < 2; run++) {
    const response = group.execute("work");
    await clock.advance(250);
    await response;
  }
  await rejection(group.execute("broken"));
  await rejection(group.execute("nothing"));

  const series = await kept.series();
  const durations = series.filter(({ name }) => name === "mcp.client.operation.duration");
  const common = {
    "mcp.method.name": "tools/call",
    "gen_ai.operation.name": "execute_tool",
    "automcp.server": "memory",
  };
  assertEquals(durations.map(({ attributes }) => attributes), [
    { ...common, "gen_ai.tool.name": "work" },
    { ...common, "gen_ai.tool.name": "broken", "error.type": "operation_failed" },
  ]);
  const work = durations[0]!.value as {
    sum: number;
    count: number;
    buckets: { boundaries: number[] };
  };
  assertEquals([durations[0]!.unit, work.count, work.sum], ["s", 2, 0.5]);
  assertEquals(work.buckets.boundaries.slice(0, 3), [0.01, 0.02, 0.05]);

  const counts = series.filter(({ name }) => name === "automcp.client.executions");
  const counted = { "automcp.group": "g" };
  assertEquals(counts.map(({ attributes, value }) => [attributes, value]), [
    [{ ...counted, "automcp.outcome": "completed" }, 2],
    [{ ...counted, "automcp.outcome": "failed", "error.type": "operation_failed" }, 1],
    [{ ...counted, "automcp.outcome": "failed", "error.type": "operation_not_found" }, 1],
  ]);
});

Deno.test("createTelemetry() without an SDK sends the caller's own trace", async () => {
  const { group, connector } = createTraced({ telemetry: createTelemetry() });
  await group.execute("add", {}, { trace: TRACE });
  await group.execute("add");
  assertEquals(connector.requests.map(({ trace }) => trace), [TRACE, undefined]);
});

Deno.test("createTelemetry() takes a global tracer provider that is registered later", async () => {
  await using kept = keepTelemetry();
  const { group } = createTraced({ telemetry: createTelemetry() });
  trace.setGlobalTracerProvider(kept.tracerProvider);
  try {
    await group.execute("add");
  } finally {
    trace.disable();
  }
  assertEquals(kept.spans().length, 2);
});

Deno.test("createTelemetry() measures an attempt once, whatever it is told afterwards", async () => {
  await using kept = keepTelemetry();
  const { telemetry: { onEvent } } = kept;
  onEvent(start("1"));
  onEvent(attemptStart("1", 1));
  for (let time = 0; time < 2; time++) onEvent(attemptEnd("1", 1, "executed"));
  const [duration] = await kept.series();
  assertEquals((duration!.value as { count: number }).count, 1);
});

Deno.test("createTelemetry() ignores what is not about an execution that it saw start", async () => {
  await using kept = keepTelemetry();
  const { telemetry: { onEvent, traceAttempt } } = kept;
  onEvent(attemptStart("1", 1));
  onEvent(attemptEnd("1", 1, "executed"));
  onEvent(end("1"));
  onEvent({ type: "progress.dropped", executionId: "1", reason: "late", count: 1, atMs: 0 });
  assertEquals(traceAttempt("1", 1), undefined);
  assertEquals(kept.spans(), []);
});

Deno.test("createTelemetry() refuses options that it does not know", () => {
  assertThrows(
    () => createTelemetry({ traceProvider: {} } as TelemetryOptions),
    TypeError,
    "'traceProvider' is no known option; did you mean 'tracerProvider'",
  );
  assertThrows(
    () => createTelemetry({ meterProvider: "none" } as unknown as TelemetryOptions),
    TypeError,
    "'meterProvider' must be an object",
  );
});

Deno.test("createTelemetry() tells no argument, no result and no text of an error", async () => {
  const secret = "marker-7f3a";
  await using kept = keepTelemetry();
  const seen: unknown[] = [];
  const { group } = createTraced(kept, {
    operations: {
      work: (request) => {
        seen.push(request.arguments);
        return data({ [secret]: secret });
      },
      broken: () => {
        throw createClientError("operation_failed", secret);
      },
    },
  });
  const { structuredContent } = await group.execute("work", { [secret]: secret });
  const { message } = await rejection(group.execute("broken", { [secret]: secret }));
  for (const value of [seen, structuredContent, message]) {
    assertStringIncludes(JSON.stringify(value), secret);
  }
  const told = toText(kept.spans()) + JSON.stringify(await kept.series());
  assertStringIncludes(told, "tools/call broken");
  assertEquals(told.includes(secret), false);
});

/** Runs the start of a call while a span is active, as in a handler of a request. */
async function withActiveSpan<T>(
  { tracerProvider }: Kept,
  start: (spanId: string) => Promise<T>,
): Promise<T> {
  const span = tracerProvider.getTracer("test").startSpan("handler", { kind: SpanKind.SERVER });
  context.setGlobalContextManager(new StackContextManager().enable());
  try {
    return await context.with(
      trace.setSpan(context.active(), span),
      () => start(span.spanContext().spanId),
    );
  } finally {
    context.disable();
  }
}

function start(executionId: string, trace?: { traceparent: string }): ClientEvent {
  const facts = { executionId, server: "memory", atMs: 0, ...(trace && { trace }) };
  return { type: "execution.start", group: "g", operation: "add", ...facts };
}

function attemptStart(executionId: string, attempt: number): ClientEvent {
  const facts = { executionId, server: "memory", atMs: 0 };
  return { type: "attempt.start", attempt, generation: 1, ...facts };
}

function attemptEnd(
  executionId: string,
  attempt: number,
  delivery: "executed" | "unknown",
): ClientEvent {
  const facts = { executionId, server: "memory", atMs: 0 };
  return { type: "attempt.end", attempt, delivery, elapsedMs: 5, ...facts };
}

function end(executionId: string): ClientEvent {
  const facts = { executionId, server: "memory", atMs: 0, elapsedMs: 9, attempts: 1 };
  return { type: "execution.end", outcome: "completed", delivery: "executed", ...facts };
}
