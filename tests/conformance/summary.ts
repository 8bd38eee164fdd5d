/** What the suite says of its scenarios, held against what is expected. */

/** Whether each scenario passed, by name. */
export type Summary = ReadonlyMap<string, boolean>;

/** Reads the summary that the suite prints; a warning counts as a failure. */
export function readSummary(text: string): Summary {
  const lines = text.matchAll(/^([✓✗]) (\S+): \d+ passed, \d+ failed/gm);
  return new Map(Array.from(lines, ([, mark, name = ""]) => [name, mark === "✓"]));
}

/** Returns where a summary differs from the reasons for which scenarios may fail. */
export function findSurprises(
  summary: Summary,
  reasons: Readonly<Record<string, string>>,
): readonly string[] {
  const failed = [...summary].filter(([name, passed]) => !passed && !Object.hasOwn(reasons, name));
  const passed = Object.keys(reasons).filter((name) => summary.get(name) !== false);
  return [
    ...(summary.size === 0 ? ["no scenario ran"] : []),
    ...failed.map(([name]) => `${name} fails and is not in the baseline`),
    ...passed.map((name) => `${name} is in the baseline and does not fail`),
  ];
}
