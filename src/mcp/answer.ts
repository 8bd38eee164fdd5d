import {
  isJSONRPCResponse,
  type JSONRPCMessage,
  type RequestId,
} from "@modelcontextprotocol/client";
import { createParser, type EventSourceMessage } from "eventsource-parser";
import type { Clock } from "../resilience/clock.ts";
import { WireFault } from "./failure.ts";

/** What reading an answer needs. */
export interface AnswerOptions {
  readonly id: RequestId;
  readonly maxAnswerBytes: number;
  readonly clock: Clock;
  readonly deliver: (message: JSONRPCMessage) => void;
}

/** Where a stream ended that did not bring the answer. */
export interface StreamEnd {
  readonly lastEventId?: string;
  /** How long the server wants to be left alone before a resume. */
  readonly retryMs?: number;
  /** What broke it; a stream that just ends has none. */
  readonly cause?: unknown;
}

/** How long a stream may stay open after its answer, so that its connection can be used again. */
const LINGER_MS = 1_000;

/**
 * Delivers the messages of an answer up to the one that answers the request.
 *
 * @returns `undefined` once the request was answered, else where the stream ended.
 * @throws {WireFault} If what arrived is no answer to the request, too large, or cut.
 */
export async function readAnswer(
  response: Response,
  options: AnswerOptions,
): Promise<StreamEnd | undefined> {
  const type = response.headers.get("content-type")?.split(";")[0]?.trim().toLowerCase();
  const { body } = response;
  if (body !== null && type === "text/event-stream") return await readEvents(body, options);
  if (body === null || type !== "application/json") {
    await body?.cancel().catch(() => {});
    throw new WireFault({ kind: "unusable_answer" });
  }
  const text = await readText(openReader(body, options.maxAnswerBytes));
  const message = parse(text);
  if (!isAnswer(message, options.id)) throw new WireFault({ kind: "unusable_answer" });
  options.deliver(message);
}

async function readText(reader: CappedReader): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  try {
    for (let chunk = await reader.read(); chunk !== undefined; chunk = await reader.read()) {
      text += decoder.decode(chunk, { stream: true });
    }
  } catch (error) {
    reader.cancel();
    throw error instanceof WireFault ? error : new WireFault({ kind: "no_answer" }, error);
  }
  return text + decoder.decode();
}

async function readEvents(
  body: ReadableStream<Uint8Array>,
  { id, maxAnswerBytes, clock, deliver }: AnswerOptions,
): Promise<StreamEnd | undefined> {
  const events: EventSourceMessage[] = [];
  const end: { -readonly [K in keyof StreamEnd]: StreamEnd[K] } = {};
  const parser = createParser({
    onEvent: (event) => void events.push(event),
    onRetry: (retryMs) => void (end.retryMs = retryMs),
  });
  const decoder = new TextDecoder();
  const reader = openReader(body, maxAnswerBytes);
  try {
    while (true) {
      const chunk = await reader.read();
      if (chunk === undefined) return end;
      parser.feed(decoder.decode(chunk, { stream: true }));
      for (const event of events.splice(0)) {
        if (event.id !== undefined && event.id !== "") end.lastEventId = event.id;
        if (event.data === "" || (event.event ?? "message") !== "message") continue;
        const message = parse(event.data);
        if (isAnswer(message, id)) {
          deliver(message);
          release(reader, clock);
          return undefined;
        }
        if (!("method" in message)) throw new WireFault({ kind: "unusable_answer" });
        deliver(message);
        // The SDK hands progress on one microtask late, but forgets its handler with the result.
        await null;
      }
    }
  } catch (error) {
    reader.cancel();
    if (error instanceof WireFault) throw error;
    end.cause = error;
    return end;
  }
}

/** Lets the server end the stream, because cancelling it would cost the connection. */
function release(reader: CappedReader, clock: Clock): void {
  const undo = clock.setTimer(LINGER_MS, reader.cancel);
  const ended = reader.read().then((chunk) => chunk === undefined, () => false);
  void ended.then((ended) => ended || reader.cancel()).finally(undo);
}

function parse(text: string): JSONRPCMessage {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value !== null) return value as JSONRPCMessage;
  } catch {
    // Judged below, as any other text that is no message.
  }
  throw new WireFault({ kind: "unusable_answer" });
}

function isAnswer(message: JSONRPCMessage, id: RequestId): boolean {
  return "id" in message && message.id === id && !("method" in message) &&
    isJSONRPCResponse(message);
}

/** Reads a body until it is larger than allowed. */
interface CappedReader {
  /** Returns the next bytes, or `undefined` at the end. */
  read(): Promise<Uint8Array | undefined>;
  /** Drops the rest. */
  cancel(): void;
}

function openReader(body: ReadableStream<Uint8Array>, maxBytes: number): CappedReader {
  const reader = body.getReader();
  let bytes = 0;
  return {
    async read() {
      const { done, value } = await reader.read();
      if (done) return undefined;
      if ((bytes += value.byteLength) <= maxBytes) return value;
      throw new WireFault({ kind: "too_large" });
    },
    cancel: () => void reader.cancel().catch(() => {}),
  };
}

/** Lets a body through until it is larger than allowed; then it breaks. */
export function capBytes(
  body: ReadableStream<Uint8Array>,
  maxBytes: number,
): ReadableStream<Uint8Array> {
  const reader = openReader(body, maxBytes);
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        const chunk = await reader.read();
        return chunk === undefined ? controller.close() : controller.enqueue(chunk);
      } catch (error) {
        reader.cancel();
        controller.error(error);
      }
    },
    cancel: reader.cancel,
  }, { highWaterMark: 0 });
}
