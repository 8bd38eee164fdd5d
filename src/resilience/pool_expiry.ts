import type { Slot } from "./managed_resource.ts";
import type { ResolvedPoolOptions } from "./pool_options.ts";

/** How much of the longest life is drawn by lot, so that what came together does not go together. */
const AGE_SPREAD = 0.25;

/** Knows when stateful resources must go, and wakes the pool with one timer while one is idle. */
export class Expiry<T> {
  /** Whether anything ever expires. */
  readonly isOn: boolean;
  readonly #options: ResolvedPoolOptions<T>;
  readonly #wake: () => void;
  #armedAtMs = Infinity;
  #undoTimer = (): void => {};

  constructor(options: ResolvedPoolOptions<T>, wake: () => void) {
    this.#options = options;
    this.#wake = wake;
    this.isOn = options.idleTimeoutMs !== Infinity || options.maxLifetimeMs !== Infinity;
  }

  /** Draws the instant at which a resource that was created now is too old. */
  drawAgedAtMs(nowMs: number): number {
    const { maxLifetimeMs, random } = this.#options;
    return maxLifetimeMs === Infinity
      ? Infinity
      : nowMs + maxLifetimeMs * (1 - AGE_SPREAD * random());
  }

  /** Why a resource must go now; nothing if it may stay. */
  reasonToEnd(slot: Slot<T>, nowMs: number): "idle" | "aged" | undefined {
    if (nowMs >= slot.agedAtMs) return "aged";
    const isIdle = slot.leases === 0 && slot.validation === undefined;
    return isIdle && nowMs >= this.#idleEndMs(slot) ? "idle" : undefined;
  }

  /** Sets the timer for the idle resource that must go first; without one there is no timer. */
  arm(slots: Iterable<Slot<T>>): void {
    let atMs = Infinity;
    for (const slot of slots) {
      if (slot.leases > 0 || slot.validation !== undefined) continue;
      atMs = Math.min(atMs, slot.agedAtMs, this.#idleEndMs(slot));
    }
    if (atMs === this.#armedAtMs) return;
    this.#undoTimer();
    this.#armedAtMs = atMs;
    if (atMs === Infinity) return;
    const { clock } = this.#options;
    this.#undoTimer = clock.setTimer(atMs - clock.now(), () => {
      this.#armedAtMs = Infinity;
      this.#wake();
    }, { keepAlive: false });
  }

  #idleEndMs({ isStateful, idleSinceMs }: Slot<T>): number {
    return isStateful ? idleSinceMs + this.#options.idleTimeoutMs : Infinity;
  }
}
