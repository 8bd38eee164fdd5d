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

/** Returns what an error says of the server, as its maker knew it or else as its code tells. */
export function healthOf(error: ClientError): HealthEvidence {
  return error[HEALTH] ?? judge(error);
}

function judge({ code, delivery, temporary }: ClientError): HealthEvidence {
  switch (code) {
    case "connection_refused":
      return temporary ? "hard" : "none";
    case "connection_lost":
      return "hard";
    case "rate_limited":
    case "shutting_down":
      return "pushback";
    case "unavailable":
      return delivery === "not_executed" ? "pushback" : "hard";
    case "cancelled":
    case "circuit_open":
    case "deadline_exceeded":
    case "internal":
    case "pool_closed":
    case "pool_full":
    case "pool_timeout":
    case "session_lost":
    case "shed":
      return "none";
    default:
      // What was refused before a send was refused here.
      return delivery === "not_sent" ? "none" : "answered";
  }
}
