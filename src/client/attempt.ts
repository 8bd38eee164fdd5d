import { executeWithBoundary } from "../errors/boundary.ts";
import type { ErrorCode } from "../errors/codes.ts";
import type { Delivery } from "../errors/delivery.ts";
import { createClientError, isClientError } from "../errors/errors.ts";
import { type HealthEvidence, healthOf } from "../errors/health.ts";
import type { ProgressReport } from "../progress/events.ts";
import type { Deadline } from "../resilience/deadline.ts";
import type { Copy } from "../resilience/hedge.ts";
import type { ManagedResource } from "../resilience/managed_resource.ts";
import { OwnController } from "./abort.ts";
import type {
  AttemptOptions,
  Connection,
  ConnectionResult,
  ExecutionRequest,
  JsonObject,
} from "./ports.ts";
import type { Server } from "./server.ts";

/** One send: what it carries, what it may use, and who is told. */
export interface AttemptContext {
  readonly server: Server;
  readonly request: ExecutionRequest;
  /** What the server has taken on before, if the attempt only asks for the answer. */
  readonly state: JsonObject | undefined;
  /** What it has passed the server's gate with. */
  readonly permit: number;
  readonly lease: ManagedResource<Connection>;
  /** When its execution must have ended. */
  readonly deadline: Deadline;
  /** Ends its execution. */
  readonly controller: OwnController;
  /** The longest it may take, in milliseconds. */
  readonly timeoutMs: number;
  /** The longest it may go without a report, in milliseconds. */
  readonly idleTimeoutMs: number;
  /** Whether another copy may win over it. */
  readonly hedged: boolean;
  readonly onProgress: (report: ProgressReport) => void;
  readonly onSend: (bytes: number) => void;
  readonly onDefer: (state: JsonObject) => void;
  /** Called whenever the server asks for something, with the answering of it. */
  readonly onAsk: (answering: Promise<unknown>, asking: Attempt) => void;
  /** Called once. */
  readonly onEnd: (end: AttemptOutcome) => void;
}

/** How an attempt ended. */
export interface AttemptOutcome {
  readonly delivery: Delivery;
  /** How the operation answered, if it did. */
  readonly status: ConnectionResult["status"] | undefined;
  /** What it failed with, unless something else ended it. */
  readonly code: ErrorCode | undefined;
  readonly elapsedMs: number;
}

/**
 * One attempt of an execution, from its send to what is learnt from its end. Its own clocks end the
 * attempt and never the execution. Its lease is given back once the connection is done, which nobody
 * waits for.
 */
export class Attempt implements Copy<ConnectionResult> {
  readonly result: Promise<ConnectionResult>;
  readonly #context: AttemptContext;
  /** Ends this attempt alone; unset if nothing could. */
  readonly #own: OwnController | undefined;
  #undoStop = nothing;
  #undoTimeout = nothing;
  #undoIdle = nothing;
  // The time that answers take is added to both.
  #startedMs: number;
  #reportedMs: number;
  /** Since when the server waits for answers, and for how many. */
  #askedMs = 0;
  #asking = 0;
  #timedOut = false;
  /** When the server had taken the operation on: what follows says nothing of how fast it answers. */
  #deferredMs: number | undefined;

  constructor(context: AttemptContext) {
    const { server, deadline, timeoutMs, idleTimeoutMs, hedged } = context;
    this.#context = context;
    this.#startedMs = this.#reportedMs = server.clock.now();
    if (context.state !== undefined) this.#deferredMs = this.#startedMs;
    const remainingMs = deadline.remainingMs();
    if (hedged || timeoutMs < remainingMs || idleTimeoutMs < remainingMs) {
      this.#own = new OwnController();
      this.#follow(this.#own, context.controller);
    }
    this.#watch();
    this.result = this.#run();
  }

  /** Ends it because another copy won. */
  abort(): void {
    this.#own?.abort(createClientError("cancelled", "Another copy of the request won"));
  }

