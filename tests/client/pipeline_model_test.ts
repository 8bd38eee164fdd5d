import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import type { ClientEvent } from "../../src/client/events.ts";
import { runs } from "../support/runs.ts";
import { type Outcome, play, type Played, type Script, scripts } from "./pipeline_model.ts";

const RUNS = runs(2_000);

type Own = Extract<ClientEvent, { executionId: string; server: string }>;

const must = (holds: boolean, what: string): void => {
  if (!holds) throw new Error(what);
};

/** K11, R8, D1: what the caller was told, against what the server knows. */
function checkOutcome({ step, end, delivery, ran, tookMs }: Outcome): void {
  must(end !== "pending", "never settles");
  must(tookMs <= step.timeoutMs, "settles after its deadline");
  must(!/^Error|^TypeError/.test(end), `rejects with ${end}`);
  must(step.effect !== "unsafe" || ran <= 1, "an unsafe operation ran twice");
  const isProved = delivery === "not_sent" || delivery === "not_executed";
  must(!isProved || ran === 0, `ran, but is reported as ${delivery}`);
  must(end !== "completed" || ran > 0, "completed, but never ran");
  must(end !== "outcome_unknown" || delivery === "unknown", "is unknown and proved");
  must(end !== "outcome_unknown" || step.effect === "unsafe", "is unknown and repeatable");
}

/** Section 9.2: one start and one end of each, in order. */
function checkEvents(outcome: Outcome, own: readonly Own[], { policy }: Script): void {
  const types = own.map(({ type }) => type);
  must(types[0] === "execution.start", "does not begin with its start");
  must(types.at(-1) === "execution.end", "does not end with its end");
  must(count(types, "execution.start") === 1, "starts twice");
  must(count(types, "execution.end") === 1, "ends twice");
  const open = new Set<number>();
  let started = 0;
  for (const event of own) {
    if (event.type === "attempt.start") {
      must(event.attempt === ++started, "an attempt has the wrong number");
      open.add(event.attempt);
      const { effect } = outcome.step;
      must(open.size <= (effect === "safe" && policy.hedge ? 2 : 1), "too many copies");
    } else if (event.type === "attempt.end") {
      must(open.delete(event.attempt), "an attempt ends that does not run");
    } else if (event.type === "execution.end") {
      must(event.attempts === started, "attempts are miscounted");
      must(outcome.attempts === undefined || event.attempts === outcome.attempts, "attempts");
      must(outcome.delivery === undefined || event.delivery === outcome.delivery, "delivery");
      must((event.code ?? event.outcome) === toTold(outcome), "the end is told otherwise");
    }
  }
  must(open.size === 0, "an attempt never ends");
  const hedged = count(types, "hedge.sent");
  must(hedged === count(types, "hedge.won") + count(types, "hedge.lost"), "a copy never ends");
}

const toTold = ({ end }: Outcome): string => end === "aborted" ? "cancelled" : end;
const count = (list: readonly string[], one: string): number =>
  list.filter((other) => other === one).length;
const sum = (record: Readonly<Record<string, number>>): number =>
  Object.values(record).reduce((total, one) => total + one, 0);

/** Stats add up, and nothing is left. */
function checkRest({ outcomes, events, stats, timers, listeners }: Played): void {
  const group = stats.groups["g"]!;
  const { started, running, completed, failed, aborted, retries, retriesByCode } = group;
  must(started === outcomes.length && running === 0, "executions are miscounted");
  must(completed + failed + aborted === started, "ends are miscounted");
  must(completed === outcomes.filter(({ end }) => end === "completed").length, "completed");
  must(aborted === outcomes.filter(({ end }) => end === "aborted").length, "aborted");
  must(sum(group.failedByCode) === failed, "codes of failures do not add up");
  must(sum(retriesByCode) === retries, "codes of retries do not add up");
  const types = events.map(({ type }) => type);
  must(group.attempts === count(types, "attempt.start"), "attempts do not add up");
  must(retries === count(types, "retry.scheduled"), "retries do not add up");
  const waits = events.map((event) => event.type === "retry.scheduled" ? event.waitMs : 0);
  must(Math.abs(group.waitMs - sum(Object.fromEntries(waits.entries()))) < 1e-6, "waits");
  const { pool, limiter, queue } = stats.servers[0]!;
  must(limiter.inFlight === 0, "a permit is lost");
  must(queue.waiting === 0, "somebody still waits");
  must(pool.leases === 0 && pool.waiting === 0, "a lease is lost");
  must(timers === 0, "a timer is left");
  must(listeners === 0, "a listener is left");
}

function ownEvents(events: readonly ClientEvent[], executionId: string): Own[] {
  return events.filter((event): event is Own =>
    "executionId" in event && event.executionId === executionId &&
    event.type !== "progress.dropped"
  );
}

Deno.test("K11 D1 AutoMCPClient tells the truth, once, whatever servers and callers do", async () => {
  const ends = new Map<string, number>();
  const types = new Map<string, number>();
  const add = (map: Map<string, number>, key: string): void =>
    void map.set(key, (map.get(key) ?? 0) + 1);
  await fc.assert(
    fc.asyncProperty(scripts, async (script) => {
      const played = await play(script);
      const { outcomes, events } = played;
      outcomes.forEach((outcome, index) => {
        checkOutcome(outcome);
        checkEvents(outcome, ownEvents(events, `e${index}`), script);
        add(ends, outcome.end);
      });
      checkRest(played);
      for (const { type } of events) add(types, type);
    }),
    { numRuns: RUNS },
  );
  // The scripts get everywhere, or the property would hold for want of cases.
  const everywhere = ["completed", "aborted", "cancelled", "deadline_exceeded", "outcome_unknown"];
  const refused = ["circuit_open", "connection_lost", "rate_limited", "session_lost"];
  for (const end of [...everywhere, ...refused]) {
    assert((ends.get(end) ?? 0) > RUNS / 200, `${end}: ${ends.get(end)}`);
  }
  for (const type of ["hedge.won", "hedge.lost", "retry.scheduled", "budget.empty"]) {
    assert((types.get(type) ?? 0) > RUNS / 200, `${type}: ${types.get(type)}`);
  }
});

Deno.test("F1 AutoMCPClient does the same when it is told the same", async () => {
  await fc.assert(
    fc.asyncProperty(scripts, async (script) => {
      const [first, second] = [await play(script), await play(script)];
      assertEquals(JSON.stringify(second.events), JSON.stringify(first.events));
      assertEquals(JSON.stringify(second.outcomes), JSON.stringify(first.outcomes));
    }),
    { numRuns: Math.ceil(RUNS / 10) },
  );
});

Deno.test("AutoMCPClient makes no event that nobody hears, and does the same without a listener", async () => {
  await fc.assert(
    fc.asyncProperty(scripts, async (script) => {
      const [heard, unheard] = [await play(script), await play(script, false)];
      assertEquals(JSON.stringify(unheard.outcomes), JSON.stringify(heard.outcomes));
      // Each event reads the wall clock as it is made.
      assertEquals(unheard.wallReads, heard.wallReads - heard.events.length);
    }),
    { numRuns: Math.ceil(RUNS / 10) },
  );
});
