const MONTHS = "Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec";
const TIME = "(?<hour>[01]\\d|2[0-3]):(?<minute>[0-5]\\d):(?<second>[0-5]\\d|60)";
const SHORT_DAY = "(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)";
const LONG_DAY = "(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day";
/** The three forms of an HTTP date (RFC 9110 §5.6.7): IMF-fixdate, RFC 850, asctime. */
const HTTP_DATES: readonly RegExp[] = [
  new RegExp(`^${SHORT_DAY}, (?<day>\\d{2}) (?<month>${MONTHS}) (?<year>\\d{4}) ${TIME} GMT$`),
  new RegExp(`^${LONG_DAY}, (?<day>\\d{2})-(?<month>${MONTHS})-(?<year>\\d{2}) ${TIME} GMT$`),
  new RegExp(`^${SHORT_DAY} (?<month>${MONTHS}) (?<day>[ \\d]\\d) ${TIME} (?<year>\\d{4})$`),
];

/**
 * Reads a `Retry-After` header (RFC 9110 §10.2.3): whole seconds or one of the three HTTP dates.
 *
 * @param value The header's value, or `null` if it was absent.
 * @param wallMs The wall-clock time now, in milliseconds since the Unix epoch.
 * @returns The wait in milliseconds, 0 for a date in the past; `undefined` for a value that is absent,
 * malformed or negative.
 */
export function parseRetryAfter(value: string | null, wallMs: number): number | undefined {
  const text = value?.trim() ?? "";
  if (/^\d+$/.test(text)) return Math.min(Number(text) * 1_000, Number.MAX_SAFE_INTEGER);
  const atMs = parseHttpDate(text, wallMs);
  return atMs === undefined ? undefined : Math.max(0, atMs - wallMs);
}

/**
 * Reads how long an answer asks to wait. A date is measured on the clock that it was written by, which
 * the answer's own `Date` tells: a wrong clock here must not turn a second into an hour.
 *
 * @param headers The answer's headers.
 * @param wallMs The wall-clock time now, for answers without `Date`.
 * @returns As {@linkcode parseRetryAfter} does.
 */
export function readRetryAfter(headers: Headers, wallMs: number): number | undefined {
  const sentAtMs = parseHttpDate(headers.get("date")?.trim() ?? "", wallMs);
  return parseRetryAfter(headers.get("retry-after"), sentAtMs ?? wallMs);
}

function parseHttpDate(text: string, wallMs: number): number | undefined {
  for (const form of HTTP_DATES) {
    const groups = form.exec(text)?.groups;
    const atMs = groups && toWallMs(groups, wallMs);
    if (atMs !== undefined) return atMs;
  }
  return undefined;
}

/** Returns the instant, or `undefined` for a day that its month does not have. */
function toWallMs(groups: Record<string, string>, wallMs: number): number | undefined {
  const month = MONTHS.split("|").indexOf(groups["month"] ?? "");
  const [day, hour, minute, second] = ["day", "hour", "minute", "second"]
    .map((name) => Number(groups[name])) as [number, number, number, number];
  const year = toYear(groups["year"] ?? "", wallMs);
  if (new Date(Date.UTC(year, month, day)).getUTCDate() !== day) return undefined;
  return Date.UTC(year, month, day, hour, minute, second);
}

/** Of two digits, the nearest year; over 50 years ahead is of the past (RFC 9110 §5.6.7). */
function toYear(text: string, wallMs: number): number {
  if (text.length === 4) return Number(text);
  const thisYear = new Date(wallMs).getUTCFullYear();
  const ahead = (Number(text) - thisYear % 100 + 100) % 100;
  return thisYear + (ahead > 50 ? ahead - 100 : ahead);
}