  async #run(): Promise<ConnectionResult> {
    const controller = this.#own ?? this.#context.controller;
    const { signal } = controller;
    let delivery: Delivery = "unknown";
    let health: HealthEvidence = "none";
    let status: ConnectionResult["status"] | undefined;
    let code: ErrorCode | undefined;
    let retryAfterMs: number | undefined;
    try {
      const result = await controller.guard(this.#send(signal));
      delivery = "executed";
      health = "answered";
      status = result.status;
      return result;
    } catch (error) {
      if (isClientError(error) && (!signal.aborted || this.#timedOut)) {
        ({ delivery, code, retryAfterMs } = error);
        health = healthOf(error);
      }
      this.#timedOut ||= code === "deadline_exceeded" || this.#context.deadline.isPast();
      throw error;
    } finally {
      this.#undo();
      const { server, permit, request: { operation } } = this.#context;
      const elapsedMs = Math.max(0, server.clock.now() - this.#startedMs);
      this.#context.onEnd({ delivery, status, code, elapsedMs });
      server.gate.leave(permit, {
        operation: operation.name,
        health,
        timedOut: this.#timedOut,
        succeeded: status === "success" && this.#context.state === undefined,
        retryAfterMs,
        elapsedMs: this.#deferredMs === undefined ? elapsedMs : this.#deferredMs - this.#startedMs,
      });
    }
  }

  async #send(signal: AbortSignal): Promise<ConnectionResult> {
    const { server, request, state, lease, deadline, onSend } = this.#context;
    const onProgress = (report: ProgressReport): void => {
      this.#reportedMs = server.clock.now();
      this.#context.onProgress(report);
    };
    const onDefer = (state: JsonObject): void => {
      // Its clocks would end what may take its time; to ask again has clocks of its own.
      this.#stopClocks();
      this.#deferredMs ??= server.clock.now();
      this.#context.onDefer(state);
    };
    const onAsk = (answering: Promise<unknown>): void => this.#pause(answering);
    const options = { signal, deadline, onProgress, onSend, onDefer, onAsk };
    const { effect, operation } = request;
    try {
      signal.throwIfAborted();
      const result = await executeWithBoundary(
        () =>
          state === undefined
            ? lease.value.execute(request, options)
            : resume(lease.value, state, request, options),
        { action: `execute '${operation.name}'`, effect, signal, code: "internal" },
      );
      lease.noteAnswer();
      return result;
    } catch (error) {
      server.judgeLease(lease, error, this.#timedOut);
      throw error;
    } finally {
      lease.release();
    }
  }

  /** Starts what ends the attempt and is no later than its execution's end. */
  #watch(): void {
    const { server, deadline, timeoutMs, idleTimeoutMs } = this.#context;
    const remainingMs = deadline.remainingMs();
    const leftMs = this.#startedMs + timeoutMs - server.clock.now();
    if (leftMs < remainingMs) {
      this.#undoTimeout = server.timer.after(leftMs, () => this.#expire(timeoutMs));
    }
    if (idleTimeoutMs < remainingMs) this.#watchReports();
  }

  /** Lets the attempt's own clocks stand still until the server has what it asked for. */
  #pause(answering: Promise<unknown>): void {
    const { server: { clock } } = this.#context;
    if (this.#asking++ === 0) this.#askedMs = clock.now();
    this.#undoClocks();
    const resume = (): void => {
      if (--this.#asking > 0) return;
      const pausedMs = clock.now() - this.#askedMs;
      this.#startedMs += pausedMs;
      this.#reportedMs += pausedMs;
      this.#watch();
    };
    answering.then(resume, resume);
    this.#context.onAsk(answering, this);
  }

  /** Ends the attempt once it has been silent for too long. */
  #watchReports(): void {
    const { server, idleTimeoutMs } = this.#context;
    // The instant first: a length of time would keep a rounding error that no timer can wait out.
    const leftMs = this.#reportedMs + idleTimeoutMs - server.clock.now();
    if (leftMs <= 0) this.#expire(idleTimeoutMs);
    else this.#undoIdle = server.timer.after(leftMs, () => this.#watchReports());
  }

  #expire(ms: number): void {
    this.#timedOut = true;
    const message = `The server sent nothing for ${Math.round(ms)} ms`;
    const { effect } = this.#context.request;
    this.#own?.abort(createClientError("connection_lost", message, { effect, health: "none" }));
  }

  #undo(): void {
    this.#stopClocks();
    this.#undoStop();
  }

  /** Stops them for good: no answer starts them again. */
  #stopClocks(): void {
    this.#asking = Infinity;
    this.#undoClocks();
  }

  #undoClocks(): void {
    this.#undoTimeout();
    this.#undoIdle();
  }

  #follow(own: OwnController, controller: OwnController): void {
    const stop = (): void => own.abort(controller.signal.reason);
    controller.add(stop);
    this.#undoStop = () => controller.delete(stop);
  }
}

function nothing(): void {}

/** Asks a connection for an answer; one that cannot must not be asked to execute instead. */
function resume(
  connection: Connection,
  state: JsonObject,
  request: ExecutionRequest,
  options: AttemptOptions,
): Promise<ConnectionResult> {
  if (connection.resume !== undefined) return connection.resume(state, request, options);
  const message = `The connection cannot resume '${request.operation.name}'`;
  throw createClientError("operation_failed", message, { health: "none" });
}
