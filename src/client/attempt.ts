import { toBoundaryError } from "../errors/boundary.ts";
import type { ErrorCode } from "../errors/codes.ts";
import type { Delivery } from "../errors/delivery.ts";
import { createClientError, isClientError } from "../errors/errors.ts";
import { type HealthEvidence, healthOf } from "../errors/health.ts";
import type { ProgressReport } from "../progress/events.ts";
import type { Copy } from "../resilience/hedge.ts";
import type { ManagedResource } from "../resilience/managed_resource.ts";
import { OwnController } from "./abort.ts";
import { AttemptClocks, type AttemptLimits } from "./attempt_clocks.ts";
import type {
  AttemptOptions,
  Connection,
  ConnectionResult,
  ExecutionRequest,
  JsonObject,
} from "./ports.ts";
import type { Server } from "./server.ts";

/** Whom an attempt belongs to. */
export interface AttemptOwner {
  /** Takes a progress report. */
  report(attempt: Attempt, report: ProgressReport): void;
  /** Hears that the request is about to be sent, with its length. */
  noteSend(bytes: number): void;
  /** Hears that the server has taken the operation on, to answer it later. */
  noteDeferred(attempt: Attempt, state: JsonObject): void;
  /** Hears, whenever the server asks for something, of the answering of it. */
  noteAsked(attempt: Attempt, answering: Promise<unknown>): void;
  /** Hears of the end, once. */
  end(attempt: Attempt, outcome: AttemptOutcome): void;
}

/** One send: what it carries, what it may use, and who is told. */
export interface AttemptContext extends AttemptLimits {
  readonly owner: AttemptOwner;
  readonly server: Server;
  readonly request: ExecutionRequest;
  /** What the server has taken on before, if the attempt only asks for the answer. */
  readonly state: JsonObject | undefined;
  /** Under which number its progress is told. */
  readonly told: number;
  /** What it has passed the server's gate with. */
  readonly permit: number;
  readonly lease: ManagedResource<Connection>;
  /** Ends its execution. */
  readonly controller: OwnController;
  /** Whether another copy may win over it. */
  readonly hedged: boolean;
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
  readonly #startedMs: number;
  /** Ends this attempt: alone, if something may. */
  readonly #controller: OwnController;
  #resolve!: (result: ConnectionResult) => void;
  #reject!: (reason: unknown) => void;
  readonly #onAbort = (): void => this.#fail(this.#controller.reason);
  #undoFollow: (() => void) | undefined;
  /** Unset as long as there is nothing to measure. */
  #clocks: AttemptClocks | undefined;
  /** When the server had taken the operation on: what follows says nothing of how fast it answers. */
  #deferredMs: number | undefined;
  #timedOut = false;
  #ended = false;

  constructor(context: AttemptContext) {
    const { server, state, deadline, timeoutMs, idleTimeoutMs, hedged } = context;
    this.#context = context;
    this.#startedMs = server.clock.now();
    if (state !== undefined) this.#deferredMs = this.#startedMs;
    this.result = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    const remainingMs = deadline.atMsOn(server.clock) - this.#startedMs;
    const isLimited = timeoutMs < remainingMs || idleTimeoutMs < remainingMs;
    this.#controller = hedged || isLimited ? this.#follow() : context.controller;
    if (isLimited) this.#startClocks();
    this.#controller.addEventListener("abort", this.#onAbort);
    if (this.#controller.aborted) this.#onAbort();
    this.#run();
  }

  /** Which attempt of its execution it is, counted from 1. */
  get number(): number {
    return this.#context.request.attempt;
  }

  /** Under which number its progress is told. */
  get told(): number {
    return this.#context.told;
  }

  /** Ends it because another copy won. */
  abort(): void {
    this.#controller.abort(createClientError("cancelled", "Another copy of the request won"));
  }

  /** Holds little while it waits: what a suspended function uses is held for as long. */
  async #run(): Promise<void> {
    let result: ConnectionResult;
    try {
      result = await this.#send();
    } catch (thrown) {
      return this.#giveUp(thrown);
    }
    this.#succeed(result);
  }

