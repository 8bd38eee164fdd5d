/**
 * AutoMCP calls MCP (Model Context Protocol) servers: pooled, retried where that is safe, within a
 * deadline, with live progress and typed errors, and never twice by accident.
 *
 * This is the core. It needs no package and runs on Deno, Bun, Node, Cloudflare Workers and in
 * browsers. Connections to servers come from other entry points: `@automcp/client/mcp` (HTTP),
 * `@automcp/client/stdio` (local processes) and `@automcp/client/edge` (an AutoMCP endpoint).
 *
 * @example Call an operation on a server
 * ```ts
 * import { AutoMCPClient } from "@automcp/client";
 * import { createMcpConnector } from "@automcp/client/mcp";
 *
 * const connector = createMcpConnector({ url: "http://localhost:9200/mcp" });
 * const client = new AutoMCPClient("reports", { groups: { demo: { connector } } });
 *
 * const response = await client.group("demo").execute("add", { a: 1, b: 2 });
 * if (response.success) console.log(response.structuredContent ?? response.content);
 *
 * await client.close();
 * ```
 *
 * @module
 */

export { type BoundaryContext, executeWithBoundary } from "./src/errors/boundary.ts";
export type { ErrorCode } from "./src/errors/codes.ts";
export {
  type Delivery,
  type Effect,
  isSafeToRepeat,
  strongerDelivery,
} from "./src/errors/delivery.ts";
export {
  type ArgumentIssue,
  AuthenticationError,
  CancelledError,
  CircuitOpenError,
  ClientError,
  ConnectionError,
  createClientError,
  DeadlineExceededError,
  type ErrorDocument,
  type ErrorFacts,
  type HealthEvidence,
  type InputQuestion,
  isClientError,
  OperationError,
  OutcomeUnknownError,
  ProtocolError,
  ResourceExhaustedError,
  RetryableError,
} from "./src/errors/errors.ts";

export { type BackoffOptions, drawBackoffMs } from "./src/resilience/backoff.ts";
export { type BreakerPorts, CircuitBreaker } from "./src/resilience/breaker.ts";
export type {
  BreakerOptions,
  BreakerSnapshot,
  BreakerState,
  BreakerStats,
  BreakerTransition,
} from "./src/resilience/breaker_options.ts";
export { type BudgetOptions, RetryBudget } from "./src/resilience/budget.ts";
export {
  type Clock,
  systemClock,
  type TimerOptions,
  type UndoTimer,
} from "./src/resilience/clock.ts";
export { Deadline } from "./src/resilience/deadline.ts";
export type { GateEvent, QueueOptions, QueueStats } from "./src/resilience/gate_options.ts";
export {
  ConcurrencyLimiter,
  type LimiterOptions,
  type LimiterSample,
} from "./src/resilience/limiter.ts";
export {
  type LeaseOwner,
  ManagedResource,
  type ResourceFailure,
  type Slot,
} from "./src/resilience/managed_resource.ts";
export { ResourcePool } from "./src/resilience/pool.ts";
export type {
  AcquireOptions,
  CloseOptions,
  CreateOptions,
  DestroyReason,
  PoolEvent,
  PoolOptions,
  Priority,
  ValidateOptions,
} from "./src/resilience/pool_options.ts";
export type { PoolStats, WaitBucket } from "./src/resilience/pool_stats.ts";
export {
  type FailedAttempt,
  retry,
  type RetryOptions,
  type RetryPolicy,
  type ScheduledRetry,
} from "./src/resilience/retry.ts";

export type {
  ExecutionEvent,
  ExecutionOutcome,
  ProgressDropReason,
  ProgressReport,
  ProgressSnapshot,
} from "./src/progress/events.ts";
export type {
  AttemptReason,
  ProgressTrackerOptions,
  ReadEventsOptions,
  SubscribeOptions,
} from "./src/progress/options.ts";
export { ProgressTracker } from "./src/progress/tracker.ts";

export { AutoMCPClient } from "./src/client/client.ts";
export type { ClientConfig, GroupConfig, TraceAttempt } from "./src/client/config.ts";
export type { Continuation } from "./src/client/continuation.ts";
export type { ClientEvent, ExecutionEventFacts, ServerEvent } from "./src/client/events.ts";
export type { Execution, ExecutionResponse } from "./src/client/execution.ts";
export { ClientGroup } from "./src/client/group.ts";
export type {
  DescribeOptions,
  ExecuteOptions,
  GroupDescription,
  GroupOperation,
  RetryExecuteOptions,
} from "./src/client/options.ts";
export type {
  GroupPolicy,
  IdempotencyKey,
  OperationPolicy,
  ServerPolicy,
} from "./src/client/policy.ts";
export type {
  AttemptOptions,
  Connection,
  ConnectionOptions,
  ConnectionResult,
  ConnectOptions,
  Connector,
  ContentBlock,
  Era,
  ExecutionRequest,
  JsonObject,
  JsonValue,
  OperationDescriptor,
  OperationHints,
  OperationKind,
  OperationList,
  ServerInfo,
  TraceContext,
} from "./src/client/ports.ts";
export { RetryableClientGroup } from "./src/client/retryable_group.ts";
export type { ServerState } from "./src/client/server.ts";
export type { ClientStats, ExecutionStats, ServerStats } from "./src/client/stats.ts";
