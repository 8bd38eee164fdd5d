/** Reads a body bit by bit. */
export interface ByteReader {
  /** Reads on; the bytes are gone with the next read. */
  read(): Promise<{ readonly done: boolean; readonly value?: Uint8Array | undefined }>;
  /** Drops the rest. */
  cancel(): void;
}

const BUFFER_BYTES = 16 * 2 ** 10;

/**
 * Opens a body. It is read into one buffer where the runtime allows it: else every read makes a new
 * and much larger one, which costs more than all the rest of reading a short stream.
 */
export function openBytes(body: ReadableStream<Uint8Array>): ByteReader {
  const byob = getByobReader(body);
  const reader = byob ?? body.getReader();
  const cancel = (): void => void reader.cancel().catch(() => {});
  if (byob === undefined) return { read: () => (reader as Reader).read(), cancel };
  let buffer = new ArrayBuffer(BUFFER_BYTES);
  return {
    async read() {
      const result = await byob.read(new Uint8Array(buffer));
      if (result.value !== undefined) buffer = result.value.buffer;
      return result;
    },
    cancel,
  };
}

type Reader = ReadableStreamDefaultReader<Uint8Array>;

function getByobReader(
  body: ReadableStream<Uint8Array>,
): ReadableStreamBYOBReader | undefined {
  try {
    return body.getReader({ mode: "byob" });
  } catch {
    // Not a stream of bytes to this runtime, or one that somebody made.
    return undefined;
  }
}
