import type { Attributes, Meter } from "@opentelemetry/api";

/** What is measured of a client. */
export interface Measures {
  /** Takes how long an attempt took, in milliseconds. */
  readonly attempt: (elapsedMs: number, attributes: Attributes) => void;
  /** Counts an execution that ended. */
  readonly execution: (attributes: Attributes) => void;
}

/** In seconds, as the semantic conventions of MCP advise. */
const DURATION_BOUNDARIES = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120, 300];

/** Makes the instruments of a meter. */
export function createMeasures(meter: Meter): Measures {
  const duration = meter.createHistogram("mcp.client.operation.duration", {
    description: "How long an attempt took, from its sending to its answer or failure.",
    unit: "s",
    advice: { explicitBucketBoundaries: DURATION_BOUNDARIES },
  });
  const executions = meter.createCounter("automcp.client.executions", {
    description: "How many executions ended.",
    unit: "{execution}",
  });
  return {
    attempt: (elapsedMs, attributes) => duration.record(elapsedMs / 1_000, attributes),
    execution: (attributes) => executions.add(1, attributes),
  };
}
