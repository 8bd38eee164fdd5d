/** A place in a {@linkcode WaitList}. */
interface Node<T> {
  readonly value: T;
  list: WaitList<T> | undefined;
  previous: Node<T> | undefined;
  next: Node<T> | undefined;
}

/** First come, first served, and whoever leaves early leaves in constant time. */
export class WaitList<T> {
  #first: Node<T> | undefined;
  #last: Node<T> | undefined;
  #size = 0;

  /** How many wait. */
  get size(): number {
    return this.#size;
  }

  /** Who has waited longest. */
  get first(): T | undefined {
    return this.#first?.value;
  }

  /** Adds a value at the end and returns its removal, which is harmless when repeated. */
  add(value: T): () => void {
    const node: Node<T> = { value, list: this, previous: this.#last, next: undefined };
    if (this.#last === undefined) this.#first = node;
    else this.#last.next = node;
    this.#last = node;
    this.#size++;
    return () => this.#remove(node);
  }

  #remove(node: Node<T>): void {
    if (node.list === undefined) return;
    node.list = undefined;
    if (node.previous === undefined) this.#first = node.next;
    else node.previous.next = node.next;
    if (node.next === undefined) this.#last = node.previous;
    else node.next.previous = node.previous;
    this.#size--;
  }
}
