import { assert, assertEquals } from "@std/assert";
import {
  ConcurrencyLimiter,
  type LimiterOptions,
  type LimiterSample,
} from "../../src/resilience/limiter.ts";
import { FakeClock, settle } from "../support/fake_clock.ts";

function createLimiter(maxLimit: number, options: LimiterOptions = {}) {
  const clock = new FakeClock();
  const changes: number[] = [];
  const onChange = (limit: number) => void changes.push(limit);
  const limiter = new ConcurrencyLimiter(maxLimit, options, clock, onChange);

  /** Fills the limiter, then lets attempts end so, each of them replaced at once. */
  const end = (...samples: LimiterSample[]): void => {
    while (limiter.hasRoom) limiter.enter();
    for (const sample of samples) {
      limiter.leave(sample);
      while (limiter.hasRoom) limiter.enter();
    }
  };
  return { clock, limiter, changes, end };
}

const times = (count: number, sample: LimiterSample): LimiterSample[] =>
  new Array<LimiterSample>(count).fill(sample);

Deno.test("A1 ConcurrencyLimiter starts at 20 or at its highest limit, and admits as many", () => {
  for (const [maxLimit, start] of [[1, 1], [2, 2], [10, 10], [20, 20], [200, 20]] as const) {
    const { limiter } = createLimiter(maxLimit);
    assertEquals([limiter.limit, limiter.inFlight], [start, 0]);
    for (let i = 0; i < start; i++) {
      assert(limiter.hasRoom);
      limiter.enter();
    }
    assertEquals([limiter.hasRoom, limiter.inFlight], [false, start]);
    limiter.leave("none");
    assertEquals([limiter.hasRoom, limiter.inFlight], [true, start - 1]);
  }
});

Deno.test("A1 ConcurrencyLimiter grows by one per round of successes, up to its highest limit", () => {
  const { limiter, changes, end } = createLimiter(6, { initialLimit: 4 });
  end(...times(4, "success"));
  // 4 + 1/4 + 1/4.25 + 1/4.485 + 1/4.708 = 4.92…
  assertEquals(limiter.limit, 4);
  end("success");
  assertEquals([limiter.limit, changes], [5, [5]]);
  end(...times(100, "success"));
  assertEquals([limiter.limit, changes], [6, [5, 6]]);
});

Deno.test("A1 ConcurrencyLimiter does not grow while less than half of it is used", () => {
  for (const [used, limit] of [[4, 10], [6, 12]] as const) {
    const { limiter } = createLimiter(20, { initialLimit: 10 });
    for (let round = 0; round < 100; round++) {
      for (let i = 0; i < used; i++) limiter.enter();
      for (let i = 0; i < used; i++) limiter.leave(i === 0 ? "success" : "none");
    }
    assertEquals(limiter.limit, limit, `${used} used`);
  }
  // Exactly half of it counts: from 2 to 2.5, then to 2.9 and to 3.2.
  const { limiter } = createLimiter(5, { initialLimit: 2 });
  for (const inFlight of [1, 2, 2]) {
    while (limiter.inFlight < inFlight) limiter.enter();
    limiter.leave("success");
  }
  assertEquals(limiter.limit, 3);
});

Deno.test("A1 ConcurrencyLimiter falls by a tenth with a drop, to 2 and no lower, or to 1 of 1", async () => {
  const { clock, limiter, changes, end } = createLimiter(10, { dropShare: 0 });
  for (let i = 0; i < 40; i++) {
    end("drop");
    await clock.advance(50);
  }
  assertEquals(changes, [9, 8, 7, 6, 5, 4, 3, 2]);
  for (const [maxLimit, initialLimit, least] of [[1, 20, 1], [2, 20, 2], [9, 1, 1], [9, 1.5, 1]]) {
    const small = createLimiter(maxLimit!, { initialLimit: initialLimit!, dropShare: 0 });
    for (let i = 0; i < 10; i++) {
      small.end("drop");
      await small.clock.advance(50);
    }
    small.limiter.ramp();
    assertEquals([small.limiter.limit, small.changes], [least, []]);
  }
  assertEquals(limiter.limit, 2);
});

