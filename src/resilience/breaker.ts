import type { HealthEvidence } from "../errors/health.ts";
import { checkOptions, type OptionRules, resolveOptions } from "../errors/misuse.ts";
import { notifier } from "../errors/notify.ts";
import {
  BREAKER_RULES,
  type BreakerOptions,
  type BreakerSnapshot,
  type BreakerState,
  type BreakerStats,
  type BreakerTransition,
  SNAPSHOT_RULES,
} from "./breaker_options.ts";
import { type Clock, systemClock, systemRandom } from "./clock.ts";
import { type FailureCounts, FailureWindow } from "./failure_window.ts";

const WINDOW_MS = 10_000;
/** The fewest results of the window whose share of failures means something. */
const MIN_RESULTS = 20;
/** A pause for refusals that named no time. */
const DEFAULT_PAUSE_HINT_MS = 1_000;
/** One absurd hint must not shut a server off for good. */
const MAX_HINT_MS = 60_000;
const PAUSE_SPREAD = { least: 0.8, most: 1.2 };
/** The wait before a check: 500 ms, half as long again with each that fails, under a cap. */
const CHECK = { baseMs: 500, factor: 1.5, least: 0.5, most: 1 };
/** A server that stays down is asked rarely: it may have many clients. */
const EARLY_CAP_MS = 2_000;
const LATE_CAP_MS = 30_000;
const EARLY_MS = 30_000;
/** So long without a trip, and the next outage starts from the shortest wait again. */
const HEALTHY_MS = 10_000;
/** A restored instant is never further ahead: clocks jump. */
const MAX_RESTORED_WAIT_MS = 30_000;

/** What a {@linkcode CircuitBreaker} runs on. */
export interface BreakerPorts {
  /** Measures time. */
  readonly clock?: Clock;
  /** A source of chance, 0 <= x < 1. */
  readonly random?: () => number;
  /** Called with each change of the state. If it throws, the error is reported in a microtask. */
  readonly onTransition?: (transition: BreakerTransition) => void;
}

const PORT_RULES: OptionRules<BreakerPorts> = {
  clock: { type: "object" },
  random: { type: "function" },
  onTransition: { type: "function" },
};

/**
 * Knows whether a server is worth a send. It judges what attempts say of the server's health, pauses
 * when the server says "later", trips when it gives no sign of life, and lets one check, never a
 * caller's operation, find out whether it is back. It holds no timer and no caller: whoever waits in
 * front of it asks {@linkcode CircuitBreaker.waitMs}.
 *
 * @example Five failures in a row trip it
 * ```ts
 * import { CircuitBreaker } from "@automcp/client";
 * import { assertEquals } from "@std/assert";
 *
 * const breaker = new CircuitBreaker();
 * for (let i = 0; i < 5; i++) breaker.record("hard", breaker.generation);
 * assertEquals(breaker.state, "open");
 * ```
 */
export class CircuitBreaker {
  readonly #options: Required<BreakerOptions>;
  readonly #clock: Clock;
  readonly #random: () => number;
  readonly #onTransition: ((transition: BreakerTransition) => void) | undefined;
  readonly #recent: FailureWindow;
  #state: BreakerState = "closed";
  #generation = 1;
  #hardInARow = 0;
  #pushbacksInARow = 0;
  /** The longest hint of the refusals in a row. */
  #hintMs = 0;
  /** When the pause ends, or the next check is due. */
  #untilMs = 0;
  #failedChecks = 0;
  #outageSinceMs = -Infinity;
  #closedAtMs = -Infinity;
  #trips = 0;
  #pauses = 0;

  /**
   * Creates a breaker that is closed.
   *
   * @param options When it shuts and for how long.
   * @param ports The clock, the chance, and who hears of changes.
   * @throws {TypeError} If an option is unknown or of the wrong type.
   * @throws {RangeError} If an option is out of its range.
   */
  constructor(options: BreakerOptions = {}, ports: BreakerPorts = {}) {
    this.#options = resolveOptions("create a breaker", options, BREAKER_RULES);
    checkOptions("create a breaker", ports, PORT_RULES);
    this.#clock = ports.clock ?? systemClock;
    this.#random = ports.random ?? systemRandom;
    this.#onTransition = notifier(ports.onTransition);
    this.#recent = new FailureWindow(WINDOW_MS, this.#clock);
  }