  #send(): Promise<ConnectionResult> {
    const { owner, server, request, state, lease, deadline } = this.#context;
    const controller = this.#controller;
    if (controller.aborted) throw controller.reason;
    const options: AttemptOptions = {
      get signal() {
        return controller.signal;
      },
      deadline,
      onProgress: (report) => {
        this.#clocks?.noteReport();
        owner.report(this, report);
      },
      onSend: (bytes) => owner.noteSend(bytes),
      onDefer: (state) => {
        // Its clocks would end what may take its time; to ask again has clocks of its own.
        this.#clocks?.stop();
        this.#deferredMs ??= server.clock.now();
        owner.noteDeferred(this, state);
      },
      onAsk: (answering) => {
        this.#startClocks().pause(answering);
        owner.noteAsked(this, answering);
      },
    };
    return state === undefined
      ? lease.value.execute(request, options)
      : resume(lease.value, state, request, options);
  }

  #succeed(result: ConnectionResult): void {
    const { lease } = this.#context;
    lease.noteAnswer();
    lease.release();
    if (this.#ended) return;
    this.#end("executed", "answered", result.status);
    this.#resolve(result);
  }

  #giveUp(thrown: unknown): void {
    const { server, request: { effect, operation }, lease } = this.#context;
    const { aborted, reason } = this.#controller;
    const action = `execute '${operation.name}'`;
    const error = aborted ? reason : toBoundaryError(thrown, { action, effect, code: "internal" });
    server.judgeLease(lease, error, this.#timedOut);
    lease.release();
    this.#fail(error);
  }

  #fail(error: unknown): void {
    if (this.#ended) return;
    let delivery: Delivery = "unknown";
    let health: HealthEvidence = "none";
    let code: ErrorCode | undefined;
    let retryAfterMs: number | undefined;
    if (isClientError(error) && (!this.#controller.aborted || this.#timedOut)) {
      ({ delivery, code, retryAfterMs } = error);
      health = healthOf(error);
    }
    this.#timedOut ||= code === "deadline_exceeded" || this.#context.deadline.isPast();
    this.#end(delivery, health, undefined, code, retryAfterMs);
    this.#reject(error);
  }

  #end(
    delivery: Delivery,
    health: HealthEvidence,
    status?: ConnectionResult["status"],
    code?: ErrorCode,
    retryAfterMs?: number,
  ): void {
    this.#ended = true;
    this.#clocks?.stop();
    this.#undoFollow?.();
    this.#controller.removeEventListener("abort", this.#onAbort);
    const { owner, server, state, permit, request: { operation } } = this.#context;
    const startedMs = this.#startedMs + (this.#clocks?.pausedMs ?? 0);
    const elapsedMs = Math.max(0, server.clock.now() - startedMs);
    owner.end(this, { delivery, status, code, elapsedMs });
    server.gate.leave(permit, {
      operation: operation.name,
      health,
      timedOut: this.#timedOut,
      succeeded: status === "success" && state === undefined,
      retryAfterMs,
      elapsedMs: this.#deferredMs === undefined ? elapsedMs : this.#deferredMs - startedMs,
    });
  }

  #startClocks(): AttemptClocks {
    return this.#clocks ??= new AttemptClocks(
      this.#context.server,
      this.#context,
      this.#startedMs,
      this,
    );
  }

  /** Ends it because it took too long, or was silent for too long. */
  expire(ms: number): void {
    this.#timedOut = true;
    const message = `The server sent nothing for ${Math.round(ms)} ms`;
    const { effect } = this.#context.request;
    this.#controller.abort(
      createClientError("connection_lost", message, { effect, health: "none" }),
    );
  }

  /** Returns a controller of its own, which the end of the execution aborts too. */
  #follow(): OwnController {
    const { controller } = this.#context;
    const own = new OwnController();
    const stop = (): void => own.abort(controller.reason);
    if (controller.aborted) stop();
    controller.addEventListener("abort", stop);
    this.#undoFollow = () => controller.removeEventListener("abort", stop);
    return own;
  }
}

/** Asks a connection for an answer; one that cannot must not be asked to execute instead. */
function resume(
  connection: Connection,
  state: JsonObject,
  request: ExecutionRequest,
  options: AttemptOptions,
): Promise<ConnectionResult> {
  if (connection.resume !== undefined) return connection.resume(state, request, options);
  const message = `The connection cannot resume '${request.operation.name}'`;
  throw createClientError("protocol_error", message, { health: "none" });
}
