import { type Delivery, type Effect, strongerDelivery } from "../errors/delivery.ts";
import { notify } from "../errors/notify.ts";
import type { ProgressReport } from "../progress/events.ts";
import type { AttemptReason } from "../progress/options.ts";
import { hedge } from "../resilience/hedge.ts";
import type { ManagedResource } from "../resilience/managed_resource.ts";
import { Attempt, type AttemptOutcome, type AttemptOwner } from "./attempt.ts";
import type { Call } from "./call.ts";
import type { Continuation } from "./continuation.ts";
import type { EmitOwn } from "./events.ts";
import type {
  Connection,
  ConnectionResult,
  ExecutionRequest,
  JsonObject,
  OperationDescriptor,
} from "./ports.ts";
import { toMeta } from "./request_meta.ts";

const NO_COPIES: readonly Attempt[] = [];

/** What is to be sent. */
interface Sending {
  readonly operation: OperationDescriptor;
  /** How many attempts may still follow, this one included. */
  readonly attemptsLeft: number;
  readonly why: AttemptReason | undefined;
}

/**
 * Sends the request of one execution as often as it is asked to: through the gate, on a lease, if it
 * is slow and harmless in two copies. Knows what all attempts together have proved.
 */
export class Sender implements AttemptOwner {
  /** How often the request was sent, copies included. */
  attempts = 0;
  /** What repeating the operation does; unset until that is known. */
  effect: Effect | undefined;
  /** The connection of the last attempt. */
  connection: Connection | undefined;
  /** What the server has taken on: it is asked for the answer, and gets the request no more. */
  continuation: Continuation | undefined;
  readonly #call: Call;
  readonly #emit: EmitOwn | undefined;
  /** What the attempts that ended have proved: the strongest claim of them all. */
  #proved: Delivery = "not_sent";
  /** What they had proved without the last one. */
  #provedBefore: Delivery = "not_sent";
  #inFlight = 0;
  #mayHedge = true;
  /** The attempt under whose number progress is told. */
  #told = 0;
  /** The attempt whose progress is told: of two copies the one that reported first. */
  #reporter = 0;
  /** The arguments, as long as they may be sent again. */
  #arguments: JsonObject | undefined;
  #keptBytes = 0;
  /** The copies that run, if there may be two. */
  #copies: readonly Attempt[] = NO_COPIES;
  /** What the server has asked for, and got. */
  #answered: unknown;

  constructor(call: Call, emit: EmitOwn | undefined) {
    this.#call = call;
    this.#emit = emit;
    this.#arguments = call.arguments;
    this.continuation = call.continuation;
    // Somebody has sent it before.
    if (call.continuation !== undefined) this.#proved = "unknown";
  }

  /** What is proved at this moment: what is in flight may be running. */
  get delivery(): Delivery {
    return this.#inFlight > 0 ? strongerDelivery(this.#proved, "unknown") : this.#proved;
  }

  /** Whether the request is kept to be sent again: a long one is not. */
  get canSend(): boolean {
    return this.#arguments !== undefined || this.continuation !== undefined;
  }

  /**
   * Sends once, or in two copies. Settles with the result, or with why there is none.
   *
   * @param operation What is called.
   * @param attemptsLeft How many attempts may still follow, this one included.
   * @param why Why there is another attempt; nothing is said of the first.
   */
  send(
    operation: OperationDescriptor,
    attemptsLeft: number,
    why: AttemptReason | undefined,
  ): Promise<ConnectionResult> {
    const { context: { server }, controller } = this.#call;
    if (controller.aborted) return Promise.reject(controller.reason);
    const sending = { operation, attemptsLeft, why };
    const permit = server.gate.tryEnter();
    if (permit === undefined) return this.#enter(sending);
    const lease = server.pool.tryAcquire();
    return lease === undefined
      ? this.#acquire(sending, permit)
      : this.#begin(sending, permit, lease);
  }

