import {
  isJSONRPCErrorResponse,
  isJSONRPCResultResponse,
  type JSONRPCMessage,
  type RequestId,
} from "@modelcontextprotocol/client";
import { createParser, type EventSourceMessage } from "eventsource-parser";
import type { Clock } from "../resilience/clock.ts";
import { type ByteReader, openBytes } from "./byte_reader.ts";
import { capBytes } from "./cap.ts";
import { WireFault } from "./failure.ts";
import type { ByteWatch } from "./wire_clocks.ts";

/** What reading an answer needs. */
export interface AnswerOptions {
  readonly id: RequestId;
  /** The most bytes of one message. */
  readonly maxAnswerBytes: number;
  readonly clock: Clock;
  /** Watches an event stream; the callback ends the reading if it falls silent. */
  readonly watchBytes: (onSilence: () => void) => ByteWatch;
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
  const message = parseAnswer(await readText(response, options.maxAnswerBytes), options.id);
  if (message === undefined) throw new WireFault({ kind: "unusable_answer" });
  options.deliver(message);
}

/**
 * Reads a body that is no larger than allowed.
 *
 * @throws {WireFault} If it is, or is cut.
 */
export async function readText(response: Response, maxBytes: number): Promise<string> {
  const { body, headers } = response;
  const length = headers.get("content-length");
  // A compressed body can become of any length.
  const told = length !== null && !headers.has("content-encoding");
  try {
    if (body === null || (told && Number(length) <= maxBytes)) return await response.text();
    if (told && Number(length) > maxBytes) {
      void body.cancel().catch(() => {});
      throw new WireFault({ kind: "too_large" });
    }
    return await new Response(capBytes(body, maxBytes)).text();
  } catch (error) {
    if (error instanceof WireFault) throw error;
    throw new WireFault({ kind: "no_answer", headReceived: true }, error);
  }
}

async function readEvents(
  body: ReadableStream<Uint8Array>,
  { id, maxAnswerBytes, clock, watchBytes, deliver }: AnswerOptions,
): Promise<StreamEnd | undefined> {
  const events: EventSourceMessage[] = [];
  const end: { -readonly [K in keyof StreamEnd]: StreamEnd[K] } = {};
  const parser = createParser({
    onEvent: (event) => void events.push(event),
    onRetry: (retryMs) => void (end.retryMs = retryMs),
  });
  const decoder = new TextDecoder();
  const reader = openBytes(body);
  const watch = watchBytes(reader.cancel);
  let bytesSinceEvent = 0;
  try {
    while (true) {
      const { done, value } = await reader.read();
      if (done || value === undefined) return end;
      watch.touch();
      parser.feed(decoder.decode(value, { stream: true }));
      bytesSinceEvent = events.length > 0 ? 0 : bytesSinceEvent + value.byteLength;
      if (bytesSinceEvent > maxAnswerBytes) throw new WireFault({ kind: "too_large" });
      for (const event of events.splice(0)) {
        if (event.id !== undefined && event.id !== "") end.lastEventId = event.id;
        if (event.data === "" || (event.event ?? "message") !== "message") continue;
        if (event.data.length > maxAnswerBytes) throw new WireFault({ kind: "too_large" });
        const message = parse(event.data);
        if (message === undefined) throw new WireFault({ kind: "unusable_answer" });
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
  } finally {
    watch.stop();
  }
}

/** Lets the server end the stream, because cancelling it would cost the connection. */
function release(reader: ByteReader, clock: Clock): void {
  const undo = clock.setTimer(LINGER_MS, reader.cancel);
  reader.read().then(({ done }) => done || reader.cancel(), () => {}).finally(undo);
}

function parse(text: string): JSONRPCMessage | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? value as JSONRPCMessage : undefined;
  } catch {
    return undefined;
  }
}

/** Returns the JSON-RPC answer to a request, or `undefined` if a text is anything else. */
export function parseAnswer(text: string, id: RequestId): JSONRPCMessage | undefined {
  const message = parse(text);
  return message !== undefined && isAnswer(message, id) ? message : undefined;
}

function isAnswer(message: JSONRPCMessage, id: RequestId): boolean {
  return "id" in message && message.id === id && !("method" in message) &&
    (isJSONRPCResultResponse(message) || isJSONRPCErrorResponse(message));
}
