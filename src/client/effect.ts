import type { Effect } from "../errors/delivery.ts";
import type { OperationDescriptor, OperationHints } from "./ports.ts";

/**
 * Resolves what repeating an operation does: who asks or configures knows best, then an endpoint that
 * has resolved it already, then the hints of a trusted server. Nobody's word means `unsafe`.
 *
 * @param configured The call's own option, or the configuration of the operation.
 * @param descriptor The operation as its server describes it; absent if that is out of date.
 * @param trustAnnotations Whether the server's hints are believed.
 */
export function resolveEffect(
  configured: Effect | undefined,
  descriptor: OperationDescriptor | undefined,
  trustAnnotations: boolean,
): Effect {
  const hinted = trustAnnotations && descriptor && readHints(descriptor.hints);
  return configured ?? descriptor?.effect ?? (hinted || "unsafe");
}

/** Hints that contradict each other prove that one of them is wrong. */
function readHints(hints: OperationHints): Effect {
  if (hints.readOnly === true) return hints.destructive === true ? "unsafe" : "safe";
  return hints.idempotent === true ? "idempotent" : "unsafe";
}
