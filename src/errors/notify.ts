/**
 * Wraps a user's listener so that its throw can neither break the caller nor vanish: it is rethrown
 * in a microtask of its own, where the runtime reports it. Without a listener there is nothing to
 * call.
 */
export function notifier<A extends unknown[]>(
  listener: ((...args: A) => void) | undefined,
): ((...args: A) => void) | undefined {
  return listener && ((...args) => {
    try {
      listener(...args);
    } catch (error) {
      queueMicrotask(() => {
        throw error;
      });
    }
  });
}

/** Calls a user's listener once, as {@linkcode notifier} does. */
export function notify<A extends unknown[]>(
  listener: ((...args: A) => void) | undefined,
  ...args: A
): void {
  notifier(listener)?.(...args);
}
