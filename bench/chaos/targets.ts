import type { Summary } from "./metrics.ts";

/** A figure of AutoMCP's that a release has to reach. */
export interface Target {
  /** The id of a scenario, or `every`: then the worst of them counts. */
  readonly scenario: string;
  readonly key: keyof Summary;
  readonly unit: "%" | "s" | "";
  /** Whether more is better. */
  readonly isFloor: boolean;
  /** The bound, or what it is made of: a factor and an addend to a figure of a client's. */
  readonly bound: number | {
    readonly client: string;
    readonly key: keyof Summary;
    readonly factor?: number;
    readonly plus?: number;
  };
  /** The scenarios that `every` leaves out. */
  readonly except?: readonly string[];
  /** What the prototype reached, which will do where the target is beyond it. */
  readonly prototype?: number;
}

const least = (
  scenario: string,
  key: keyof Summary,
  unit: Target["unit"],
  bound: Target["bound"],
  prototype?: number,
): Target => ({
  ...{ scenario, key, unit, isFloor: true, bound },
  ...(prototype !== undefined && { prototype }),
});
const most = (
  scenario: string,
  key: keyof Summary,
  unit: Target["unit"],
  bound: Target["bound"],
): Target => ({ scenario, key, unit, isFloor: false, bound });

/** The release targets, for medians over the seeds. */
export const TARGETS: readonly Target[] = [
  most("every", "duplicates", "", 0),
  most("every", "misreported", "", 0),
  most("every", "leftBehind", "", 0),
  least("every", "settledByDeadline", "%", 1),
  // The targets are for one client. In X3 each of 200 has a budget and a breaker of its own.
  { ...most("every", "amplification", "", 1.2), except: ["X3"] },
  most("S1", "p99Ms", "s", { client: "sdk", key: "p99Ms", plus: 10 }),
  most("S2", "p99Ms", "s", 350),
  least("S3", "goodput", "%", 0.94),
  most("S3", "amplification", "", 1.1),
  most("S4", "gap", "%", 0.005),
  most("S4", "p99Ms", "s", 400),
  most("S5", "gap", "%", 0.005),
  most("S5", "p99Ms", "s", 400),
  least("S6", "goodput", "%", 0.995),
  most("S6", "recoveryMs", "s", 500),
  most("S6", "sessionsPerLoss", "", 1),
  least("S7", "goodput", "%", 0.985, 0.986),
  least("S7b", "goodput", "%", 0.9, 0.898),
  least("S7c", "goodput", "%", 0.885, 0.896),
  least("S8", "goodput", "%", 0.994),
  most("S8", "p99Ms", "s", 400),
  least("S9", "goodput", "%", 0.925, 0.925),
  most("S9", "recoveryMs", "s", 1_500),
  least("S10", "goodput", "%", 0.93),
  most("S10", "amplification", "", 1),
  least("X1", "goodput", "%", 0.93),
  least("X2", "goodput", "%", 0.94),
  least("X4", "othersGoodput", "%", { client: "automcp", key: "controlGoodput" }),
  most("X4", "othersP99Ms", "s", { client: "automcp", key: "controlP99Ms", factor: 1.05 }),
  most("X6", "renewals", "", 1),
];
