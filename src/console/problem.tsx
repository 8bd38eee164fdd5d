import type { Effect } from "../errors/delivery.ts";
import type { ClientError } from "../errors/errors.ts";
import { formatMs } from "./format.ts";
import { explainDelivery } from "./run.ts";

interface ProblemProps {
  error: ClientError;
  effect: Effect;
  /** Faults that no field of the form shows. */
  faults?: readonly string[];
}

/** Why there is no result, and what is proved. */
export function ProblemView({ error, effect, faults = [] }: ProblemProps) {
  const doubt = error.delivery === "unknown" && effect === "unsafe";
  const kind = doubt ? "doubt" : error.code === "cancelled" ? "" : "failure";
  return (
    <section class={`panel ${kind}`} aria-label="Problem">
      <h3>
        <code>{error.code}</code>
      </h3>
      <p>{error.message}</p>
      {faults.length > 0 && (
        <ul class="faults">{faults.map((fault) => <li key={fault}>{fault}</li>)}</ul>
      )}
      <p class="delivery">{explainDelivery(error, effect)}</p>
      {error.retryAfterMs !== undefined && (
        <p class="muted">The server asks to wait {formatMs(error.retryAfterMs)}.</p>
      )}
    </section>
  );
}
