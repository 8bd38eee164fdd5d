/** Memory of other processes, as Linux tells it. */

/** Why it cannot be read here; `undefined` if it can. */
export const NO_PROC: string | undefined = Deno.build.os === "linux"
  ? undefined
  : "there is no /proc";

/**
 * Returns the most memory that any process started from here, directly or not, has ever held, in
 * bytes (`VmHWM`); 0 without one.
 */
export function readPeakBytes(): number {
  const children = new Map<number, number[]>();
  const peaks = new Map<number, number>();
  for (const { name } of Deno.readDirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const status = readStatus(name);
    const pid = Number(name);
    const parent = Number(/^PPid:\s+(\d+)/m.exec(status)?.[1]);
    children.set(parent, [...children.get(parent) ?? [], pid]);
    peaks.set(pid, 1_024 * Number(/^VmHWM:\s+(\d+) kB/m.exec(status)?.[1] ?? 0));
  }
  const descendants = [...children.get(Deno.pid) ?? []];
  for (const pid of descendants) descendants.push(...children.get(pid) ?? []);
  return Math.max(0, ...descendants.map((pid) => peaks.get(pid) ?? 0));
}

function readStatus(pid: string): string {
  try {
    return Deno.readTextFileSync(`/proc/${pid}/status`);
  } catch {
    // It has ended.
    return "";
  }
}
