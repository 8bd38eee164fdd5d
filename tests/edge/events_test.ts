import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { EventParser, EventTooLongError, type ServerSentEvent } from "../../src/edge/events.ts";

const encoder = new TextEncoder();

/** All events of a text that comes in one chunk. */
function parse(text: string): ServerSentEvent[] {
  return new EventParser().push(encoder.encode(text));
}

/** The algorithm of WHATWG HTML §9.2.6 word by word, on the whole text at once. */
function parseNaively(text: string): ServerSentEvent[] {
  const events: ServerSentEvent[] = [];
  let type = "", data = "", lastEventId = "";
  const lines = text.replace(/^\uFEFF/, "").split(/\r\n|\n|\r/);
  lines.pop(); // not ended
  for (const line of lines) {
    if (line === "") {
      if (data !== "") {
        events.push({ type: type === "" ? "message" : type, data: data.slice(0, -1), lastEventId });
      }
      type = data = "";
      continue;
    }
    const [, field, value = ""] = /^([^:]*):? ?([^]*)$/.exec(line)!;
    if (field === "event") type = value;
    if (field === "data") data += value + "\n";
    if (field === "id" && !value.includes("\0")) lastEventId = value;
  }
  return events;
}

Deno.test("EventParser reads types, ids and data of several lines", () => {
  assertEquals(parse("event: progress\nid: 7\ndata: a\ndata:b\ndata:  c\n\ndata: d\n\n"), [
    { type: "progress", data: "a\nb\n c", lastEventId: "7" },
    { type: "message", data: "d", lastEventId: "7" },
  ]);
});

Deno.test("EventParser takes LF, CR and CRLF as line ends", () => {
  const expected = [{ type: "x", data: "1\n2", lastEventId: "" }];
  for (const end of ["\n", "\r", "\r\n"]) {
    const text = ["event:x", "data:1", "data:2", "", ""].join(end);
    assertEquals(parse(text), expected, JSON.stringify(end));
  }
});

Deno.test("EventParser dispatches at a carriage return without waiting for a line feed", () => {
  const parser = new EventParser();
  assertEquals(parser.push(encoder.encode("data: 1\r\n\r")).length, 1);
  assertEquals(parser.push(encoder.encode("\ndata: 2\r\r")).map(({ data }) => data), ["2"]);
});

Deno.test("EventParser drops a byte order mark at the start alone", () => {
  assertEquals(parse("\uFEFFdata: a\n\n\uFEFFdata: b\n\n").map(({ data }) => data), ["a"]);
});

Deno.test("EventParser keeps a later byte order mark that comes alone, which Deno's decoder drops", () => {
  const parser = new EventParser();
  const bytes = encoder.encode("data: \uFEFFa\n\n");
  const events = Array.from(bytes, (byte) => parser.push(Uint8Array.of(byte))).flat();
  assertEquals(events.map(({ data }) => data), ["\uFEFFa"]);
});

Deno.test("EventParser ignores comments, unknown fields and events without data", () => {
  assertEquals(parse(": keep-alive\n\nevent: x\n\nfoo: bar\nid: 3\n\ndata\n\n"), [
    { type: "message", data: "", lastEventId: "3" },
  ]);
});

Deno.test("EventParser keeps the last id past a NUL and forgets it for an empty id", () => {
  const events = parse("id: 1\ndata: a\n\nid: 2\0\ndata: b\n\nid\ndata: c\n\n");
  assertEquals(events.map(({ lastEventId }) => lastEventId), ["1", "1", ""]);
});

Deno.test("EventParser takes only digits as the time to wait", () => {
  const parser = new EventParser();
  parser.push(encoder.encode("retry: 1500\nretry: 2s\nretry: -1\n"));
  assertEquals(parser.retryMs, 1_500);
});

Deno.test("EventParser never tells of an event that the stream left incomplete", () => {
  assertEquals(parse("data: a\n\ndata: b\n"), [{ type: "message", data: "a", lastEventId: "" }]);
});

Deno.test("EventParser refuses an event over the limit, in one line or in many", () => {
  const atLimit = new EventParser(20);
  assertEquals(atLimit.push(encoder.encode(`data: ${"x".repeat(14)}\n\n`)).length, 1);
  assertThrows(
    () => new EventParser(20).push(encoder.encode(`data: ${"x".repeat(15)}`)),
    EventTooLongError,
  );
  assertThrows(
    () => new EventParser(20).push(encoder.encode("data: 12345\n".repeat(4))),
    EventTooLongError,
  );
});

Deno.test("EventParser agrees with the specification's algorithm however the bytes are cut", () => {
  const piece = fc.constantFrom(
    ...["data", "event", "id", "retry", ":", ": ", " ", "\r", "\n", "\r\n", "\n\n", "\r\r"],
    ...["\uFEFF", "é", "😀", "\0", "7", "x", "data: {}\n", "\r\n\r\n"],
  );
  fc.assert(
    fc.property(
      fc.array(piece, { maxLength: 40 }).map((pieces) => pieces.join("")),
      fc.array(fc.integer({ min: 1, max: 7 }), { minLength: 1, maxLength: 20 }),
      (text, sizes) => {
        const bytes = encoder.encode(text);
        const parser = new EventParser();
        const events: ServerSentEvent[] = [];
        for (let at = 0, turn = 0; at < bytes.length; turn++) {
          const size = sizes[turn % sizes.length]!;
          events.push(...parser.push(bytes.subarray(at, at += size)));
        }
        assertEquals(events, parseNaively(text));
      },
    ),
    { numRuns: 2_000 },
  );
});
