import { HEALTH } from "./brand.ts";
import type { ClientError } from "./errors.ts";

/**
 * What an attempt's end says of its server.
 *
 * - `"hard"`: no sign of life, or a server that is broken.
 * - `"overload"`: as `"hard"`, and a sign that it gets too much work: 503 without a valid
 *   `Retry-After`.
 * - `"pushback"`: "not now", as 429 and what else refuses without running anything.
 * - `"answered"`: any other well-formed answer.
 * - `"none"`: says nothing: aborts, local refusals, timers, a lost session, a certificate that is
 *   refused for good.
 */
export type HealthEvidence = "hard" | "overload" | "pushback" | "answered" | "none";

/** Returns what an error says of the server. */
export function healthOf(error: ClientError): HealthEvidence {
  return error[HEALTH];
}

/** Returns what a code says of the server, narrowed by what is known of the error besides. */
export function narrowHealth(
  health: HealthEvidence,
  { code, delivery, temporary }: ClientError,
): HealthEvidence {
  // What was refused before a send was refused here.
  if (health === "answered" && delivery === "not_sent") return "none";
  if (code === "connection_refused" && !temporary) return "none";
  return code === "unavailable" && delivery === "not_executed" ? "pushback" : health;
}
