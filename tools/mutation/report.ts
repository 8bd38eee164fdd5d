/** What a mutation run says of each file, beside the survivors that are explained. */

/** The parts that are read here of a report in the mutation testing report schema, version 2. */
export interface MutationReport {
  readonly files: Readonly<Record<string, { readonly source: string; readonly mutants: Mutant[] }>>;
}

interface Position {
  readonly line: number;
  readonly column: number;
}

interface Mutant {
  readonly status: string;
  readonly statusReason?: string;
  readonly mutatorName: string;
  readonly replacement: string;
  readonly location: { readonly start: Position; readonly end: Position };
}

/** A mutant that no test can kill, because it changes nothing that can be seen. */
export interface Explanation {
  /** The source line that the mutant begins in, so that two mutants alike are told apart. */
  readonly line: string;
  /** What the mutant replaces. White space counts as one blank, here and below. */
  readonly original: string;
  /** What it replaces it by. */
  readonly replacement: string;
  /** Why nobody can see the difference. */
  readonly reason: string;
}

/** Explanations by file. */
export type Explanations = Readonly<Record<string, readonly Explanation[]>>;

/** The mutants of one file. */
export interface FileScore {
  readonly file: string;
  readonly killed: number;
  readonly timeout: number;
  readonly survived: number;
  readonly noCoverage: number;
  /** How many survived that are explained; they count neither way. */
  readonly explained: number;
  /** Killed and timed out, in percent of all that are not explained. */
  readonly scorePercent: number;
  /** One line for each unexplained survivor, failed run or explanation without a survivor. */
  readonly findings: readonly string[];
  /** Whether a mutant could not be judged, or an explanation is no longer true. */
  readonly isBroken: boolean;
}

/** Scores every file of a report, by name. */
export function scoreFiles(report: MutationReport, explanations: Explanations): FileScore[] {
  return Object.keys(report.files).sort().map((file) => {
    const { source, mutants } = report.files[file]!;
    return scoreFile(file, source, mutants, explanations[file] ?? []);
  });
}

function scoreFile(
  file: string,
  source: string,
  mutants: readonly Mutant[],
  explanations: readonly Explanation[],
): FileScore {
  const count: Record<string, number> = { Killed: 0, Timeout: 0, Survived: 0, NoCoverage: 0 };
  const findings: string[] = [];
  const unused = new Set(explanations);
  let explained = 0;
  let isBroken = false;
  for (const mutant of mutants) {
    const { status, statusReason, mutatorName, replacement, location: { start } } = mutant;
    const isSurvivor = status === "Survived" || status === "NoCoverage";
    const { line, original } = locate(source, mutant);
    const why = isSurvivor &&
      explanations.find((one) =>
        toOneLine(one.line) === line && toOneLine(one.original) === original &&
        toOneLine(one.replacement) === toOneLine(replacement)
      );
    if (why) {
      explained++;
      unused.delete(why);
      continue;
    }
    if (!Object.hasOwn(count, status)) isBroken = true;
    count[status] = (count[status] ?? 0) + 1;
    if (status === "Killed" || status === "Timeout") continue;
    const what = isSurvivor ? "" : `: ${statusReason ?? ""}`;
    const where = `${file}:${start.line}:${start.column}`;
    findings.push(
      `${where} ${status}, ${mutatorName}: ${original} → ${toOneLine(replacement)}${what}`,
    );
  }
  for (const { line, original, replacement } of unused) {
    isBroken = true;
    findings.push(
      `${file} explains what did not survive: ${original} → ${replacement} in ${line}`,
    );
  }
  const { Killed = 0, Timeout = 0, Survived = 0, NoCoverage = 0 } = count;
  const all = Killed + Timeout + Survived + NoCoverage;
  return {
    file,
    killed: Killed,
    timeout: Timeout,
    survived: Survived,
    noCoverage: NoCoverage,
    explained,
    scorePercent: all === 0 ? 100 : 100 * (Killed + Timeout) / all,
    findings,
    isBroken,
  };
}

/** The line that a mutant begins in and the text that it replaces; columns count from 1. */
function locate(source: string, { location }: Mutant): { line: string; original: string } {
  const { start, end } = location;
  const lines = source.split("\n").slice(start.line - 1, end.line);
  const line = lines[0] ?? "";
  const last = lines.length - 1;
  const parts = lines.map((text, index) =>
    text.slice(
      index === 0 ? start.column - 1 : 0,
      index === last ? end.column - 1 : undefined,
    )
  );
  return { line: toOneLine(line), original: toOneLine(parts.join("\n")) };
}

function toOneLine(text: string): string {
  return text.replace(/\s+/g, " ").trim();
}

/** Returns the scores as a table in Markdown. */
export function toTable(scores: readonly FileScore[]): string {
  const head = ["file", "killed", "timeout", "survived", "no coverage", "explained", "score"];
  const rows = scores.map((score) => [
    score.file,
    `${score.killed}`,
    `${score.timeout}`,
    `${score.survived}`,
    `${score.noCoverage}`,
    `${score.explained}`,
    `${score.scorePercent.toFixed(1)} %`,
  ]);
  const widths = head.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => row[column]!.length))
  );
  const toRow = (cells: readonly string[]): string => {
    const padded = cells.map((cell, column) =>
      column === 0 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!)
    );
    return `| ${padded.join(" | ")} |`;
  };
  const rule = widths.map((width, column) =>
    column === 0 ? "-".repeat(width) : `${"-".repeat(width - 1)}:`
  );
  return [toRow(head), toRow(rule), ...rows.map(toRow)].join("\n");
}