  /** Waits in front of the gate. */
  async #enter(sending: Sending): Promise<ConnectionResult> {
    const { context: { server }, controller: signal, deadline, operation, policy } = this.#call;
    const { priority, failFast } = policy;
    const permit = await server.gate.enter({ operation, deadline, signal, priority, failFast });
    return await this.#acquire(sending, permit);
  }

  /** Waits for a connection. */
  async #acquire(sending: Sending, permit: number): Promise<ConnectionResult> {
    const { context: { server }, controller, deadline } = this.#call;
    let lease: ManagedResource<Connection>;
    try {
      if (controller.aborted) throw controller.reason;
      lease = server.pool.tryAcquire() ??
        await server.pool.acquire({ signal: controller.signal, deadline });
    } catch (error) {
      server.gate.leave(permit);
      throw error;
    }
    return await this.#begin(sending, permit, lease);
  }

  #begin(
    sending: Sending,
    permit: number,
    lease: ManagedResource<Connection>,
  ): Promise<ConnectionResult> {
    const { context: { server, tracker }, executionId } = this.#call;
    this.#reporter = 0;
    this.#told = this.attempts + 1;
    tracker.startAttempt(executionId, this.#told, sending.why);
    const first = this.#start(sending, permit, lease);
    const afterMs = this.#mayHedge && !this.continuation && this.#hedges
      ? server.gate.estimates.p95Ms(sending.operation.name)
      : undefined;
    if (afterMs === undefined) return first.result;
    this.#copies = [first];
    return hedge(first, {
      afterMs: Math.max(1, afterMs),
      setTimer: (ms, callback) => server.timer.after(ms, callback),
      start: () => this.#startCopy(sending, afterMs),
      onEnd: (won) => this.#emit?.({ type: won ? "hedge.won" : "hedge.lost", afterMs }),
    });
  }

  /** Takes note that the last attempt did not run, whatever its end seemed to prove. */
  noteNotExecuted(): void {
    this.#proved = strongerDelivery(this.#provedBefore, "not_executed");
  }

  /** Forgets the request: it will not be sent again. */
  forget(): void {
    this.#call.context.replay.drop(this.#keptBytes);
    this.#keptBytes = 0;
    this.#arguments = undefined;
  }

  /** Sends another copy, if nobody has to wait for that. */
  #startCopy(sending: Sending, afterMs: number): Attempt | undefined {
    const { context: { server }, controller, deadline } = this.#call;
    const { gate, pool, hedgeBudget } = server;
    if (!this.#mayHedge || !this.canSend || controller.aborted || !gate.isFree) return undefined;
    if (deadline.remainingMs() <= gate.estimates.p50Ms(sending.operation.name)) return undefined;
    const lease = hedgeBudget.tokens >= 1 ? pool.tryAcquire() : undefined;
    if (lease === undefined) return undefined;
    // Before anybody is told, who might shut the gate.
    const permit = gate.tryEnter();
    if (permit === undefined) {
      lease.release();
      return undefined;
    }
    hedgeBudget.take(1);
    this.#emit?.({ type: "hedge.sent", attempt: this.attempts + 1, afterMs });
    const copy = this.#start(sending, permit, lease);
    this.#copies = [...this.#copies, copy];
    return copy;
  }

  /** Starts an attempt, which gives back its permit and its lease. */
  #start(sending: Sending, permit: number, lease: ManagedResource<Connection>): Attempt {
    const { context: { server, counts }, controller, deadline, policy } = this.#call;
    const attempt = ++this.attempts;
    counts.attempts++;
    this.#inFlight++;
    this.connection = lease.value;
    this.#emit?.({ type: "attempt.start", attempt, generation: lease.generation });
    const state = this.continuation?.state;
    const hasAllTime = this.#effect === "unsafe" || state !== undefined;
    return new Attempt({
      owner: this,
      server,
      permit,
      lease,
      deadline,
      controller,
      state,
      told: this.#told,
      // What must not be repeated has all the time there is: giving up early would prove nothing.
      timeoutMs: hasAllTime
        ? Infinity
        : Math.max(policy.attemptFloorMs, deadline.remainingMs() / sending.attemptsLeft),
      idleTimeoutMs: hasAllTime ? Infinity : policy.progressIdleTimeoutMs,
      request: this.#toRequest(sending.operation, attempt),
      hedged: this.#hedges,
    });
  }

  /** Tells what an attempt reports: of two copies the first that reported, after another attempt none. */
  report({ number, told }: Attempt, report: ProgressReport): void {
    if (told === this.#told) {
      this.#reporter ||= number;
      if (this.#reporter !== number) return;
    }
    this.#call.context.tracker.updateProgress(this.#call.executionId, report, told);
  }

  /** Keeps the request to be sent again, or lets go of it if it is too long. */
  noteSend(bytes: number): void {
    if (this.#keptBytes > 0 || this.#arguments === undefined) return;
    if (this.#call.context.replay.keep(bytes)) this.#keptBytes = bytes;
    else this.#arguments = undefined;
  }

  /** From now on the server is only asked for the answer. */
  noteDeferred({ number }: Attempt, state: JsonObject): void {
    if (this.#inFlight === 0) return;
    const { context: { server }, operation } = this.#call;
    const continuation = this.continuation = { server: server.name, operation, state };
    this.#mayHedge = false;
    this.forget();
    this.#emit?.({ type: "execution.deferred", attempt: number, continuation });
  }

  /** One copy asks for all. What asks runs already, and is gone on with but not started again. */
  noteAsked(attempt: Attempt, answering: Promise<unknown>): void {
    this.#mayHedge = false;
    this.#proved = strongerDelivery(this.#proved, "unknown");
    for (const copy of this.#copies) if (copy !== attempt) copy.abort();
    answering.then((answered) => this.#answered = answered, () => {});
  }

  /** Counts an attempt as ended, and remembers what it has proved. */
  end({ number }: Attempt, { delivery, status, code, elapsedMs }: AttemptOutcome): void {
    this.#inFlight--;
    if (this.#reporter === number) this.#reporter = 0;
    this.#provedBefore = this.#proved;
    this.#proved = strongerDelivery(this.#proved, delivery);
    if (delivery === "not_executed") this.#mayHedge = false;
    this.#emit?.({
      ...{ type: "attempt.end", attempt: number, delivery, elapsedMs },
      ...(status && { status }),
      ...(code && { code }),
    });
  }

  get #effect(): Effect {
    return this.effect ?? "unsafe";
  }

  get #hedges(): boolean {
    return this.#call.policy.hedge && this.effect === "safe";
  }

  #toRequest(operation: OperationDescriptor, attempt: number): ExecutionRequest {
    const { executionId, context: { traceAttempt }, policy } = this.#call;
    let { trace } = policy;
    notify(traceAttempt && (() => trace = traceAttempt(executionId, attempt) ?? trace));
    const meta = toMeta(this.#call, attempt);
    // Assigned one by one: what is spread together is held in two places.
    const request: { -readonly [K in keyof ExecutionRequest]: ExecutionRequest[K] } = {
      operation,
      effect: this.#effect,
      attempt,
      arguments: this.#arguments ?? {},
    };
    if (this.#answered !== undefined) request.answered = this.#answered;
    if (trace !== undefined) request.trace = trace;
    if (meta !== undefined) request.meta = meta;
    return request;
  }
}
