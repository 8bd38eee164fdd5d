/**
 * What repeating an operation does.
 *
 * - `"safe"`: repeating changes nothing on the server.
 * - `"idempotent"`: repeating leaves the server as one run would.
 * - `"unsafe"`: repeating may do the thing twice; also the value when nobody said otherwise.
 */
export type Effect = "safe" | "idempotent" | "unsafe";

/** Every effect, the most harmless first. */
export const EFFECTS: readonly Effect[] = ["safe", "idempotent", "unsafe"];

/**
 * What is proved about one attempt.
 *
 * - `"not_sent"`: no byte of the request left this process.
 * - `"not_executed"`: the server, or something before it, refused before running the operation.
 * - `"unknown"`: neither can be proved.
 * - `"executed"`: a result for this request arrived.
 */
export type Delivery = "not_sent" | "not_executed" | "unknown" | "executed";

/** The deliveries from the weakest to the strongest claim that something ran. */
export const DELIVERIES: readonly Delivery[] = ["not_sent", "not_executed", "unknown", "executed"];

/**
 * Tells whether an attempt may be repeated without doing anything twice.
 *
 * This is the one place that decides it, from what repeating does and what is proved. Whether a
 * repeat is worth it is another question: see {@linkcode ClientError.retryable}.
 *
 * @param effect What repeating the operation does.
 * @param delivery What is proved about the attempt.
 * @returns `true` if the attempt did not run, or if running it again does no harm.
 *
 * @example An unsafe operation is repeated only when it is proved that it did not run
 * ```ts
 * import { isSafeToRepeat } from "@automcp/client";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(isSafeToRepeat("unsafe", "not_executed"), true);
 * assertEquals(isSafeToRepeat("unsafe", "unknown"), false);
 * assertEquals(isSafeToRepeat("safe", "unknown"), true);
 * ```
 */
export function isSafeToRepeat(effect: Effect, delivery: Delivery): boolean {
  if (delivery === "not_sent" || delivery === "not_executed") return true;
  return delivery === "unknown" && effect !== "unsafe";
}

/**
 * Returns the delivery that claims more: the delivery of an execution is the strongest one of its
 * attempts.
 *
 * @param a One delivery.
 * @param b Another delivery.
 * @returns The later of the two in the order `not_sent`, `not_executed`, `unknown`, `executed`.
 *
 * @example Two attempts of one execution
 * ```ts
 * import { strongerDelivery } from "@automcp/client";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(strongerDelivery("unknown", "not_sent"), "unknown");
 * ```
 */
export function strongerDelivery(a: Delivery, b: Delivery): Delivery {
  return DELIVERIES[Math.max(DELIVERIES.indexOf(a), DELIVERIES.indexOf(b))]!;
}
