import type { HealthEvidence } from "../../src/errors/health.ts";
import type { BreakerState } from "../../src/resilience/breaker_options.ts";

interface Result {
  readonly evidence: HealthEvidence;
  readonly atMs: number;
  readonly hintMs: number;
}

const isHard = ({ evidence }: Result): boolean => evidence === "hard" || evidence === "overload";

/** A breaker that keeps every result of its generation, and looks at all of them each time. */
export class BreakerModel {
  state: BreakerState = "closed";
  generation = 1;
  untilMs = 0;
  trips = 0;
  pauses = 0;
  results: Result[] = [];
  #failedChecks = 0;
  #outageAtMs = -Infinity;
  #closedAtMs = -Infinity;
  readonly #random: () => number;

  constructor(random: () => number) {
    this.#random = random;
  }

  /** What follows the last result that is none of these. */
  #since(...ends: HealthEvidence[]): Result[] {
    return this.results.slice(this.results.findLastIndex((one) => ends.includes(one.evidence)) + 1);
  }

  /** The results of this second and the nine before. */
  recent(nowMs: number): { results: number; failures: number } {
    const seconds = (ms: number): number => Math.floor(ms / 1_000);
    const recent = this.results.filter(({ atMs }) => seconds(nowMs) - seconds(atMs) < 10);
    return { results: recent.length, failures: recent.filter(isHard).length };
  }

  record(evidence: HealthEvidence, generation: number, hintMs: number, nowMs: number): void {
    if (evidence === "none" || this.state !== "closed" || generation !== this.generation) return;
    this.results.push({ evidence, hintMs, atMs: nowMs });
    const { results, failures } = this.recent(nowMs);
    const refusals = this.#since("answered").filter((one) => one.evidence === "pushback");
    if (
      this.#since("answered", "pushback").length >= 5 || (results > 19 && failures / results >= 0.8)
    ) {
      this.trips++;
      if (nowMs - this.#closedAtMs >= 10_000) [this.#failedChecks, this.#outageAtMs] = [0, nowMs];
      this.#open(0, nowMs);
    } else if (refusals.length >= 5) {
      this.pauses++;
      const longestMs = Math.max(...refusals.map((one) => one.hintMs)) || 1_000;
      this.untilMs = nowMs + Math.min(longestMs, 60_000) * 0.5 * (0.8 + 0.4 * this.#random());
      this.move("paused", nowMs);
    }
  }

  endCheck(evidence: HealthEvidence, hintMs: number, nowMs: number): void {
    if (this.state !== "half_open") return;
    if (evidence === "answered") return this.move("closed", nowMs);
    this.#failedChecks++;
    this.#open(Math.min(hintMs, 60_000), nowMs);
  }

  close(nowMs: number): void {
    this.#failedChecks = 0;
    if (this.state !== "closed") this.move("closed", nowMs);
  }

  #open(hintMs: number, nowMs: number): void {
    const capMs = nowMs - this.#outageAtMs < 30_000 ? 2_000 : 30_000;
    const waitMs = Math.min(capMs, 500 * 1.5 ** this.#failedChecks) * (0.5 + 0.5 * this.#random());
    this.untilMs = nowMs + Math.max(waitMs, hintMs);
    this.move("open", nowMs);
  }

  move(to: BreakerState, nowMs: number): void {
    if (to === "closed" && this.state !== "paused") this.#closedAtMs = nowMs;
    [this.state, this.results] = [to, []];
    this.generation++;
  }
}
