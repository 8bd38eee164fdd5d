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
  const ended = Promise.withResolvers<never>();
  const end = (reason: unknown): void => {
    controller.abort(reason);
    ended.reject(reason);
  };
  const stop = (): void => end(closing.reason);
  const undoTimer = clock.setTimer(CHECK_TIMEOUT_MS, () => {
    end(createClientError("connection_lost", `No sign of life within ${CHECK_TIMEOUT_MS} ms`));
  });
  closing.addEventListener("abort", stop, { once: true });
  try {
    await Promise.race([check(controller.signal), ended.promise]);
  } finally {
    undoTimer();
    closing.removeEventListener("abort", stop);
  }
}
