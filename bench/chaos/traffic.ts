/** What went over the networks of a run. */
export class Traffic {
  /** When tool calls arrived, refused ones included, and other requests refused a connection. */
  readonly sendsMs: number[] = [];
  /** Sessions that were opened. */
  initializes = 0;
  /** Sessions that a server forgot. */
  lostSessions = 0;
  /** Credentials that were renewed. */
  renewals = 0;
  #openExchanges = 0;
  #maxExchanges = 0;

  /** Exchanges that have not ended on the client's side. */
  get openExchanges(): number {
    return this.#openExchanges;
  }

  /** The most exchanges that were open at once since the load began. */
  get maxExchanges(): number {
    return this.#maxExchanges;
  }

  /** Notes that the load begins. Returns how many sessions were opened before. */
  begin(): number {
    this.#maxExchanges = this.#openExchanges;
    return this.initializes;
  }

  /** Notes that an exchange begins. */
  open(): void {
    this.#openExchanges++;
    this.#maxExchanges = Math.max(this.#maxExchanges, this.#openExchanges);
  }

  /** Notes that an exchange ended. */
  end(): void {
    this.#openExchanges--;
  }
}
