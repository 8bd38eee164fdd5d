import { type Delivery, type Effect, strongerDelivery } from "../errors/delivery.ts";
import type { ErrorCode } from "../errors/codes.ts";
import { notify } from "../errors/notify.ts";
import { hedge } from "../resilience/hedge.ts";
import type { ManagedResource } from "../resilience/managed_resource.ts";
import { Attempt } from "./attempt.ts";
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

/** What is to be sent, and what is known of it. */
export interface Sending {
  readonly operation: OperationDescriptor;
  readonly effect: Effect;
  /** How many attempts may still follow, this one included. */
  readonly attemptsLeft: number;
  /** Why there is another attempt; empty for the first. */
  readonly why: { readonly reason?: ErrorCode; readonly waitMs?: number };
}

/**
 * Sends the request of one execution as often as it is asked to: through the gate, on a lease, if it
 * is slow and harmless in two copies. Knows what all attempts together have proved.
 */
export class Sender {
  /** How often the request was sent, copies included. */
  attempts = 0;
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
  #copies: readonly Attempt[] = [];
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

  /** Sends once, or in two copies. Settles with the result, or with why there is none. */
  async send(sending: Sending): Promise<ConnectionResult> {
    const { server, controller: { signal }, deadline, policy, tracker } = this.#call;
    const { priority, failFast } = policy;
    const operation = sending.operation.name;
    const passed = server.gate.enter({ operation, deadline, signal, priority, failFast });
    const permit = typeof passed === "number" ? passed : await passed;
    let first: Attempt;
    try {
      signal.throwIfAborted();
      const lease = server.pool.tryAcquire() ?? await server.pool.acquire({ signal, deadline });
      this.#reporter = 0;
      this.#told = this.attempts + 1;
      tracker.startAttempt(this.#call.executionId, this.#told, sending.why);
      first = this.#start(sending, permit, lease);
    } catch (error) {
      server.gate.leave(permit);
      throw error;
    }
    const afterMs = this.#mayHedge && !this.continuation && hedges(sending, policy)
      ? server.gate.estimates.p95Ms(operation)
      : undefined;
    if (afterMs === undefined) return await first.result;
    this.#copies = [first];
    return await hedge(first, {
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
    this.#call.replay.drop(this.#keptBytes);
    this.#keptBytes = 0;
    this.#arguments = undefined;
  }

  /** Sends another copy, if nobody has to wait for that. */
  #startCopy(sending: Sending, afterMs: number): Attempt | undefined {
    const { server: { gate, pool, hedgeBudget }, controller: { signal }, deadline } = this.#call;
    if (!this.#mayHedge || !this.canSend || signal.aborted || !gate.isFree) return undefined;
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
    const { server, controller, deadline, counts, policy } = this.#call;
    const { effect, attemptsLeft } = sending;
    const state = this.continuation?.state;
    const attempt = ++this.attempts;
    const told = this.#told;
    counts.attempts++;
    this.#inFlight++;
    this.connection = lease.value;
    this.#emit?.({ type: "attempt.start", attempt, generation: lease.generation });
    // What must not be repeated has all the time there is: giving up early would prove nothing.
    const [timeoutMs, idleTimeoutMs] = effect === "unsafe" || state ? [Infinity, Infinity] : [
      Math.max(policy.attemptFloorMs, deadline.remainingMs() / attemptsLeft),
      policy.progressIdleTimeoutMs,
    ];
    return new Attempt({
      ...{ server, permit, lease, deadline, controller, timeoutMs, idleTimeoutMs },
      request: this.#toRequest(sending, attempt),
      state,
      hedged: hedges(sending, policy),
      onProgress: (report) => {
        if (told === this.#told) {
          this.#reporter ||= attempt;
          if (this.#reporter !== attempt) return;
        }
        this.#call.tracker.updateProgress(this.#call.executionId, report, told);
      },
      onSend: (bytes) => this.#keep(bytes),
      onDefer: (state) => this.#defer(state, attempt),
      onAsk: (answering, asking) => this.#noteAsked(answering, asking),
      onEnd: ({ delivery, status, code, elapsedMs }) => {
        this.#inFlight--;
        if (this.#reporter === attempt) this.#reporter = 0;
        this.#provedBefore = this.#proved;
        this.#proved = strongerDelivery(this.#proved, delivery);
        if (delivery === "not_executed") this.#mayHedge = false;
        this.#emit?.({
          ...{ type: "attempt.end", attempt, delivery, elapsedMs },
          ...(status && { status }),
          ...(code && { code }),
        });
      },
    });
  }

  /** One copy asks for all. What asks runs already, and is gone on with but not started again. */
  #noteAsked(answering: Promise<unknown>, asking: Attempt): void {
    this.#mayHedge = false;
    this.#proved = strongerDelivery(this.#proved, "unknown");
    for (const copy of this.#copies) if (copy !== asking) copy.abort();
    answering.then((answered) => this.#answered = answered, () => {});
  }

  #toRequest({ operation, effect }: Sending, attempt: number): ExecutionRequest {
    const { executionId, traceAttempt } = this.#call;
    let trace = this.#call.trace;
    notify(traceAttempt && (() => trace = traceAttempt(executionId, attempt) ?? trace));
    const meta = toMeta(this.#call, attempt);
    return {
      ...{ operation, effect, attempt, arguments: this.#arguments ?? {} },
      answered: this.#answered,
      ...(trace && { trace }),
      ...(meta && { meta }),
    };
  }

  /** The server has taken the operation on: from now on it is only asked for the answer. */
  #defer(state: JsonObject, attempt: number): void {
    if (this.#inFlight === 0) return;
    const { server, operation } = this.#call;
    const continuation = this.continuation = { server: server.name, operation, state };
    this.#mayHedge = false;
    this.forget();
    this.#emit?.({ type: "execution.deferred", attempt, continuation });
  }

  /** Keeps the request to be sent again, or lets go of it if it is too long. */
  #keep(bytes: number): void {
    if (this.#keptBytes > 0 || this.#arguments === undefined) return;
    if (this.#call.replay.keep(bytes)) this.#keptBytes = bytes;
    else this.#arguments = undefined;
  }
}

function hedges({ effect }: Sending, policy: Call["policy"]): boolean {
  return policy.hedge && effect === "safe";
}
