import { Hono } from "hono";
import type { ClientError } from "../errors/errors.ts";
import type { ExecutionDocument } from "../executions/document.ts";
import type { ExecutionRegistry, TrackedExecution } from "../executions/registry.ts";
import type { Clock } from "../resilience/clock.ts";
import type { AuthEnv } from "./auth.ts";
import { eventStreamResponse } from "./event_stream.ts";
import { readLastEventId } from "./headers.ts";
import { type ProblemDocument, toProblem } from "./problem.ts";

/** An execution as the endpoint tells it: where it stands, and its response or problem at the end. */
export interface ExecutionStateDocument extends Omit<ExecutionDocument, "error"> {
  /** Why it failed. */
  readonly problem?: ProblemDocument;
}

/** What the routes of executions need of their endpoint. */
export interface ExecutionRoutesContext {
  /** Measures time. */
  readonly clock: Clock;
  /** Knows the executions. */
  readonly executions: ExecutionRegistry;
  /** Turns whatever was thrown into what the caller may see. */
  readonly toFailure: (error: unknown) => ClientError;
}

/** Describes an execution for its principal. */
export function describeExecution(
  tracked: TrackedExecution,
  toFailure: (error: unknown) => ClientError,
): ExecutionStateDocument {
  const { error: _, ...document } = tracked.toDocument();
  const { error } = tracked;
  return error === undefined ? document : { ...document, problem: toProblem(toFailure(error)) };
}

/** Creates the routes that look at executions, follow their events and cancel them, by their ids. */
export function executionRoutes(context: ExecutionRoutesContext): Hono<AuthEnv> {
  const { clock, executions, toFailure } = context;
  const routes = new Hono<AuthEnv>();
  routes.get("/:id", (c) => {
    const tracked = executions.find(c.req.param("id"), c.get("principal"));
    return c.json(describeExecution(tracked, toFailure), 200, { "cache-control": "no-store" });
  });
  routes.delete("/:id", (c) => {
    const tracked = executions.find(c.req.param("id"), c.get("principal"));
    const status = tracked.ended ? 200 : 202;
    tracked.execution.cancel();
    return c.json(describeExecution(tracked, toFailure), status, { "cache-control": "no-store" });
  });
  routes.get("/:id/events", (c) => {
    const tracked = executions.find(c.req.param("id"), c.get("principal"));
    return eventStreamResponse(tracked, {
      clock,
      after: readLastEventId(c.req.raw.headers, c.req.query("after")),
      state: describeExecution(tracked, toFailure),
      describeFailure: (error) => toProblem(toFailure(error)),
      onLeave: () => {},
    }, { "automcp-execution-id": tracked.execution.id });
  });
  return routes;
}