Deno.test("A1 ConcurrencyLimiter falls once per usual time of the operation, at most per 50 ms", async () => {
  for (const [p50Ms, spacingMs] of [[0, 50], [49, 50], [51, 51], [400, 400]] as const) {
    const { clock, limiter } = createLimiter(100, { initialLimit: 100, dropShare: 0 });
    const drop = (): number => {
      limiter.enter();
      limiter.leave("drop", p50Ms);
      return limiter.limit;
    };
    assertEquals([drop(), drop()], [90, 90]);
    await clock.advance(spacingMs - 1);
    assertEquals(drop(), 90, `${p50Ms}`);
    await clock.advance(1);
    assertEquals(drop(), 81, `${p50Ms}`);
    assertEquals(clock.timers, 0);
  }
});

Deno.test("A2 ConcurrencyLimiter keeps its limit with 1 drop in 10 attempts, lowers it with 3", () => {
  for (let place = 0; place < 10; place++) {
    const { limiter, end } = createLimiter(10);
    const attempts = times(10, "success");
    attempts[place] = "drop";
    end(...attempts);
    assertEquals(limiter.limit, 10, `one drop, at ${place}`);
  }
  for (let first = 0; first < 8; first++) {
    for (let second = first + 1; second < 9; second++) {
      const { changes, end } = createLimiter(10);
      const attempts = times(10, "success");
      for (const place of [first, second, 9]) attempts[place] = "drop";
      end(...attempts);
      assert(changes.length > 0, `three drops, at ${first}, ${second} and 9`);
    }
  }
});

Deno.test("A2 ConcurrencyLimiter forgets a drop by a tenth with each attempt after it", () => {
  // 0.1 × 0.9^6 + 0.1 is 0.153 after the second drop, 0.1 × 0.9^7 + 0.1 is 0.148.
  for (const [successes, limit] of [[5, 9], [6, 10]] as const) {
    const { limiter, end } = createLimiter(10);
    end("drop", ...times(successes, "success"), "drop");
    assertEquals(limiter.limit, limit, `${successes} successes`);
  }
});

Deno.test("A2 ConcurrencyLimiter counts attempts that say nothing neither for nor against", () => {
  const { limiter, changes, end } = createLimiter(10);
  end("drop", ...times(50, "none"));
  assertEquals([limiter.limit, changes], [10, []]);
  end("drop");
  assertEquals([limiter.limit, changes], [9, [9]]);
});

Deno.test("A1 ConcurrencyLimiter takes the factor and the share that it is given", async () => {
  const limits = async (options: LimiterOptions): Promise<number[]> => {
    const { clock, limiter, end } = createLimiter(20, options);
    const seen: number[] = [];
    for (let i = 0; i < 4; i++) {
      end("drop");
      await clock.advance(50);
      seen.push(limiter.limit);
    }
    return seen;
  };
  assertEquals(await limits({}), [20, 18, 16, 14]);
  assertEquals(await limits({ initialLimit: 10 }), [10, 9, 8, 7]);
  assertEquals(await limits({ decreaseFactor: 0.5 }), [20, 10, 5, 2]);
  assertEquals(await limits({ decreaseFactor: 1 }), [20, 20, 20, 20]);
  assertEquals(await limits({ dropShare: 0.1 }), [18, 16, 14, 13]);
  assertEquals(await limits({ dropShare: 1 }), [20, 20, 20, 20]);
});

Deno.test("B7 ConcurrencyLimiter.ramp() starts again from 8, or from less if it was less", () => {
  for (const [maxLimit, limit] of [[50, 8], [8, 8], [7, 7], [1, 1]] as const) {
    const { limiter, end } = createLimiter(maxLimit);
    for (let i = 0; i < maxLimit; i++) if (limiter.hasRoom) limiter.enter();
    limiter.ramp();
    assertEquals(limiter.limit, limit);
    // Those in flight stay; nobody enters until there is room again.
    assertEquals(limiter.hasRoom, false);
    while (!limiter.hasRoom) limiter.leave("none");
    assertEquals(limiter.inFlight, limit - 1);
    end(...times(2_000, "success"));
    assertEquals(limiter.limit, maxLimit);
  }
});

Deno.test("E5 ConcurrencyLimiter goes on when its listener throws, and reports it in a microtask", async () => {
  const reported: unknown[] = [];
  const report = (event: ErrorEvent): void => {
    event.preventDefault();
    reported.push(event.error);
  };
  addEventListener("error", report);
  const limiter = new ConcurrencyLimiter(20, {}, new FakeClock(), (limit) => {
    throw limit;
  });
  limiter.ramp();
  assertEquals([limiter.limit, reported], [8, []]);
  await settle();
  removeEventListener("error", report);
  assertEquals(reported, [8]);
});
