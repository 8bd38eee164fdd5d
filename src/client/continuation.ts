import { resolveOptions } from "../errors/misuse.ts";
import type { JsonObject } from "./ports.ts";

/**
 * What is needed to get the answer of an operation that its server has taken on to answer later: plain
 * JSON for {@linkcode ClientGroup.resume}, in this process or in another one. Whoever has it may get at
 * the answer, so keep it as you keep a credential.
 */
export interface Continuation {
  /** The server's name, as its connector tells it; nobody else is asked. */
  readonly server: string;
  /** The operation. */
  readonly operation: string;
  /** What the connection asks by; of no meaning to anybody else. */
  readonly state: JsonObject;
}

/**
 * Checks a continuation, which may come from anywhere.
 *
 * @param server The only server that may be asked: another one must not even learn the state.
 * @throws {TypeError} If it is malformed or of another server.
 */
export function checkContinuation(continuation: Continuation, server: string): void {
  resolveOptions("resume an execution", continuation, {
    server: { oneOf: [server], required: true },
    operation: { type: "string", required: true },
    state: { type: "object", required: true },
  });
}
