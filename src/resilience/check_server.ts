import { createClientError } from "../errors/errors.ts";
import type { Clock } from "./clock.ts";

/** How long a check of a server may take, in milliseconds. */
const CHECK_TIMEOUT_MS = 5_000;

/**
 * Asks a server for a sign of life, for a limited time, even if whoever asks does not listen to its
 * signal: a check that never ends must not keep a gate shut for ever.
 *
 * @param check Asks the server.
 * @param closing Ends it early.
 * @throws What the check throws; `connection_lost` if it takes too long.
 */
export async function checkServer(
  check: (signal: AbortSignal) => Promise<unknown>,
  closing: AbortSignal,
  clock: Clock,
): Promise<void> {
  closing.throwIfAborted();
  const controller = new AbortController();
  const { signal } = controller;
  const stop = (): void => controller.abort(closing.reason);
  const undoTimer = clock.setTimer(CHECK_TIMEOUT_MS, () => {
    const message = `No sign of life within ${CHECK_TIMEOUT_MS} ms`;
    controller.abort(createClientError("connection_lost", message));
  });
  closing.addEventListener("abort", stop, { once: true });
  try {
    await new Promise((resolve, reject) => {
      signal.addEventListener("abort", () => reject(signal.reason), { once: true });
      check(signal).then(resolve, reject);
    });
  } finally {
    undoTimer();
    closing.removeEventListener("abort", stop);
  }
}
