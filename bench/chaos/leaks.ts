type Listener = EventListenerOrEventListenerObject | null;

/** Counts what a program leaves behind in the runtime. */
export interface LeakCounter {
  /** Listeners for the abort of signals that were not aborted. */
  countListeners(): number;
  /** Promises that were rejected with nobody to hear of it. */
  readonly rejections: number;
  /** Puts the runtime back as it was. */
  restore(): void;
}

/** Begins to count, by replacing what signals have their listeners added and removed with. */
export function countLeaks(): LeakCounter {
  const listeners = new Map<AbortSignal, Set<Listener>>();
  const { prototype } = AbortSignal;
  const { addEventListener, removeEventListener } = prototype;
  const replace = (name: "addEventListener" | "removeEventListener", value: unknown): void => {
    Object.defineProperty(prototype, name, { value, configurable: true, writable: true });
  };
  type Add = Parameters<typeof addEventListener>;
  replace("addEventListener", function (this: AbortSignal, ...args: Add): void {
    const [type, listener] = args;
    if (type === "abort" && listener !== null && !this.aborted) {
      const all = listeners.get(this) ?? new Set();
      listeners.set(this, all.add(listener));
    }
    addEventListener.apply(this, args);
  });
  replace("removeEventListener", function (this: AbortSignal, ...args: Add): void {
    const [type, listener] = args;
    const all = type === "abort" ? listeners.get(this) : undefined;
    all?.delete(listener);
    if (all?.size === 0) listeners.delete(this);
    removeEventListener.apply(this, args);
  });
  let rejections = 0;
  const onRejection = (event: Event): void => {
    event.preventDefault();
    rejections++;
  };
  globalThis.addEventListener("unhandledrejection", onRejection);
  return {
    countListeners() {
      let count = 0;
      // A signal is aborted once: what listened to it then has been called and will not be again.
      for (const [signal, all] of listeners) if (!signal.aborted) count += all.size;
      return count;
    },
    get rejections() {
      return rejections;
    },
    restore() {
      // Both were inherited: without own properties, they are again.
      Reflect.deleteProperty(prototype, "addEventListener");
      Reflect.deleteProperty(prototype, "removeEventListener");
      globalThis.removeEventListener("unhandledrejection", onRejection);
    },
  };
}
