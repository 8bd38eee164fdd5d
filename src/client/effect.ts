import type { Effect } from "../errors/delivery.ts";
import type { OperationDescriptor, OperationHints } from "./ports.ts";

/** Who may say what repeating an operation does; the first that speaks wins. */
export interface EffectSources {
  /** The call's own option. */
  readonly call?: Effect | undefined;
  /** The configuration of the operation. */
  readonly configured?: Effect | undefined;
  /** The operation as its server describes it; absent if that is out of date. */
  readonly descriptor?: OperationDescriptor | undefined;
  /** Whether the server's hints are believed. */
  readonly trustAnnotations: boolean;
}

/** Resolves what repeating an operation does. Nobody's word means `unsafe`. */
export function resolveEffect(sources: EffectSources): Effect {
  const { call, configured, descriptor, trustAnnotations } = sources;
  const hinted = trustAnnotations && descriptor !== undefined
    ? readHints(descriptor.hints)
    : undefined;
  return call ?? configured ?? descriptor?.effect ?? hinted ?? "unsafe";
}

/** Hints that contradict each other prove that one of them is wrong. */
function readHints(hints: OperationHints): Effect {
  if (hints.readOnly === true) return hints.destructive === true ? "unsafe" : "safe";
  return hints.idempotent === true ? "idempotent" : "unsafe";
}
