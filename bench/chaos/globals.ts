import type { VirtualClock } from "./clock.ts";

/**
 * Puts a virtual clock and seeded chance in the place of the runtime's, for programs that take
 * neither as a value.
 *
 * @returns The undoing of that.
 */
export function replaceGlobals(clock: VirtualClock, random: () => number): () => void {
  const undos = new Map<number, () => void>();
  let count = 0;
  const replacements: readonly (readonly [object, string, unknown])[] = [
    [globalThis, "setTimeout", (
      callback: (...args: unknown[]) => void,
      ms = 0,
      ...args: unknown[]
    ) => {
      const id = ++count;
      undos.set(
        id,
        clock.setTimer(Number(ms) || 0, () => {
          undos.delete(id);
          callback(...args);
        }),
      );
      return id;
    }],
    [globalThis, "clearTimeout", (id: number) => {
      undos.get(id)?.();
      undos.delete(id);
    }],
    [Date, "now", () => clock.wall()],
    [performance, "now", () => clock.now()],
    [Math, "random", random],
  ];
  const restores = replacements.map(([owner, name, value]) => {
    const own = Object.getOwnPropertyDescriptor(owner, name);
    Object.defineProperty(owner, name, { value, configurable: true, writable: true });
    return () => {
      if (own === undefined) Reflect.deleteProperty(owner, name);
      else Object.defineProperty(owner, name, own);
    };
  });
  return () => restores.forEach((restore) => restore());
}
