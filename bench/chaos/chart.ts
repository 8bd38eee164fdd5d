import { type ClientReport, type ScenarioReport, toPercent, toSeconds } from "./report.ts";
import { toMedian } from "./metrics.ts";
import type { TaskResult } from "./task.ts";

const WIDTH = 760;
const BARS = { left: 134, right: 500, top: 62, step: 24, height: 12 };
const COLUMN_ENDS = [556, 622, 688, 750];
const COLUMN_TITLES = ["goodput", "p99", "sends/call", "twice"];
const LINES = { left: 48, right: 750, height: 170 };
const SECOND_MS = 1_000;
/** Colours and dashes tell the clients apart, for light pages and for dark ones. */
const LIGHT = ["#0550ae", "#57606a", "#8250df", "#bc4c00", "#1a7f37"];
const DARK = ["#58a6ff", "#9198a1", "#bc8cff", "#f0883e", "#3fb950"];
const DASHES = ["none", "2 3", "8 3", "5 3 1 3", "1 2"];
const STYLE = [
  ":root{color:#1f2328}",
  "text{fill:currentColor;font:12px system-ui,sans-serif}",
  ".name{font-weight:600}.small{font-size:11px;opacity:.75}.end{text-anchor:end}",
  ".axis{stroke:currentColor;stroke-opacity:.25}.range{stroke:currentColor;stroke-width:1.5}",
  ".fault{fill:currentColor;fill-opacity:.1}.line{fill:none;stroke-width:1.3}",
  ".c0.line{stroke-width:2.4}",
  ...DASHES.map((dash, at) => `.c${at}.line{stroke-dasharray:${dash}}`),
  ...toColours(LIGHT),
  `@media (prefers-color-scheme:dark){:root{color:#e6edf3}${toColours(DARK).join("")}}`,
].join("");

/** Returns a picture of a scenario, as an SVG: the same report, the same bytes. */
export function toChart({ scenario, clients }: ScenarioReport): string {
  const { id, fault, windows, durationMs } = scenario;
  const all = [...clients];
  const linesTop = BARS.top + all.length * BARS.step + 52;
  const height = linesTop + LINES.height + 34;
  const toX = (ms: number): number => LINES.left + (LINES.right - LINES.left) * ms / durationMs;
  const toY = (share: number): number => linesTop + LINES.height * (1 - share);
  const said = all.map(([name, { summary }]) =>
    `${name}: ${toPercent(summary.goodput)} %, p99 ${toSeconds(summary.p99Ms)} s`
  );
  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}"` +
    ` height="${height}" role="img" aria-labelledby="title desc">`,
    `<title id="title">${escape(`${id}: ${fault}`)}</title>`,
    `<desc id="desc">${escape(`Goodput of each client. ${said.join("; ")}.`)}</desc>`,
    `<style>${STYLE}</style>`,
    toText(8, 20, `${id}: ${fault}`, "name"),
    toText(8, BARS.top - 12, "goodput, median and range of the seeds", "small"),
    ...COLUMN_TITLES.map((title, at) =>
      toText(COLUMN_ENDS[at]!, BARS.top - 12, title, "small end")
    ),
    ...all.flatMap(([name, report], at) => drawBar(name, report, at)),
    toText(8, linesTop - 14, "goodput of the calls of each second, on the median seed", "small"),
    ...windows.map(({ startMs, endMs }) =>
      `<rect class="fault" x="${round(toX(startMs))}" y="${linesTop}"` +
      ` width="${round(toX(endMs) - toX(startMs))}" height="${LINES.height}"/>`
    ),
    ...[0, 0.5, 1].flatMap((share) => [
      `<path class="axis" d="M${LINES.left} ${toY(share)}H${LINES.right}"/>`,
      toText(LINES.left - 5, toY(share) + 4, `${100 * share} %`, "small end"),
    ]),
    ...[0, 1, 2, 3].map((third) =>
      toText(
        toX(durationMs * third / 3),
        linesTop + LINES.height + 18,
        `${durationMs * third / 3 / SECOND_MS} s`,
        third === 3 ? "small end" : "small",
      )
    ),
    // The first is drawn last, so that nothing covers it.
    ...all.map(([, { runs }], at) => drawLine(pickMedianRun(runs), at, toX, toY)).reverse(),
    "</svg>",
  ];
  return `${parts.join("\n")}\n`;
}

function drawBar(name: string, { summary, runs }: ClientReport, at: number): string[] {
  const top = BARS.top + at * BARS.step;
  const middle = top + BARS.height / 2;
  const toX = (share: number): number => BARS.left + (BARS.right - BARS.left) * share;
  const goodputs = runs.map(({ metrics }) => metrics.goodput);
  const [low, high] = [Math.min(...goodputs), Math.max(...goodputs)];
  const cells = [
    `${toPercent(summary.goodput)} %`,
    `${toSeconds(summary.p99Ms)} s`,
    summary.amplification.toFixed(2),
    summary.duplicates.toFixed(),
  ];
  return [
    toText(8, middle + 4, name, at === 0 ? "name" : ""),
    `<rect class="c${at} bar" x="${BARS.left}" y="${top}" height="${BARS.height}"` +
    ` width="${round(toX(summary.goodput) - BARS.left)}"/>`,
    `<path class="range" d="M${round(toX(low))} ${middle}H${round(toX(high))}` +
    [low, high].map((share) => `M${round(toX(share))} ${middle - 4}v8`).join("") + `"/>`,
    `<path class="c${at} line" d="M${BARS.left - 28} ${middle}h20"/>`,
    ...cells.map((cell, column) => toText(COLUMN_ENDS[column]!, middle + 4, cell, "end")),
  ];
}

function drawLine(
  { timeline }: TaskResult,
  at: number,
  toX: (ms: number) => number,
  toY: (share: number) => number,
): string {
  const points = timeline.flatMap((share, second) =>
    share === null ? [] : [`${round(toX((second + 0.5) * SECOND_MS))} ${round(toY(share))}`]
  );
  return `<path class="c${at} line" d="M${points.join("L")}"/>`;
}

/** The run whose goodput is nearest to the median; of equals, the first. */
function pickMedianRun(runs: readonly TaskResult[]): TaskResult {
  const median = toMedian(runs.map(({ metrics }) => metrics.goodput));
  const distance = ({ metrics }: TaskResult): number => Math.abs(metrics.goodput - median);
  return runs.reduce((best, other) => distance(other) < distance(best) ? other : best);
}

function toColours(colours: readonly string[]): string[] {
  return colours.map((colour, at) => `.c${at}.bar{fill:${colour}}.c${at}.line{stroke:${colour}}`);
}

function toText(x: number, y: number, text: string, classes: string): string {
  const attribute = classes === "" ? "" : ` class="${classes}"`;
  return `<text${attribute} x="${round(x)}" y="${round(y)}">${escape(text)}</text>`;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

function escape(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
