import type { ResolvedPoolOptions } from "./pool_options.ts";

type LeakOptions = Pick<ResolvedPoolOptions<never>, "clock" | "leakThresholdMs" | "onEvent">;

/** Reports leases that are out for too long; it takes none back, as its holder may still use it. */
export class LeakWatch {
  /** How many were reported. */
  reported = 0;
  /** Whether leases are watched at all. */
  readonly isOn: boolean;
  readonly #options: LeakOptions;
  readonly #undos = new Map<object, () => void>();

  constructor(options: LeakOptions) {
    this.#options = options;
    this.isOn = options.leakThresholdMs !== Infinity;
  }

  /** Returns where the caller of its caller stands, if leases are watched. */
  readStack(): string | undefined {
    return this.isOn ? new Error("A lease was acquired").stack ?? "" : undefined;
  }

  /** Watches a lease from now on. */
  watch(lease: { readonly generation: number }, stack: string): void {
    const { clock, leakThresholdMs, onEvent } = this.#options;
    const startedMs = clock.now();
    const report = (): void => {
      this.#undos.delete(lease);
      this.reported++;
      const { generation } = lease;
      onEvent?.({ type: "pool.leak", generation, heldMs: clock.now() - startedMs, stack });
    };
    this.#undos.set(lease, clock.setTimer(leakThresholdMs, report, { keepAlive: false }));
  }

  /** Stops watching a lease. */
  forget(lease: object): void {
    this.#undos.get(lease)?.();
    this.#undos.delete(lease);
  }

  /** Stops watching all. */
  forgetAll(): void {
    for (const lease of this.#undos.keys()) this.forget(lease);
  }
}
