import type { Effect } from "../errors/delivery.ts";
import type { OperationDescriptor, OperationHints, OperationKind } from "./ports.ts";

/** Named one by one, so that a kind that nobody told counts for nothing. */
const HARMLESS_KINDS: ReadonlySet<OperationKind> = new Set(["resource", "prompt", "completion"]);

/**
 * Resolves what repeating an operation does: who asks or configures knows best, then an endpoint that
 * has resolved it already, then the protocol, by which all that is not a tool changes nothing, then the
 * hints of a trusted server. Nobody's word means `unsafe`.
 *
 * @param configured The call's own option, or the configuration of the operation.
 * @param descriptor The operation as its server describes it.
 * @param fresh Whether that may still be trusted; what an operation is does not get out of date.
 * @param trustAnnotations Whether the server's hints are believed.
 */
export function resolveEffect(
  configured: Effect | undefined,
  { kind, effect, hints }: OperationDescriptor,
  fresh: boolean,
  trustAnnotations: boolean,
): Effect {
  if (configured !== undefined) return configured;
  if (effect === undefined && HARMLESS_KINDS.has(kind)) return "safe";
  if (!fresh) return "unsafe";
  return effect ?? (trustAnnotations ? readHints(hints) : "unsafe");
}

/** Hints that contradict each other prove that one of them is wrong. */
function readHints(hints: OperationHints): Effect {
  if (hints.readOnly === true) return hints.destructive === true ? "unsafe" : "safe";
  return hints.idempotent === true ? "idempotent" : "unsafe";
}
