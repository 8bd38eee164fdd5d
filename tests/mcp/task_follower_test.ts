/** When a task is asked for, what of it is told, and what its questions are answered with. */
import { assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import type { Result } from "@modelcontextprotocol/client";
import type { AttemptOptions, ConnectionOptions, JsonObject } from "../../src/client/ports.ts";
import type { Effect } from "../../src/errors/delivery.ts";
import { type ClientError, createClientError, type ErrorFacts } from "../../src/errors/errors.ts";
import type { ErrorCode } from "../../src/errors/codes.ts";
import type { ProgressReport } from "../../src/progress/events.ts";
import { Deadline } from "../../src/resilience/deadline.ts";
import type { InputHandlers } from "../../src/mcp/input.ts";
import { type Task, TaskFollower } from "../../src/mcp/tasks.ts";
import { rejection } from "../client/support.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { request } from "./support.ts";

const DONE = { taskId: "t1", status: "completed", result: { content: [] } };

/** An answer, or what the request fails with. */
type Scripted = Record<string, unknown> | ClientError;

/** A follower of a task whose server answers `tasks/get` and `tasks/update` by a script. */
function createFixture(
  gets: readonly Scripted[],
  {
    effect = "unsafe",
    handlers = {},
    timeoutMs = 3_600_000,
    state = {},
    updates = [],
    progress = 0,
    answered = undefined,
  }: {
    effect?: Effect;
    handlers?: InputHandlers;
    timeoutMs?: number;
    state?: JsonObject;
    updates?: readonly Scripted[];
    progress?: number;
    answered?: unknown;
  } = {},
) {
  const clock = new FakeClock();
  const abort = new AbortController();
  const closing = new AbortController();
  const asked: { readonly atMs: number; readonly method: string; readonly params: JsonObject }[] =
    [];
  const reports: ProgressReport[] = [];
  const states: JsonObject[] = [];
  const answers: Promise<unknown>[] = [];
  const scripts = { "tasks/get": [...gets], "tasks/update": [...updates], "tasks/cancel": [] };
  const ask = (
    method: string,
    params: JsonObject,
    { signal }: ConnectionOptions,
  ): Promise<Result> => {
    signal.throwIfAborted();
    asked.push({ atMs: clock.now(), method, params });
    const next = scripts[method as keyof typeof scripts].shift() ?? {};
    return next instanceof Error ? Promise.reject(next) : Promise.resolve(next as Result);
  };
  const options: AttemptOptions = {
    signal: abort.signal,
    deadline: Deadline.after(timeoutMs, clock),
    onProgress: (report) => void reports.push(report),
    onDefer: (state) => void states.push(state),
    onAsk: (answering) => void answers.push(answering),
  };
  const background: Promise<void>[] = [];
  const follower = new TaskFollower({ taskId: "t1", ...state }, {
    request: request("act", {}, { effect, answered }),
    ...{ options, handlers, clock, ask, closed: closing.signal },
    random: () => 0.5,
    background: (work) => void background.push(work),
  }, progress);
  const times = (method: string): number[] =>
    asked.filter((one) => one.method === method).map(({ atMs }) => atMs);
  return { clock, abort, closing, asked, reports, states, answers, follower, background, times };
}

function working(facts: Partial<Task> = {}): Record<string, unknown> {
  return { taskId: "t1", status: "working", ...facts };
}

function toWaits(times: readonly number[]): number[] {
  return times.slice(1).map((atMs, index) => atMs - times[index]!);
}

function failure(code: ErrorCode, facts: ErrorFacts = {}): ClientError {
  return createClientError(code, "Injected", { effect: "safe", ...facts });
}

Deno.test("TaskFollower asks at once without a task, and after its interval with one", async () => {
  const unknown = createFixture([DONE]);
  assertEquals(await unknown.follower.follow(), DONE.result);
  assertEquals(unknown.times("tasks/get"), [0]);
  const known = createFixture([DONE]);
  const following = known.follower.follow(working({ pollIntervalMs: 250 }) as unknown as Task);
  await known.clock.advance(250);
  assertEquals(await following, DONE.result);
  assertEquals(known.times("tasks/get"), [250]);
});

Deno.test("TaskFollower keeps to the newest interval within bounds, and to 1 s without one", async () => {
  const intervals = [
    ...[[undefined, 1_000], [2_000, 2_000], [0, 100], [99, 100], [100, 100], [101, 101], [-5, 100]],
    ...[[60_000, 60_000], [60_001, 60_000], [1e12, 60_000], ["9", 1_000], [null, 1_000]],
  ];
  const { clock, follower, times } = createFixture([
    ...intervals.map(([pollIntervalMs]) => working({ pollIntervalMs })),
    DONE,
  ]);
  const following = follower.follow();
  await clock.advance(600_000);
  await following;
  assertEquals(toWaits(times("tasks/get")), intervals.map(([, waitMs]) => waitMs as number));
});

Deno.test("TaskFollower looks once more a second before the deadline", async () => {
  const { clock, follower, times } = createFixture(
    Array<Scripted>(9).fill(working({ pollIntervalMs: 20_000 })),
    { timeoutMs: 30_000 },
  );
  const following = follower.follow();
  following.catch(() => {});
  await clock.advance(30_000);
  assertEquals(times("tasks/get"), [0, 20_000, 29_000]);
});

Deno.test("TaskFollower tells each change once, after what the call itself has told", async () => {
  const { clock, follower, reports } = createFixture([
    working(),
    working({ statusMessage: "1 of 2" }),
    working({ statusMessage: "1 of 2", lastUpdatedAt: "2026-11-01T00:00:01Z" }),
    working({ statusMessage: "1 of 2", lastUpdatedAt: "2026-11-01T00:00:01Z" }),
    DONE,
  ], { progress: 7.5 });
  const following = follower.follow();
  await clock.advance(10_000);
  await following;
  assertEquals(reports, [
    { progress: 8, message: "working" },
    { progress: 9, message: "1 of 2" },
    { progress: 10, message: "1 of 2" },
  ]);
});

Deno.test("TaskFollower tells nobody the id of the task", async () => {
  const { clock, follower, reports } = createFixture([
    working({ taskId: "id-7", statusMessage: "id-7 runs, id-7 waits" }),
    DONE,
  ], { state: { taskId: "id-7" } });
  const following = follower.follow();
  await clock.advance(10_000);
  await following;
  assertEquals(reports, [{ progress: 1, message: "… runs, … waits" }]);
});

Deno.test("TaskFollower asks again after what passes: with back-off, no sooner than the server says", async () => {
  const { clock, follower, times } = createFixture([
    failure("connection_lost"),
    failure("connection_refused"),
    failure("unavailable", { retryAfterMs: 5_000, delivery: "not_executed" }),
    failure("rate_limited"),
    failure("operation_failed", { temporary: true }),
    { unexpected: true },
    DONE,
  ]);
  const following = follower.follow();
  await clock.advance(60_000);
  assertEquals(await following, DONE.result);
  assertEquals(toWaits(times("tasks/get")), [50, 75, 5_500, 1_000, 253.125, 379.6875]);
});

Deno.test("TaskFollower asks until the deadline, however often it fails", async () => {
  const { clock, abort, follower, times } = createFixture(
    Array<Scripted>(1_000).fill(failure("connection_refused")),
  );
  const following = rejection(follower.follow());
  await clock.advance(300_000);
  abort.abort("the deadline");
  assertEquals(await following as unknown, "the deadline");
  assertEquals(times("tasks/get").length > 250, true);
  assertEquals(clock.timers, 0);
});

for (const effect of ["safe", "idempotent", "unsafe"] as const) {
  for (const code of ["invalid_arguments", "operation_not_found", "operation_failed"] as const) {
    Deno.test(`TaskFollower takes ${code} for the loss of the task, ${effect}`, async () => {
      const { follower, asked } = createFixture([failure(code)], { effect });
      const error = await rejection(follower.follow());
      const unsafe = effect === "unsafe";
      assertEquals(
        [error.code, error.delivery, error.retryable, asked.length],
        [unsafe ? "outcome_unknown" : "operation_failed", "unknown", !unsafe, 1],
      );
    });
  }

  for (const code of ["unauthorized", "forbidden", "protocol_error"] as const) {
    Deno.test(`TaskFollower K11: does not take ${code} for a proof about the operation, ${effect}`, async () => {
      const { follower, asked } = createFixture([failure(code, { delivery: "not_executed" })], {
        effect,
      });
      const error = await rejection(follower.follow());
      assertEquals([error.code, error.delivery, asked.length], [code, "unknown", 1]);
    });
  }
}

Deno.test("TaskFollower tells the server once that nobody waits, and does not wait for its answer", async () => {
  for (const end of ["abort", "deadline"] as const) {
    const gets = end === "deadline" ? [failure("deadline_exceeded")] : [working(), DONE];
    const { clock, abort, follower, times, background } = createFixture(gets);
    const following = rejection(follower.follow());
    await clock.advance(10);
    const reason = new Error("the user left");
    if (end === "abort") abort.abort(reason);
    const error = await following;
    if (end === "abort") assertStrictEquals(error as unknown, reason);
    else assertEquals([error.code, error.delivery], ["deadline_exceeded", "unknown"]);
    assertEquals([times("tasks/cancel"), background.length, clock.timers], [
      [end === "abort" ? 10 : 0],
      1,
      0,
    ]);
  }
});

Deno.test("TaskFollower cancels a task at once whose caller has left already", async () => {
  const { abort, follower, times } = createFixture([DONE]);
  abort.abort("gone");
  assertEquals(await rejection(follower.follow()) as unknown, "gone");
  assertEquals([times("tasks/get"), times("tasks/cancel")], [[], [0]]);
});

Deno.test("TaskFollower leaves a task alone whose connection is closed", async () => {
  const { clock, closing, follower, asked } = createFixture([working(), DONE]);
  const following = rejection(follower.follow());
  await clock.advance(10);
  closing.abort();
  const error = await following;
  assertEquals([error.code, error.delivery, error.temporary], ["connection_lost", "unknown", true]);
  assertEquals([asked.length, clock.timers], [1, 0]);
});

const FORM = { method: "elicitation/create", params: { message: "?", requestedSchema: {} } };
const ROOTS = { method: "roots/list", params: {} };

/** Handlers that count. */
function createHandlers() {
  const calls = { form: 0, roots: 0 };
  const handlers: InputHandlers = {
    form: () => {
      calls.form++;
      return { action: "decline" };
    },
    roots: () => {
      calls.roots++;
      return { roots: [] };
    },
  };
  return { calls, handlers };
}

function asking(inputRequests: Record<string, unknown>): Record<string, unknown> {
  return { taskId: "t1", status: "input_required", inputRequests };
}

Deno.test("TaskFollower answers each key once, though the server still shows it", async () => {
  const { calls, handlers } = createHandlers();
  const { clock, follower, asked, states } = createFixture([
    asking({ a: FORM }),
    asking({ a: FORM }),
    asking({ a: FORM, b: ROOTS }),
    DONE,
  ], { handlers });
  const following = follower.follow();
  await clock.advance(10_000);
  await following;
  assertEquals(calls, { form: 1, roots: 1 });
  const updates = asked.filter(({ method }) => method === "tasks/update").map(({ params }) =>
    params
  );
  assertEquals(updates, [
    { taskId: "t1", inputResponses: { a: { action: "decline" } } },
    { taskId: "t1", inputResponses: { b: { roots: [] } } },
  ]);
  assertEquals(states, [
    { taskId: "t1", answered: ["a"] },
    { taskId: "t1", answered: ["a", "b"] },
  ]);
});

Deno.test("TaskFollower does not answer what was answered before it was resumed", async () => {
  const { calls, handlers } = createHandlers();
  const { clock, follower } = createFixture([asking({ a: FORM, b: ROOTS }), DONE], {
    handlers,
    state: { answered: ["a"] },
  });
  const following = follower.follow();
  await clock.advance(10_000);
  await following;
  assertEquals(calls, { form: 0, roots: 1 });
});

Deno.test("TaskFollower sends an answer again whose arrival is open, and does not ask again for it", async () => {
  const { calls, handlers } = createHandlers();
  const { clock, follower, asked } = createFixture([asking({ a: FORM }), DONE], {
    handlers,
    updates: [failure("connection_lost"), failure("unavailable")],
  });
  const following = follower.follow();
  await clock.advance(10_000);
  await following;
  assertEquals(calls.form, 1);
  assertEquals(asked.filter(({ method }) => method === "tasks/update").length, 3);
});

Deno.test("TaskFollower gives a later attempt the answers that were not taken yet", async () => {
  const { calls, handlers } = createHandlers();
  const first = createFixture([asking({ a: FORM })], {
    handlers,
    updates: [failure("connection_lost")],
  });
  const lost = rejection(first.follower.follow());
  await first.clock.advance(10);
  first.closing.abort();
  assertEquals((await lost).code, "connection_lost");
  const second = createFixture([asking({ a: FORM, b: ROOTS }), DONE], {
    handlers,
    answered: await first.answers.at(-1),
  });
  const following = second.follower.follow();
  await second.clock.advance(10_000);
  await following;
  assertEquals(calls, { form: 1, roots: 1 });
  const updates = second.asked.filter(({ method }) => method === "tasks/update");
  assertEquals(updates.map(({ params }) => params["inputResponses"]), [
    { a: { action: "decline" }, b: { roots: [] } },
  ]);
});

Deno.test("TaskFollower tells the handler when nobody waits for its answer any more", async () => {
  let told: unknown;
  const { clock, abort, follower, times } = createFixture([asking({ a: FORM })], {
    handlers: {
      form: (_, { signal, operation }) =>
        new Promise((_, reject) => {
          signal.addEventListener("abort", () => {
            told = [operation, signal.reason];
            reject(signal.reason);
          });
        }),
    },
  });
  const following = rejection(follower.follow());
  await clock.advance(100);
  abort.abort("gone");
  assertEquals(await following as unknown, "gone");
  assertEquals([told, times("tasks/cancel")], [["act", "gone"], [100]]);
});

Deno.test("TaskFollower fails with what a failed task says, whatever that is", async () => {
  for (const error of [undefined, null, "text", { code: "x" }, { code: -32602, message: "No" }]) {
    const { follower } = createFixture([{ taskId: "t1", status: "failed", error }]);
    await assertRejects(() => follower.follow(), Error, "The exchange failed: rpc");
  }
});
