import type { Priority } from "./pool_options.ts";

/** Somebody who waits in front of a gate. */
export interface Queued {
  readonly priority: Priority;
  /** The instant by which it must have ended. */
  readonly deadlineAtMs: number;
  /** Its place among those who came. */
  readonly order: number;
}

/** Who waits: by priority, then the nearest deadline, then arrival. */
export class GateQueue<T extends Queued> {
  readonly #lists: Record<Priority, T[]> = { interactive: [], background: [] };

  /** How many wait. */
  get size(): number {
    return this.#lists.interactive.length + this.#lists.background.length;
  }

  /** Who is next. */
  get first(): T | undefined {
    return this.#lists.interactive[0] ?? this.#lists.background[0];
  }

  /** Who has to go if there is one too many: of the lowest priority, the one with the least time. */
  get dispensable(): T | undefined {
    return this.#lists.background[0] ?? this.#lists.interactive[0];
  }

  /** Adds one. */
  add(queued: T): void {
    const list = this.#lists[queued.priority];
    list.splice(findPlace(list, queued), 0, queued);
  }

  /** Removes one and tells whether it was there. */
  remove(queued: T): boolean {
    const list = this.#lists[queued.priority];
    const place = findPlace(list, queued);
    if (list[place] !== queued) return false;
    list.splice(place, 1);
    return true;
  }

  /** Everybody who waits now, in their order. */
  all(): T[] {
    return [...this.#lists.interactive, ...this.#lists.background];
  }
}

/** The first place whose holder is not before the one that is looked for. */
function findPlace(list: readonly Queued[], { deadlineAtMs, order }: Queued): number {
  let from = 0;
  let to = list.length;
  while (from < to) {
    const middle = (from + to) >>> 1;
    const other = list[middle]!;
    const isBefore = other.deadlineAtMs < deadlineAtMs ||
      (other.deadlineAtMs === deadlineAtMs && other.order < order);
    if (isBefore) from = middle + 1;
    else to = middle;
  }
  return from;
}
