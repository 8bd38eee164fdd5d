import { CircuitBreaker } from "../../src/resilience/breaker.ts";
import type { BreakerOptions, BreakerTransition } from "../../src/resilience/breaker_options.ts";
import type { HealthEvidence } from "../../src/errors/health.ts";
import { FakeClock } from "../support/fake_clock.ts";

/** A breaker on a fake clock, and what it tells. */
export function createBreaker(options: BreakerOptions = {}, random = () => 0.5) {
  const clock = new FakeClock();
  const transitions: BreakerTransition[] = [];
  const breaker = new CircuitBreaker(options, {
    ...{ clock, random },
    onTransition: (transition) => void transitions.push(transition),
  });

  /** Tells it so often what attempts that it admits now say. */
  const record = (evidence: HealthEvidence, times = 1, retryAfterMs?: number): void => {
    for (let i = 0; i < times; i++) breaker.record(evidence, breaker.generation, retryAfterMs);
  };

  return { clock, breaker, transitions, record };
}