  /** Where it stands now. */
  get state(): BreakerState {
    if (this.#state === "paused" && this.#clock.now() >= this.#untilMs) this.#move("closed");
    return this.#state;
  }

  /** Whether nobody may pass. */
  get isShut(): boolean {
    return this.state !== "closed";
  }

  /** Counts the changes of the state, from 1. Belongs to what {@linkcode record} is told. */
  get generation(): number {
    // Whoever asks after a pause belongs to what comes after it.
    void this.state;
    return this.#generation;
  }

  /** How long until a pause ends or a check is due, in milliseconds; `Infinity` if time changes nothing. */
  get waitMs(): number {
    const { state } = this;
    if (state !== "paused" && state !== "open") return Infinity;
    return Math.max(0, this.#untilMs - this.#clock.now());
  }

  /**
   * Learns from an attempt that ended.
   *
   * @param evidence What it says of the server.
   * @param generation The generation that let it pass; of an earlier one it changes nothing.
   * @param retryAfterMs How long the server asked to wait, in milliseconds.
   */
  record(evidence: HealthEvidence, generation: number, retryAfterMs?: number): void {
    if (evidence === "none" || this.state !== "closed" || generation !== this.#generation) return;
    const isHard = evidence === "hard" || evidence === "overload";
    const counts = this.#recent.add(isHard);
    if (isHard) this.#hardInARow++;
    else this.#hardInARow = 0;
    if (evidence === "pushback") {
      this.#pushbacksInARow++;
      this.#hintMs = Math.max(this.#hintMs, retryAfterMs ?? 0);
    } else if (evidence === "answered") this.#pushbacksInARow = this.#hintMs = 0;
    if (this.#options.metricsOnly) return;
    if (this.#isDead(counts)) this.#trip();
    else if (this.#pushbacksInARow >= this.#options.pauseAfter) this.#pause();
  }

  /**
   * Begins a check, if one is due. The caller must end it with {@linkcode endCheck}.
   *
   * @returns Whether the caller is to check the server now.
   */
  beginCheck(): boolean {
    // Only one that is open can have no wait: a pause without one is over.
    if (this.waitMs > 0) return false;
    this.#move("half_open");
    return true;
  }

  /**
   * Ends a check: an answer ends the outage, anything else goes on with it.
   *
   * @param evidence What the check says of the server.
   * @param retryAfterMs How long the server asked to wait, in milliseconds; up to 60 s no check comes
   * earlier.
   */
  endCheck(evidence: HealthEvidence, retryAfterMs = 0): void {
    if (this.#state !== "half_open") return;
    if (evidence === "answered") return this.#move("closed");
    this.#failedChecks++;
    this.#open(Math.min(retryAfterMs, MAX_HINT_MS));
  }

  /** Ends an outage: the server gave a sign of life in another way, as a new connection is. */
  recover(): void {
    if (this.#state === "open" || this.#state === "half_open") this.#move("closed");
  }

  /** Shuts by hand: callers fail with `circuit_open` until {@linkcode close}. */
  isolate(): void {
    if (this.#state !== "isolated") this.#move("isolated");
  }

  /** Lets everybody pass again, whatever shut it. */
  close(): void {
    this.#failedChecks = 0;
    if (this.state !== "closed") this.#move("closed");
  }

  /** Returns the breaker at this moment, as plain data. */
  stats(): BreakerStats {
    return {
      state: this.state,
      generation: this.#generation,
      ...this.#recent.counts,
      trips: this.#trips,
      pauses: this.#pauses,
    };
  }

  /**
   * Returns what another breaker needs to go on, as plain data in wall-clock time.
   *
   * @returns The snapshot; it survives `structuredClone` and JSON.
   *
   * @example An outage outlives its process
   * ```ts
   * import { CircuitBreaker } from "@automcp/client";
   * import { assertEquals } from "@std/assert";
   *
   * const before = new CircuitBreaker();
   * for (let i = 0; i < 5; i++) before.record("hard", before.generation);
   * const after = new CircuitBreaker();
   * after.restore(JSON.parse(JSON.stringify(before.snapshot())));
   * assertEquals(after.state, "open");
   * ```
   */
  snapshot(): BreakerSnapshot {
    const { state } = this;
    const toWallMs = this.#clock.wall() - this.#clock.now();
    return {
      // Who was checking the server is gone with this breaker.
      state: state === "half_open" ? "open" : state,
      generation: this.#generation,
      failedChecks: this.#failedChecks,
      hardInARow: this.#hardInARow,
      pushbacksInARow: this.#pushbacksInARow,
      hintMs: this.#hintMs,
      ...(state !== "closed" && state !== "isolated" && {
        untilWallMs: this.#untilMs + toWallMs,
      }),
      ...(this.#outageSinceMs !== -Infinity && {
        outageSinceWallMs: this.#outageSinceMs + toWallMs,
      }),
      ...(this.#closedAtMs !== -Infinity && { closedAtWallMs: this.#closedAtMs + toWallMs }),
    };
  }

  /**
   * Goes on where another breaker was.
   *
   * @param snapshot What {@linkcode snapshot} returned. An instant more than 30 s ahead is cut to 30 s.
   * @throws {TypeError} If it is none.
   * @throws {RangeError} If a number of it is out of its range.
   */
  restore(snapshot: BreakerSnapshot): void {
    const restored: Required<BreakerSnapshot> = resolveOptions(
      "restore a breaker",
      snapshot,
      SNAPSHOT_RULES,
    );
    const nowMs = this.#clock.now();
    const toNowMs = nowMs - this.#clock.wall();
    this.#generation = Math.max(restored.generation, this.#generation);
    this.#untilMs = Math.min(restored.untilWallMs + toNowMs, nowMs + MAX_RESTORED_WAIT_MS);
    if (restored.state !== this.#state) this.#move(restored.state);
    this.#failedChecks = restored.failedChecks;
    this.#hardInARow = restored.hardInARow;
    this.#pushbacksInARow = restored.pushbacksInARow;
    this.#hintMs = restored.hintMs;
    this.#outageSinceMs = Math.min(restored.outageSinceWallMs + toNowMs, nowMs);
    this.#closedAtMs = Math.min(restored.closedAtWallMs + toNowMs, nowMs);
  }

  #isDead({ results, failures }: FailureCounts): boolean {
    const { tripAfter, tripShare } = this.#options;
    if (this.#hardInARow >= tripAfter) return true;
    return results >= MIN_RESULTS && failures / results >= tripShare;
  }

  #trip(): void {
    const nowMs = this.#clock.now();
    this.#trips++;
    // A server that flaps goes on where its last outage was.
    if (nowMs - this.#closedAtMs >= HEALTHY_MS) {
      this.#failedChecks = 0;
      this.#outageSinceMs = nowMs;
    }
    this.#open(0);
  }

  #open(hintMs: number): void {
    const nowMs = this.#clock.now();
    const capMs = nowMs - this.#outageSinceMs < EARLY_MS ? EARLY_CAP_MS : LATE_CAP_MS;
    const waitMs = Math.min(capMs, CHECK.baseMs * CHECK.factor ** this.#failedChecks);
    this.#untilMs = nowMs + Math.max(hintMs, waitMs * this.#draw(CHECK));
    this.#move("open");
  }

  #pause(): void {
    const { pauseRatio } = this.#options;
    const hintMs = Math.min(this.#hintMs || DEFAULT_PAUSE_HINT_MS, MAX_HINT_MS);
    const waitMs = hintMs * pauseRatio * this.#draw(PAUSE_SPREAD);
    this.#pauses++;
    this.#untilMs = this.#clock.now() + (pauseRatio >= 1 ? Math.max(hintMs, waitMs) : waitMs);
    this.#move("paused");
  }

  #draw({ least, most }: { least: number; most: number }): number {
    return least + (most - least) * this.#random();
  }

  #move(to: BreakerState): void {
    const from = this.#state;
    this.#state = to;
    this.#generation++;
    this.#hardInARow = this.#pushbacksInARow = this.#hintMs = 0;
    this.#recent.clear();
    const nowMs = this.#clock.now();
    if (to === "closed" && from !== "paused") this.#closedAtMs = nowMs;
    this.#onTransition?.({
      ...{ from, to, generation: this.#generation },
      // Not by asking for the state: a pause of no length would end before it is told.
      ...((to === "paused" || to === "open") && { waitMs: Math.max(0, this.#untilMs - nowMs) }),
    });
  }
}
