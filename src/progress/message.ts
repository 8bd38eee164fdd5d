const MAX_MESSAGE_BYTES = 1024;
const MAX_UTF8_BYTES_PER_UNIT = 3;

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/**
 * Cuts a message to at most 1 KiB of UTF-8, between two characters.
 *
 * @param message The message as it came over the wire.
 * @returns The message, or a copy of its start.
 */
export function cutMessage(message: string): string {
  if (message.length * MAX_UTF8_BYTES_PER_UNIT <= MAX_MESSAGE_BYTES) return message;
  // slice() would keep the whole original alive behind its first KiB.
  const bytes = new Uint8Array(MAX_MESSAGE_BYTES);
  const { written } = encoder.encodeInto(message, bytes);
  return decoder.decode(bytes.subarray(0, written));
}
