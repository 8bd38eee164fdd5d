import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import { answerInputs } from "../../src/mcp/answer_inputs.ts";
import { type InputContext, type InputHandlers, toCapabilities } from "../../src/mcp/input.ts";
import { failureOf } from "./support.ts";

const SCHEMA = {
  type: "object",
  properties: {
    name: { type: "string", default: "Ada" },
    age: { type: "integer", default: 36 },
    sure: { type: "boolean" },
  },
  required: ["name", "age"],
};
const FORM = {
  method: "elicitation/create",
  params: { mode: "form", message: "Who are you?", requestedSchema: SCHEMA },
};
const URL_REQUEST = {
  method: "elicitation/create",
  params: { mode: "url", message: "Log in", url: "https://login.example/" },
};
const SAMPLING = {
  method: "sampling/createMessage",
  params: { messages: [{ role: "user", content: { type: "text", text: "Hi" } }], maxTokens: 9 },
};
const ROOTS = { method: "roots/list" };

function answer(
  requests: Record<string, unknown>,
  handlers: InputHandlers,
  signal = new AbortController().signal,
) {
  return answerInputs(requests, { handlers, operation: "act", effect: "unsafe", signal });
}

Deno.test("answerInputs() gives each question to its handler, by the server's keys", async () => {
  const asked: unknown[] = [];
  const note = <T>(result: T) => (request: unknown, { operation }: InputContext): T => {
    asked.push([request, operation]);
    return result;
  };
  const said = { role: "assistant", content: { type: "text", text: "Ho" }, model: "m" } as const;
  const roots = { roots: [{ uri: "file:///work" }] };
  const answers = await answer({ f: FORM, u: URL_REQUEST, s: SAMPLING, r: ROOTS }, {
    form: note({ action: "decline" }),
    url: note({ action: "accept" }),
    sampling: note(said),
    roots: note(roots),
  });
  assertEquals(answers, {
    f: { action: "decline" },
    u: { action: "accept" },
    s: said,
    r: roots,
  });
  assertEquals(asked, [
    [FORM.params, "act"],
    [URL_REQUEST.params, "act"],
    [SAMPLING.params, "act"],
    [{}, "act"],
  ]);
});

Deno.test("answerInputs() fills in what an accepted form leaves out", async () => {
  const old = { ...FORM, params: { message: "Who?", requestedSchema: SCHEMA } };
  for (
    const [content, expected] of [
      [undefined, { name: "Ada", age: 36 }],
      [{ age: 1, sure: true }, { name: "Ada", age: 1, sure: true }],
    ] as const
  ) {
    const form = () => ({ action: "accept", ...(content && { content }) }) as const;
    assertEquals(await answer({ f: old }, { form }), {
      f: { action: "accept", content: expected },
    });
  }
});

Deno.test("answerInputs() refuses an answer that is none, and tells no value of it", async () => {
  const bad = (result: unknown) => () => result as never;
  for (
    const [request, handlers] of [
      [FORM, { form: bad({ action: "accept", content: { age: "s3cr3t" } }) }],
      [FORM, { form: bad({ action: "yes" }) }],
      [FORM, { form: bad(undefined) }],
      [URL_REQUEST, { url: bad(true) }],
      [SAMPLING, { sampling: bad({ text: "s3cr3t" }) }],
      [ROOTS, { roots: bad([]) }],
    ] as const
  ) {
    const error = await failureOf(answer({ q: request }, handlers));
    assertEquals([error.code, error.delivery], ["operation_failed", "executed"]);
    assert(error.cause instanceof TypeError);
    assert(!String(error.cause).includes("s3cr3t"));
  }
});

Deno.test("answerInputs() asks nobody if one question has no handler, and tells all of them", async () => {
  const form = () => {
    throw new Error("asked");
  };
  const error = await failureOf(answer({ f: FORM, u: URL_REQUEST, s: SAMPLING }, { form }));
  assertEquals([error.code, error.delivery, error.retryable], [
    "operation_failed",
    "executed",
    false,
  ]);
  assertEquals(error.asked, [
    { method: "elicitation/create", message: "Who are you?", requestedSchema: SCHEMA },
    { method: "elicitation/create", message: "Log in", url: "https://login.example/" },
    { method: "sampling/createMessage" },
  ]);
  for (
    const request of [
      { ...SAMPLING, params: { ...SAMPLING.params, tools: [] } },
      { method: "elicitation/create", params: { mode: "voice", message: "Say it" } },
      { method: "tools/call", params: {} },
    ]
  ) {
    const unknown = await failureOf(answer({ q: request }, { form, sampling: form, url: form }));
    assertEquals(unknown.asked[0]?.method, request.method);
  }
});

Deno.test("answerInputs() refuses malformed questions", async () => {
  const none = () => ({ action: "cancel" }) as const;
  for (
    const request of [
      null,
      { method: 1 },
      { method: "roots/list", params: [] },
      { method: "elicitation/create", params: { message: "No schema" } },
      { method: "elicitation/create", params: { mode: "url", message: "Go", url: "nowhere" } },
      { method: "sampling/createMessage", params: { messages: "Hi" } },
    ]
  ) {
    const error = await failureOf(answer({ q: request }, { form: none, url: none }));
    assertEquals([error.code, error.delivery], ["invalid_result", "executed"]);
  }
});

Deno.test("answerInputs() ends the other handlers once one throws, and keeps what it threw", async () => {
  const cause = new Error("no terminal");
  let ended: unknown;
  const error = await failureOf(answer({ f: FORM, u: URL_REQUEST }, {
    form: () => Promise.reject(cause),
    url: (_, { signal }) =>
      new Promise(() => signal.addEventListener("abort", () => ended = signal.reason)),
  }));
  assertEquals([error.code, error.delivery], ["operation_failed", "executed"]);
  assertStrictEquals(error.cause, cause);
  assertStrictEquals(ended, error);
});

Deno.test("answerInputs() rejects with the signal's reason, and waits for no handler", async () => {
  const abort = new AbortController();
  const reason = { why: "the user left" };
  let told: unknown;
  const form = (_: unknown, { signal }: InputContext) => {
    signal.addEventListener("abort", () => told = signal.reason);
    abort.abort(reason);
    return new Promise<never>(() => {});
  };
  const work = answer({ f: FORM }, { form }, abort.signal);
  assertStrictEquals(await work.catch((error) => error), reason);
  assertStrictEquals(told, reason);
  told = undefined;
  const late = answer({ f: FORM }, { form }, abort.signal);
  assertStrictEquals(await late.catch((error) => error), reason);
  assertEquals(told, undefined);
});

Deno.test("toCapabilities() offers exactly what has a handler", () => {
  const none = (): never => {
    throw new Error("asked");
  };
  assertEquals(toCapabilities({}), {});
  assertEquals(toCapabilities({ form: none }), { elicitation: { form: { applyDefaults: true } } });
  assertEquals(toCapabilities({ url: none, sampling: none, roots: none }), {
    elicitation: { url: {} },
    sampling: {},
    roots: {},
  });
});
