import { MeterProvider, MetricReader } from "@opentelemetry/sdk-metrics";
import {
  InMemorySpanExporter,
  type ReadableSpan,
  type Sampler,
  SimpleSpanProcessor,
  TracerProvider,
} from "@opentelemetry/sdk-trace";
import { createTelemetry, type Telemetry } from "../../src/otel/mod.ts";

/** One series of a measure, as it is exported. */
export interface Series {
  readonly name: string;
  readonly unit: string;
  readonly attributes: Record<string, unknown>;
  readonly value: unknown;
}

/** Telemetry with an SDK that keeps all it gets. */
export interface Kept extends AsyncDisposable {
  readonly telemetry: Telemetry;
  readonly tracerProvider: TracerProvider;
  /** Every span that ended, in the order of their ends. */
  spans(): ReadableSpan[];
  /** What was measured so far. */
  series(): Promise<Series[]>;
}

/** Reads when it is asked to. */
class OnDemandReader extends MetricReader {
  protected override onForceFlush(): Promise<void> {
    return Promise.resolve();
  }
  protected override onShutdown(): Promise<void> {
    return Promise.resolve();
  }
}

export function keepTelemetry(sampler?: Sampler): Kept {
  const exporter = new InMemorySpanExporter();
  const tracerProvider = new TracerProvider({
    spanProcessors: [new SimpleSpanProcessor({ exporter })],
    ...(sampler && { sampler }),
  });
  const reader = new OnDemandReader();
  const meterProvider = new MeterProvider({ readers: [reader] });
  return {
    telemetry: createTelemetry({ tracerProvider, meterProvider }),
    tracerProvider,
    spans: () => exporter.getFinishedSpans(),
    async series() {
      const { resourceMetrics: { scopeMetrics } } = await reader.collect();
      return scopeMetrics.flatMap(({ metrics }) =>
        metrics.flatMap(({ descriptor: { name, unit }, dataPoints }) =>
          dataPoints.map(({ attributes, value }) => ({ name, unit, attributes, value }))
        )
      );
    },
    async [Symbol.asyncDispose]() {
      await meterProvider.shutdown();
      await tracerProvider.shutdown();
    },
  };
}

/** The `traceparent` that a span goes out with. */
export function traceparentOf(span: ReadableSpan): string {
  const { traceId, spanId, traceFlags } = span.spanContext();
  return `00-${traceId}-${spanId}-0${traceFlags}`;
}

/** All that a backend gets of spans, as text. */
export function toText(spans: readonly ReadableSpan[]): string {
  return JSON.stringify(
    spans.map(({ name, attributes, status, events, links }) => ({
      ...{ name, attributes, status, events, links },
    })),
  );
}
