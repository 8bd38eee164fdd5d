/** What can stand in a {@linkcode WaitList}; outside of one it is linked to itself. */
export class Link {
  /** Who came before. */
  previous: Link = this;
  /** Who comes next. */
  next: Link = this;
}

/** First come, first served, and whoever leaves early leaves in constant time. */
export class WaitList<T extends Link> implements Iterable<T> {
  /** Stands between the last and the first, so that no place is ever a special case. */
  readonly #ring = new Link();
  #size = 0;

  /** How many wait. */
  get size(): number {
    return this.#size;
  }

  /** Who has waited longest. */
  get first(): T | undefined {
    const { next } = this.#ring;
    return next === this.#ring ? undefined : next as T;
  }

  /** Adds one at the end who is in no list. */
  add(value: T): void {
    const next = this.#ring;
    value.previous = next.previous;
    value.next = next;
    value.previous.next = next.previous = value;
    this.#size++;
  }

  /** Removes one who is in this list, or in none. */
  remove(value: T): void {
    if (value.next === value) return;
    value.previous.next = value.next;
    value.next.previous = value.previous;
    value.previous = value.next = value;
    this.#size--;
  }

  /** All, in their order; the one at hand may be removed. */
  *[Symbol.iterator](): Generator<T> {
    for (let at = this.#ring.next, next = at.next; at !== this.#ring; at = next, next = at.next) {
      yield at as T;
    }
  }
}
