/**
 * Calls a user's listener so that its throw can neither break the caller nor vanish: it is
 * rethrown in a microtask of its own, where the runtime reports it.
 */
export function notify<A extends unknown[]>(
  listener: ((...args: A) => void) | undefined,
  ...args: A
): void {
  try {
    listener?.(...args);
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}

/** Wraps a user's listener in {@linkcode notify}; without one there is nothing to call. */
export function notifier<A extends unknown[]>(
  listener: ((...args: A) => void) | undefined,
): ((...args: A) => void) | undefined {
  return listener && ((...args) => notify(listener, ...args));
}
