/**
 * Reads a body chunk by chunk until it ends or the signal aborts; then the body is cancelled, also
 * under a `fetch` that does not know signals.
 *
 * @throws The reason of the signal, or what the body throws.
 */
export async function* readChunks(
  body: ReadableStream<Uint8Array>,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void, undefined> {
  const reader = body.getReader();
  const cancel = (): void => void reader.cancel(signal.reason).catch(() => {});
  if (signal.aborted) cancel();
  else signal.addEventListener("abort", cancel, { once: true });
  try {
    while (true) {
      const { done, value } = await reader.read();
      if (signal.aborted) throw signal.reason;
      if (done) return;
      yield value;
    }
  } catch (error) {
    throw signal.aborted ? signal.reason : error;
  } finally {
    signal.removeEventListener("abort", cancel);
    reader.cancel().catch(() => {});
  }
}

/** Says that a body is longer than allowed. */
export class BodyTooLongError extends RangeError {
  /** The name of the class. */
  override readonly name: string = "BodyTooLongError";
}

/**
 * Reads the text of a body.
 *
 * @throws {BodyTooLongError} If it is longer than allowed.
 */
export async function readText(
  body: ReadableStream<Uint8Array> | null,
  maxBytes: number,
  signal: AbortSignal,
): Promise<string> {
  if (body === null) return "";
  const decoder = new TextDecoder();
  let text = "";
  let bytes = 0;
  for await (const chunk of readChunks(body, signal)) {
    bytes += chunk.byteLength;
    if (bytes > maxBytes) throw new BodyTooLongError(`A body is longer than ${maxBytes} bytes`);
    text += decoder.decode(chunk, { stream: true });
  }
  return text + decoder.decode();
}
