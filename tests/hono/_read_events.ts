import { assertEquals, assertGreater } from "@std/assert";
/** One server-sent event as it arrived. */
export interface ReadEvent {
  readonly id: string;
  readonly event: string;
  // deno-lint-ignore no-explicit-any
  readonly data: any;
  /** When it arrived, in milliseconds of the monotonic clock. */
  readonly arrivedMs: number;
}

/** Reads the events of a well-formed stream; comments are left out. */
export async function* readEvents(response: Response): AsyncGenerator<ReadEvent> {
  let rest = "";
  for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
    const blocks = (rest + chunk).split("\n\n");
    rest = blocks.pop()!;
    for (const block of blocks) {
      const field = (name: string): string =>
        block.split("\n").find((line) => line.startsWith(`${name}: `))?.slice(name.length + 2) ??
          "";
      if (field("event") === "") continue;
      yield {
        id: field("id"),
        event: field("event"),
        data: JSON.parse(field("data")),
        arrivedMs: performance.now(),
      };
    }
  }
}

/**
 * Asserts that steps came one after the other up to the last. One that comes within 100 ms of the
 * step before is merged with it, as a busy machine may make it.
 */
export function assertSteps(steps: readonly number[], last: number): void {
  assertEquals(steps.at(-1), last);
  assertEquals(steps, [...new Set(steps)].sort((a, b) => a - b));
  assertGreater(steps.length, last / 2);
}
