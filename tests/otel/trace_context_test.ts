import { assertEquals } from "@std/assert";
import { toSpanContext, toTraceContext } from "../../src/otel/trace_context.ts";

const TRACE_ID = "0af7651916cd43dd8448eb211c80319c";
const SPAN_ID = "b7ad6b7169203331";

Deno.test("toSpanContext() reads trace, parent, flags and state", () => {
  const context = toSpanContext({
    traceparent: `00-${TRACE_ID}-${SPAN_ID}-03`,
    tracestate: "a=1,b=2",
  });
  assertEquals(context?.traceId, TRACE_ID);
  assertEquals(context?.spanId, SPAN_ID);
  assertEquals(context?.traceFlags, 3);
  assertEquals(context?.isRemote, true);
  assertEquals(context?.traceState?.serialize(), "a=1,b=2");
});

const CASES: readonly (readonly [what: string, traceparent: string, isRead: boolean])[] = [
  ["one that is not sampled", `00-${TRACE_ID}-${SPAN_ID}-00`, true],
  ["a later version", `01-${TRACE_ID}-${SPAN_ID}-01`, true],
  ["a later version that says more", `01-${TRACE_ID}-${SPAN_ID}-01-what`, true],
  ["version 00 that says more", `00-${TRACE_ID}-${SPAN_ID}-01-what`, false],
  ["version ff", `ff-${TRACE_ID}-${SPAN_ID}-01`, false],
  ["a trace of zeros", `00-${"0".repeat(32)}-${SPAN_ID}-01`, false],
  ["a parent of zeros", `00-${TRACE_ID}-${"0".repeat(16)}-01`, false],
  ["capital letters", `00-${TRACE_ID.toUpperCase()}-${SPAN_ID}-01`, false],
  ["a trace that is too short", `00-${TRACE_ID.slice(1)}-${SPAN_ID}-01`, false],
  ["a line below", `00-${TRACE_ID}-${SPAN_ID}-01\n`, false],
  ["nothing", "", false],
];

for (const [what, traceparent, isRead] of CASES) {
  Deno.test(`toSpanContext() ${isRead ? "reads" : "refuses"} ${what}`, () => {
    assertEquals(toSpanContext({ traceparent })?.traceId, isRead ? TRACE_ID : undefined);
  });
}

Deno.test("toTraceContext() writes what toSpanContext() read", () => {
  for (const flags of ["00", "01", "03", "ff"]) {
    const traces = [
      { traceparent: `00-${TRACE_ID}-${SPAN_ID}-${flags}` },
      { traceparent: `00-${TRACE_ID}-${SPAN_ID}-${flags}`, tracestate: "a=1" },
    ];
    for (const trace of traces) assertEquals(toTraceContext(toSpanContext(trace)!), trace);
  }
});

Deno.test("toTraceContext() writes nothing of a span that no SDK made", () => {
  const none = { traceId: "0".repeat(32), spanId: "0".repeat(16), traceFlags: 0 };
  assertEquals(toTraceContext(none), undefined);
});
