/** The longest request that is kept to be sent again, in bytes. */
const MAX_REQUEST_BYTES = 2 ** 20;
/** How much is kept for all requests of a client together, in bytes. */
const MAX_KEPT_BYTES = 16 * 2 ** 20;

/** Bounds what a client keeps of the requests that it may have to send again. */
export class ReplayStore {
  #keptBytes = 0;

  /** Makes room for a request of so many bytes and tells whether there was enough. */
  keep(bytes: number): boolean {
    if (bytes > MAX_REQUEST_BYTES || this.#keptBytes + bytes > MAX_KEPT_BYTES) return false;
    this.#keptBytes += bytes;
    return true;
  }

  /** Gives room back. */
  drop(bytes: number): void {
    this.#keptBytes -= bytes;
  }
}
