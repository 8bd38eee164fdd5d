/** A place in a {@linkcode WaitList}, or the ring's fixed point, which has no value. */
interface Place<T> {
  readonly value: T | undefined;
  previous: Place<T>;
  next: Place<T>;
}

/** First come, first served, and whoever leaves early leaves in constant time. */
export class WaitList<T> {
  /** Stands between the last and the first, so that no place is ever a special case. */
  readonly #ring: Place<T>;
  #size = 0;

  /** Creates an empty list. */
  constructor() {
    const ring = { value: undefined } as Place<T>;
    this.#ring = ring.previous = ring.next = ring;
  }

  /** How many wait. */
  get size(): number {
    return this.#size;
  }

  /** Who has waited longest. */
  get first(): T | undefined {
    return this.#ring.next.value;
  }

  /** Adds a value at the end and returns its removal, which is harmless when repeated. */
  add(value: T): () => void {
    const next = this.#ring;
    const place: Place<T> = { value, previous: next.previous, next };
    place.previous.next = next.previous = place;
    this.#size++;
    let left = false;
    return () => {
      if (left) return;
      left = true;
      place.previous.next = place.next;
      place.next.previous = place.previous;
      this.#size--;
    };
  }
}
