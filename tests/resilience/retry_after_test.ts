import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { parseRetryAfter, readRetryAfter } from "../../src/resilience/retry_after.ts";

const NOW = Date.UTC(2026, 10, 22, 12, 0, 0);

Deno.test("R3 parseRetryAfter() reads all three date forms of any instant back", () => {
  const days = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
  const fiftyYears = { min: -49 * 365 * 86_400, max: 49 * 365 * 86_400 };
  fc.assert(fc.property(fc.integer(fiftyYears), (seconds) => {
    const at = new Date(NOW + seconds * 1_000);
    const expected = Math.max(0, seconds * 1_000);
    const imf = at.toUTCString();
    const [, day, month, year, time] = /, (\d\d) (\w+) (\d+) (\S+) GMT/.exec(imf)!;
    const rfc850 = `${days[at.getUTCDay()]}, ${day}-${month}-${year!.slice(2)} ${time} GMT`;
    const asctime = `${imf.slice(0, 3)} ${month} ${day!.replace(/^0/, " ")} ${time} ${year}`;
    for (const text of [imf, rfc850, asctime]) {
      assertEquals(parseRetryAfter(text, NOW), expected, text);
    }
  }));
});

Deno.test("R3 parseRetryAfter() takes a two-digit year for the nearest, of old over 50 years ahead", () => {
  const table: [number, string, number][] = [
    [2026, "26", 2026],
    [2026, "76", 2076],
    [2026, "77", 1977],
    [2026, "99", 1999],
    [2026, "00", 2000],
    [1999, "00", 2000],
    [1999, "49", 2049],
    [1999, "50", 1950],
    [2099, "05", 2105],
  ];
  for (const [nowYear, text, year] of table) {
    const now = Date.UTC(nowYear, 5, 15);
    const expected = Math.max(0, Date.UTC(year, 5, 16) - now);
    assertEquals(parseRetryAfter(`Friday, 16-Jun-${text} 00:00:00 GMT`, now), expected, text);
  }
});

Deno.test("R3 parseRetryAfter() reads whole seconds, however many digits they have", () => {
  const table: [string, number][] = [
    ["0", 0],
    ["000", 0],
    ["1", 1_000],
    ["007", 7_000],
    ["\t60 ", 60_000],
    ["9007199254740", 9_007_199_254_740_000],
    ["9".repeat(20), Number.MAX_SAFE_INTEGER],
    ["9".repeat(400), Number.MAX_SAFE_INTEGER],
  ];
  for (const [text, ms] of table) assertEquals(parseRetryAfter(text, NOW), ms, text);
});

Deno.test("R3 parseRetryAfter() takes what is malformed or negative for absent", () => {
  const malformed = [
    ...["-1", "+1", "1.5", "1e3", "0x10", "1 2", "1,2", "60s", "Infinity", "NaN", "٣", "soon"],
    "Sun, 32 Nov 2026 12:00:00 GMT",
    "Mon, 30 Feb 2027 12:00:00 GMT",
    "Sun, 00 Nov 2026 12:00:00 GMT",
    "Sun, 22 Nov 2026 24:00:00 GMT",
    "Sun, 22 Nov 2026 12:60:00 GMT",
    "Sun, 22 Nov 2026 12:00:61 GMT",
    "Sun, 22 Nov 2026 12:00 GMT",
    "Sun, 22 Nov 2026 12:00:05",
    "Sun, 22 Nov 2026 12:00:05 UTC",
    "Sun, 22 Nov 2026 12:00:05 +0000",
    "sun, 22 nov 2026 12:00:05 gmt",
    "Xyz, 22 Nov 2026 12:00:05 GMT",
    "Sun, 22 Foo 2026 12:00:05 GMT",
    "Sun, 22 Nov 26 12:00:05 GMT",
    "22 Nov 2026 12:00:05 GMT",
    "Sunday, 22-Nov-2026 12:00:05 GMT",
    "Someday, 22-Nov-26 12:00:05 GMT",
    "Sun Nov 22 12:00:05 26",
    "Sun Nov  0 12:00:05 2026",
    "Sun Nov 22 12:00:05 2026 GMT",
    "2026-11-22T12:00:05Z",
    "Sun, 22 Nov 2026 12:00:05 GMT, 5",
  ];
  for (const text of malformed) assertEquals(parseRetryAfter(text, NOW), undefined, text);
});

Deno.test("R3 parseRetryAfter() takes a header that is absent or blank for no wait", () => {
  for (const value of [null, "", " \t"]) assertEquals(parseRetryAfter(value, NOW), undefined);
});

Deno.test("R3 parseRetryAfter() takes a leap second, and gives 0 for every past date", () => {
  assertEquals(parseRetryAfter("Sun, 22 Nov 2026 12:00:60 GMT", NOW), 60_000);
  for (const text of ["Thu, 01 Jan 1970 00:00:00 GMT", "Sat, 01 Jan 0050 00:00:00 GMT"]) {
    assertEquals(parseRetryAfter(text, NOW), 0);
  }
});

Deno.test("R3 parseRetryAfter() survives any text with a wait, 0, or nothing", () => {
  const piece = fc.constantFrom("Sun", ", ", "22", " Nov", " 2026 ", "12:00:05", "-", "9", " GMT");
  const text = fc.oneof(fc.string(), fc.array(piece).map((parts) => parts.join("")));
  fc.assert(
    fc.property(text, fc.integer(), (text, wallMs) => {
      const ms = parseRetryAfter(text, wallMs);
      return ms === undefined || (ms >= 0 && Number.isSafeInteger(ms));
    }),
    { numRuns: 2_000 },
  );
});

Deno.test("R3 readRetryAfter() measures a date on the clock of the answer, if that tells it", () => {
  const hour = 3_600_000;
  const read = (retryAfter: string, date?: string) =>
    readRetryAfter(
      new Headers({ "retry-after": retryAfter, ...(date !== undefined && { date }) }),
      NOW,
    );
  const toDate = (ms: number) => new Date(ms).toUTCString();
  for (const skewMs of [-hour, 0, hour]) {
    assertEquals(read(toDate(NOW + skewMs + 2_000), toDate(NOW + skewMs)), 2_000);
    assertEquals(read("7", toDate(NOW + skewMs)), 7_000);
  }
  for (const date of [undefined, "", "soon"]) assertEquals(read(toDate(NOW + 5_000), date), 5_000);
  assertEquals(readRetryAfter(new Headers(), NOW), undefined);
});
