const MONTHS = "Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec";
const TIME = "(?<hour>\\d{2}):(?<minute>\\d{2}):(?<second>\\d{2})";
/** The three forms of an HTTP date (RFC 9110 §5.6.7): IMF-fixdate, RFC 850, asctime. */
const HTTP_DATES: readonly RegExp[] = [
  new RegExp(`^\\w{3}, (?<day>\\d{2}) (?<month>${MONTHS}) (?<year>\\d{4}) ${TIME} GMT$`),
  new RegExp(`^\\w{6,9}, (?<day>\\d{2})-(?<month>${MONTHS})-(?<year>\\d{2}) ${TIME} GMT$`),
  new RegExp(`^\\w{3} (?<month>${MONTHS}) (?<day>[ \\d]\\d) ${TIME} (?<year>\\d{4})$`),
];

/**
 * Reads a `Retry-After` header (RFC 9110 §10.2.3): whole seconds or one of the three HTTP dates.
 *
 * @param value The header's value, or `null` if it was absent.
 * @param wallMs The wall-clock time now, in milliseconds since the Unix epoch.
 * @returns The wait in milliseconds, 0 for a date in the past; `undefined` for a value that is absent,
 * malformed or negative.
 *
 * @example Seconds and a date
 * ```ts
 * import { parseRetryAfter } from "@automcp/client";
 * import { assertEquals } from "@std/assert";
 *
 * const now = Date.UTC(2026, 10, 22, 12, 0, 0);
 * assertEquals(parseRetryAfter("2", now), 2_000);
 * assertEquals(parseRetryAfter("Sun, 22 Nov 2026 12:00:05 GMT", now), 5_000);
 * assertEquals(parseRetryAfter("soon", now), undefined);
 * ```
 */
export function parseRetryAfter(value: string | null, wallMs: number): number | undefined {
  const text = value?.trim() ?? "";
  if (/^\d+$/.test(text)) return Number(text) * 1_000;
  for (const form of HTTP_DATES) {
    const groups = form.exec(text)?.groups;
    if (groups !== undefined) return Math.max(0, toWallMs(groups, wallMs) - wallMs);
  }
  return undefined;
}

function toWallMs(groups: Record<string, string>, wallMs: number): number {
  const month = MONTHS.split("|").indexOf(groups["month"] ?? "");
  const [day, hour, minute, second] = ["day", "hour", "minute", "second"]
    .map((name) => Number(groups[name])) as [number, number, number, number];
  return Date.UTC(toYear(groups["year"] ?? "", wallMs), month, day, hour, minute, second);
}

/** A two-digit year that seems to lie over 50 years ahead is of the past (RFC 9110 §5.6.7). */
function toYear(text: string, wallMs: number): number {
  if (text.length === 4) return Number(text);
  const thisYear = new Date(wallMs).getUTCFullYear();
  const year = thisYear - thisYear % 100 + Number(text);
  return year > thisYear + 50 ? year - 100 : year;
}
