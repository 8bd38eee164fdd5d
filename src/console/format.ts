/** Shows a length of time, short enough to stand in a line. */
export function formatMs(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1_000).toFixed(ms < 10_000 ? 1 : 0)} s`;
  const seconds = Math.round(ms / 1_000);
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  return `${(seconds / 3_600).toFixed(1)} h`;
}

/** Shows a time that nobody knows exactly. */
export function formatEta(ms: number): string {
  if (ms < 1_000) return "less than 1 s left";
  const seconds = Math.round(ms / 1_000);
  return `about ${seconds < 60 ? `${seconds} s` : formatMs(seconds * 1_000)} left`;
}

/** Shows a number as people group its digits. */
export function formatCount(count: number): string {
  return count.toLocaleString("en", { maximumFractionDigits: 2 });
}
