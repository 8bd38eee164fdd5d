import { assertEquals } from "@std/assert";
import type { ExecutionResponse } from "../../src/client/execution.ts";
import { formatEta, formatMs } from "../../src/console/format.ts";
import { explainDelivery, Run, type RunningOperation } from "../../src/console/run.ts";
import { createClientError } from "../../src/errors/errors.ts";
import { settle } from "../support/fake_clock.ts";

const RESPONSE = { success: true, status: "success", attempts: 1 } as ExecutionResponse;

/** A run whose execution ends as the test says. */
function createRun() {
  const { promise, resolve, reject } = Promise.withResolvers<ExecutionResponse>();
  let cancels = 0;
  const run = new Run((): RunningOperation => ({
    progress: (async function* () {
      yield { seq: 2, attempt: 1, progress: 1, total: 4, fraction: 0.25, atMs: 0 };
    })(),
    response: promise,
    cancel: () => void cancels++,
  }));
  return { run, resolve, reject, cancels: () => cancels };
}

Deno.test("Run shows progress, the endpoint's events and the response", async () => {
  const { run, resolve } = createRun();
  let changes = 0;
  const undo = run.subscribe(() => changes++);
  run.take({ operation: "count", type: "attempt", data: { attempt: 1 } });
  assertEquals([run.state.status, run.state.log.length], ["idle", 0]);
  const ended = run.start({}, 1_000);
  for (
    const [type, data] of [
      ["execution", { id: "x1" }],
      ["attempt", { attempt: 1 }],
      ["progress", { progress: 1234.5, total: 5000, message: "Half" }],
      ["attempt", { attempt: 2, reason: "unavailable", waitMs: 480 }],
      ["gap", { from: 5, to: 7 }],
      ["result", {}],
    ] as const
  ) run.take({ operation: "count", type, data });
  await settle();
  assertEquals([run.state.status, run.state.executionId, run.state.attempt], ["running", "x1", 2]);
  assertEquals(run.state.progress?.fraction, 0.25);
  resolve(RESPONSE);
  await ended;
  assertEquals([run.state.status, run.state.response], ["success", RESPONSE]);
  assertEquals(run.state.log.map(({ kind, text }) => `${kind}: ${text}`), [
    "info: The endpoint took the execution",
    "info: Attempt 1",
    "progress: 1,234.5 of 5,000 · Half",
    "retry: Attempt 2 after unavailable and a wait of 480 ms",
    "info: Events 5 to 7 were dropped",
    "success: The operation succeeded",
  ]);
  undo();
  const before = changes;
  run.take({ operation: "count", type: "attempt", data: { attempt: 1 } });
  assertEquals(changes, before);
});

Deno.test("Run tells a cancel and an unknown outcome from other failures", async () => {
  for (
    const [code, status] of [
      ["cancelled", "cancelled"],
      ["outcome_unknown", "unknown"],
      ["shed", "failed"],
    ] as const
  ) {
    const { run, reject, cancels } = createRun();
    run.cancel();
    const ended = run.start({}, 1_000);
    run.cancel();
    reject(createClientError(code, "Why"));
    await ended;
    assertEquals([run.state.status, run.state.error?.code, cancels()], [status, code, 1]);
  }
});

Deno.test("explainDelivery() never claims more than is proved", () => {
  const explain = (delivery: "not_sent" | "not_executed" | "unknown" | "executed") =>
    explainDelivery(createClientError("internal", "x", { delivery }), "unsafe");
  assertEquals([explain("not_sent"), explain("not_executed"), explain("executed")], [
    "Nothing was sent to the server: the operation did not run.",
    "It was refused before it ran: nothing was done.",
    "The operation ran, but its result cannot be used.",
  ]);
  const unknown = "It is not known whether it ran.";
  assertEquals(explain("unknown").startsWith(unknown), true);
  const harmless = explainDelivery(createClientError("connection_lost", "x"), "idempotent");
  assertEquals(harmless, `${unknown} Running it again does no harm.`);
});

Deno.test("formatMs() and formatEta() stay short", () => {
  const lengths = [0, 999.4, 1_000, 59_499, 61_000, 119_999, 5_400_000];
  assertEquals(lengths.map(formatMs), [
    ...["0 ms", "999 ms", "1.0 s", "59 s", "1 min 1 s", "2 min 0 s", "1.5 h"],
  ]);
  assertEquals([formatEta(900), formatEta(2_400)], ["less than 1 s left", "about 2 s left"]);
});
