import type { VirtualClock } from "./clock.ts";
import type { LogicalCall } from "./load.ts";
import { createRandomOf, drawLogNormal } from "./random.ts";
import { type Fate, isWithin, type Refusal, type ServerBehaviour } from "./scenario.ts";

/** Where what a server does to one tool call goes. */
export interface Reply {
  /** The call is taken: the head of its stream leaves. */
  accept(): void;
  refuse(refusal: Refusal): void;
  /** Reports how much of the work is done: in so many events, evenly from one share to another. */
  progress(share: number, from?: number, count?: number): void;
  comment(): void;
  result(padBytes: number): void;
  /** The stream ends without a result. */
  end(): void;
  /** The connection breaks. */
  reset(): void;
}

/** One send of a logical call that the server works on. */
interface Job {
  readonly call: number;
  readonly serviceMs: number;
  readonly fate: Fate;
  readonly reply: Reply;
  startedMs: number;
  state: "queued" | "running" | "dripping" | "gone";
  undos: (() => void)[];
}

/** A line of what happened, for people who look for a defect. */
export interface TraceLine {
  readonly atMs: number;
  readonly call: number;
  readonly what: string;
}

/** What servers keep book of, together. */
export interface Journal {
  /** How often the effect of a logical call came about. */
  readonly ledger: Map<number, number>;
  /** What happened, in order. */
  readonly trace: TraceLine[];
}

const SERVICE_MEDIAN_MS = 60;
const SERVICE_SIGMA = 0.5;
const COMMIT_AT = 0.5;
const PROGRESS_AT = [0.25, 0.5, 0.75];
const COMMENT_MS = 500;
/** How long a server that floods collects events before it writes them. */
const FLUSH_MS = 5;
const QUEUE_FULL: Refusal = { status: 503, retryAfterSeconds: 1 };
/** Separates the chance of the server from that of the load and of the clients. */
const SERVER_KEY = 2;

/** Draws how long a send takes. */
export function drawServiceMs(random: () => number): number {
  return drawLogNormal(SERVICE_MEDIAN_MS, SERVICE_SIGMA, random);
}

/** The luck of one send of a call, which is the same for every client. */
export function drawSend(
  { drawFate }: ServerBehaviour,
  seed: number,
  call: number,
  send: number,
  atMs: number,
): { readonly fate: Fate; readonly serviceMs: number } {
  const random = createRandomOf(SERVER_KEY, seed, call, send);
  const fate = drawFate(atMs, random);
  return { fate, serviceMs: fate.serviceMs ?? drawServiceMs(random) };
}

/**
 * A server with workers, a queue and a ledger of effects. Fate and length of the n-th send of a call
 * depend on the seed alone, so that every client meets the same luck.
 */
export class ServerModel {
  /** What it does, and all servers that share it. */
  readonly journal: Journal;
  /** Called when it goes down. */
  onCrash: () => void = () => {};
  readonly #behaviour: ServerBehaviour;
  readonly #seed: number;
  readonly #clock: VirtualClock;
  readonly #sendsOf = new Map<number, number>();
  readonly #queue: Job[] = [];
  readonly #jobs = new Set<Job>();
  #acceptedAtMs: number[] = [];
  #busy = 0;

