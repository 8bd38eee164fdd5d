import { WireFault } from "./failure.ts";

const LINE_FEED = 10;
const CARRIAGE_RETURN = 13;

/** Lets a body through until it is larger than allowed; then it breaks. */
export function capBytes(
  body: ReadableStream<Uint8Array>,
  maxBytes: number,
): ReadableStream<Uint8Array> {
  return cap(body, maxBytes, (bytes, chunk) => bytes + chunk.byteLength);
}

/**
 * Lets an event stream through until one of its events is larger than allowed; then it breaks.
 *
 * @param onTooLarge Called before that.
 */
export function capEvents(
  body: ReadableStream<Uint8Array>,
  maxBytes: number,
  onTooLarge: () => void,
): ReadableStream<Uint8Array> {
  let lineIsEmpty = true;
  return cap(body, maxBytes, (bytes, chunk) => {
    for (const byte of chunk) {
      bytes++;
      if (byte === CARRIAGE_RETURN) continue;
      if (byte === LINE_FEED && lineIsEmpty) bytes = 0;
      lineIsEmpty = byte === LINE_FEED;
    }
    if (bytes > maxBytes) onTooLarge();
    return bytes;
  });
}

/** @param count Adds a chunk to what has been counted. */
function cap(
  body: ReadableStream<Uint8Array>,
  maxBytes: number,
  count: (bytes: number, chunk: Uint8Array) => number,
): ReadableStream<Uint8Array> {
  const reader = body.getReader();
  const cancel = (): void => void reader.cancel().catch(() => {});
  let bytes = 0;
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      const { done, value } = await reader.read();
      if (done) return controller.close();
      bytes = count(bytes, value);
      if (bytes > maxBytes) {
        cancel();
        throw new WireFault({ kind: "too_large" });
      }
      controller.enqueue(value);
    },
    cancel,
  }, { highWaterMark: 0 });
}
