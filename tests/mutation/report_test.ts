import { assertEquals } from "@std/assert";
import {
  type Explanation,
  type MutationReport,
  scoreFiles,
  toTable,
} from "../../tools/mutation/report.ts";

const SOURCE = `export function f(a: number): boolean {
  if (a > 1) return true;
  return a > 2 &&
    a !== 4;
}`;

/** A report of one file; each mutant: status, text to replace (in the source), replacement. */
function reportOf(...mutants: [status: string, original: string, replacement: string][]) {
  const position = (offset: number) => {
    const before = SOURCE.slice(0, offset).split("\n");
    return { line: before.length, column: before.at(-1)!.length + 1 };
  };
  const report: MutationReport = {
    files: {
      "f.ts": {
        source: SOURCE,
        mutants: mutants.map(([status, original, replacement]) => {
          const at = SOURCE.indexOf(original);
          const location = { start: position(at), end: position(at + original.length) };
          return { status, statusReason: "why", mutatorName: "Mutator", replacement, location };
        }),
      },
    },
  };
  return report;
}

const SURVIVOR = ["Survived", "a > 2 &&\n    a !== 4", "a > 2"] as const;
const EXPLANATION: Explanation = {
  line: "return a > 2 &&",
  original: "a > 2 && a !== 4",
  replacement: "a > 2",
  reason: "4 is never given",
};

Deno.test("scoreFiles() counts killed and timed out against all; a survivor is named by its place", () => {
  const report = reportOf(
    ["Killed", "a > 1", "false"],
    ["Timeout", "a > 1", "a >= 1"],
    ["NoCoverage", "return true", "{}"],
    [...SURVIVOR],
  );
  assertEquals(scoreFiles(report, {}), [{
    file: "f.ts",
    killed: 1,
    timeout: 1,
    survived: 1,
    noCoverage: 1,
    explained: 0,
    scorePercent: 50,
    findings: [
      "f.ts:2:14 NoCoverage, Mutator: return true → {}",
      "f.ts:3:10 Survived, Mutator: a > 2 && a !== 4 → a > 2",
    ],
    isBroken: false,
  }]);
});

Deno.test("scoreFiles() leaves out a survivor that is explained, but not another one", () => {
  const explanations = { "f.ts": [EXPLANATION] };
  const [score] = scoreFiles(reportOf(["Killed", "a > 1", "false"], [...SURVIVOR]), explanations);
  assertEquals([score!.explained, score!.survived, score!.scorePercent], [1, 0, 100]);
  assertEquals([score!.findings, score!.isBroken], [[], false]);
  const other = scoreFiles(
    reportOf([...SURVIVOR], ["Survived", "a > 2 &&\n    a !== 4", "true"]),
    explanations,
  )[0]!;
  assertEquals([other.explained, other.survived, other.scorePercent], [1, 1, 0]);
});

Deno.test("scoreFiles() is broken by an explanation of what is killed, and by a mutant not judged", () => {
  const killed = ["Killed", SURVIVOR[1], SURVIVOR[2]] as [string, string, string];
  const [stale] = scoreFiles(reportOf(killed), { "f.ts": [EXPLANATION] });
  assertEquals([stale!.killed, stale!.explained, stale!.isBroken], [1, 0, true]);
  assertEquals(stale!.findings, [
    "f.ts explains what did not survive: a > 2 && a !== 4 → a > 2 in return a > 2 &&",
  ]);
  const [crashed] = scoreFiles(reportOf(["RuntimeError", "a > 1", "true"]), {});
  assertEquals([crashed!.isBroken, crashed!.scorePercent], [true, 100]);
  assertEquals(crashed!.findings, ["f.ts:2:7 RuntimeError, Mutator: a > 1 → true: why"]);
});

Deno.test("toTable() lines its columns up", () => {
  assertEquals(
    toTable(scoreFiles(reportOf(["Killed", "a > 1", "false"]), {})),
    [
      "| file | killed | timeout | survived | no coverage | explained |   score |",
      "| ---- | -----: | ------: | -------: | ----------: | --------: | ------: |",
      "| f.ts |      1 |       0 |        0 |           0 |         0 | 100.0 % |",
    ].join("\n"),
  );
});
