const MAX_MESSAGE_BYTES = 1_024;
const MAX_UTF8_BYTES_PER_UNIT = 3;

/**
 * Cuts a message to at most 1 KiB of UTF-8, between two characters.
 *
 * @param message The message as it came over the wire.
 * @returns The message, or a copy of its start.
 */
export function cutMessage(message: string): string {
  if (message.length * MAX_UTF8_BYTES_PER_UNIT <= MAX_MESSAGE_BYTES) return message;
  // slice() alone would keep the whole original alive behind its first KiB.
  const bytes = new TextEncoder().encode(message.slice(0, MAX_MESSAGE_BYTES));
  // A decoder that expects more leaves out the character that is cut at the end.
  return new TextDecoder("utf-8", { ignoreBOM: true })
    .decode(bytes.subarray(0, MAX_MESSAGE_BYTES), { stream: true });
}