  constructor(
    behaviour: ServerBehaviour,
    seed: number,
    clock: VirtualClock,
    journal: Journal = { ledger: new Map(), trace: [] },
  ) {
    this.#behaviour = behaviour;
    this.#seed = seed;
    this.#clock = clock;
    this.journal = journal;
    const { down, slump } = behaviour;
    if (down) clock.setModelTimer(down.startMs - clock.now(), () => this.#crash());
    if (slump) clock.setModelTimer(slump.endMs - clock.now(), () => this.#startNext());
  }

  /** How many calls are queued, run or drip. */
  get openJobs(): number {
    return this.#jobs.size;
  }

  /** Whether connections are refused. */
  get isDown(): boolean {
    return isWithin(this.#clock.now(), this.#behaviour.down);
  }

  /** Whether it takes a credential that was issued at an instant. */
  accepts(issuedMs: number): boolean {
    const { expiryMs = Infinity } = this.#behaviour;
    return issuedMs >= expiryMs || this.#clock.now() < expiryMs;
  }

  /** Takes one send of a tool call. Returns what to call once its reader is gone. */
  receive(call: LogicalCall["index"], reply: Reply): () => void {
    const send = (this.#sendsOf.get(call) ?? 0) + 1;
    this.#sendsOf.set(call, send);
    const atMs = this.#clock.now();
    const { fate, serviceMs } = drawSend(this.#behaviour, this.#seed, call, send, atMs);
    const refusal = fate.refusal ?? this.#judge();
    if (refusal !== undefined) {
      this.#note(call, `send ${send}: ${refusal.status}`);
      reply.refuse(refusal);
      return () => {};
    }
    const job: Job = { call, serviceMs, fate, reply, startedMs: 0, state: "queued", undos: [] };
    this.#note(call, `send ${send}: taken, ${serviceMs.toFixed(1)} ms of work`);
    this.#jobs.add(job);
    if (fate.cut?.at === 0) {
      this.#cut(job);
      return () => {};
    }
    reply.accept();
    this.#queue.push(job);
    this.#startNext();
    return () => this.#disconnect(job);
  }

  #judge(): Refusal | undefined {
    const { rateLimit, maxQueue } = this.#behaviour;
    const nowMs = this.#clock.now();
    if (rateLimit !== undefined && isWithin(nowMs, rateLimit)) {
      this.#acceptedAtMs = this.#acceptedAtMs.filter((atMs) => atMs > nowMs - 1_000);
      if (this.#acceptedAtMs.length >= rateLimit.callsPerSecond) {
        return { status: 429, retryAfterSeconds: 1 };
      }
      this.#acceptedAtMs.push(nowMs);
    }
    return this.#queue.length >= maxQueue ? QUEUE_FULL : undefined;
  }

  #startNext(): void {
    const { workers, slump } = this.#behaviour;
    const capacity = slump && isWithin(this.#clock.now(), slump) ? slump.workers : workers;
    while (this.#busy < capacity) {
      const job = this.#queue.shift();
      if (job === undefined) return;
      this.#start(job);
    }
  }

  #start(job: Job): void {
    const { fate, reply, call } = job;
    const { ledger } = this.journal;
    job.state = "running";
    job.startedMs = this.#clock.now();
    this.#busy++;
    this.#at(job, COMMIT_AT, () => {
      ledger.set(call, (ledger.get(call) ?? 0) + 1);
      this.#note(call, "effect");
    });
    for (const share of PROGRESS_AT) {
      this.#at(job, share, () => {
        const { flood } = this.#behaviour;
        if (!fate.drips && !isWithin(this.#clock.now(), flood)) reply.progress(share);
      });
    }
    this.#flood(job);
    if (fate.cut !== undefined) this.#at(job, fate.cut.at, () => this.#cut(job));
    else this.#at(job, 1, () => this.#finish(job));
  }

  #at(job: Job, share: number, callback: () => void): void {
    job.undos.push(this.#clock.setModelTimer(share * job.serviceMs, callback));
  }

  /** Reports what happened since the last time, over and over. */
  #flood(job: Job, from = 0): void {
    const { flood } = this.#behaviour;
    const nowMs = this.#clock.now();
    if (flood === undefined || nowMs >= flood.endMs) return;
    const share = (nowMs - job.startedMs) / job.serviceMs;
    const count = Math.round((share - from) * job.serviceMs * flood.eventsPerSecond / 1_000);
    if (count > 0 && isWithin(nowMs - FLUSH_MS, flood)) job.reply.progress(share, from, count);
    job.undos.push(this.#clock.setModelTimer(FLUSH_MS, () => this.#flood(job, share)));
  }

  #finish(job: Job): void {
    this.#note(job.call, job.fate.drips ? "done, never told" : "done");
    if (!job.fate.drips) {
      this.#drop(job);
      return job.reply.result(job.fate.padBytes ?? 0);
    }
    this.#busy--;
    job.state = "dripping";
    this.#drip(job);
    this.#startNext();
  }

  #drip(job: Job): void {
    job.reply.comment();
    job.undos = [this.#clock.setModelTimer(COMMENT_MS, () => this.#drip(job))];
  }

  #cut(job: Job): void {
    const how = job.fate.cut?.how ?? "reset";
    this.#note(job.call, how);
    this.#drop(job);
    job.reply[how]();
  }

  #disconnect(job: Job): void {
    if (job.state === "gone") return;
    this.#note(job.call, "reader gone");
    if (this.#behaviour.honoursDisconnect || job.state === "dripping") this.#drop(job);
  }

  #crash(): void {
    this.onCrash();
    for (const job of [...this.#jobs]) {
      this.#note(job.call, "crash");
      this.#drop(job);
      job.reply.reset();
    }
  }

  /** Ends the work on a job, wherever it stands. */
  #drop(job: Job): void {
    for (const undo of job.undos) undo();
    if (job.state === "running") this.#busy--;
    const at = this.#queue.indexOf(job);
    if (at >= 0) this.#queue.splice(at, 1);
    job.state = "gone";
    this.#jobs.delete(job);
    this.#startNext();
  }

  #note(call: number, what: string): void {
    this.journal.trace.push({ atMs: this.#clock.now(), call, what });
  }
}
