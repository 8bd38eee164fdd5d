import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { AutoMCPClient } from "../../src/client/client.ts";
import { resolveClientConfig } from "../../src/client/config.ts";
import { resolveEffect } from "../../src/client/effect.ts";
import { MemoryConnector } from "../support/memory_connector.ts";

const connector = new MemoryConnector();

function create(config: object): () => AutoMCPClient {
  return () => new AutoMCPClient("test", config as never);
}

Deno.test("AutoMCPClient refuses unknown keys with the nearest known one", () => {
  const cases: [object, string][] = [
    [{ groups: {}, timeout: 5 }, "'timeout' is no known option; did you mean 'timeoutMs'?"],
    [{ groups: {}, retryCount: 5 }, "'retryCount' is no known option"],
    [{ groups: { g: { connector, poolsize: 1 } } }, "did you mean 'poolSize'?"],
    [
      { groups: { g: { connector, operations: { add: { efect: "safe" } } } } },
      "Cannot create group 'g', operation 'add', as 'efect' is no known option; did you mean 'effect'?",
    ],
  ];
  for (const [config, message] of cases) assertThrows(create(config), TypeError, message);
});

Deno.test("AutoMCPClient refuses numbers out of their range", () => {
  const cases: [string, unknown[]][] = [
    ["timeoutMs", [0, -1, NaN]],
    ["poolSize", [0, 1.5, NaN, -1]],
    ["acquireTimeoutMs", [0, NaN]],
    ["idleTimeoutMs", [0, -1, NaN]],
    ["maxLifetimeMs", [0, -1, NaN]],
    ["leakThresholdMs", [0, -1, NaN]],
    ["retireAfterTimeouts", [0, 1.5, NaN]],
    ["maxAttempts", [0, 1.5, NaN]],
    ["backoffFactor", [0.99, NaN]],
    ["baseDelayMs", [-1, NaN]],
    ["maxDelayMs", [-1, NaN]],
    ["throttledBaseDelayMs", [-1, NaN]],
    ["maxRetryAfterMs", [-1, NaN]],
  ];
  for (const [name, values] of cases) {
    for (const value of values) {
      assertThrows(
        create({ groups: { g: { connector, [name]: value } } }),
        RangeError,
        `'${name}'`,
      );
      assertThrows(
        create({ groups: { g: { connector } }, [name]: value }),
        RangeError,
        `'${name}'`,
      );
    }
    assertThrows(create({ groups: { g: { connector, [name]: "5" } } }), TypeError, `'${name}'`);
  }
});

Deno.test("AutoMCPClient refuses values of the wrong type, saying what would be right", () => {
  const cases: [unknown, string][] = [
    [undefined, "its options must be an object"],
    [{}, "'groups' must be an object"],
    [{ groups: [] }, "'groups' must be an object"],
    [{ groups: { g: {} } }, "'connector' must be an object"],
    [{ groups: { g: { connector: {} } } }, "'connector.connect' must be a function"],
    [{ groups: { g: null } }, "'connector' must be an object"],
    [{ groups: { "a b": { connector } } }, "its name must be 1 to 64 of A-Z a-z 0-9 _ . -"],
    [{ groups: { g: { connector, include: "add" } } }, "'include' must be a list"],
    [{ groups: { g: { connector, trustAnnotations: "yes" } } }, "must be a boolean"],
    [{ groups: { g: { connector, operations: { add: { effect: "none" } } } } }, "'effect' must be"],
  ];
  for (const [config, message] of cases) assertThrows(create(config as object), TypeError, message);
  assertThrows(() => new AutoMCPClient(5 as never, { groups: {} }), TypeError, "'name'");
});

Deno.test("AutoMCPClient refuses groups that share a connector and disagree about its pool", () => {
  assertThrows(
    create({ groups: { a: { connector, poolSize: 2 }, b: { connector } } }),
    TypeError,
    "Cannot create group 'b' as 'poolSize' must be that of 'a' with its connector",
  );
});

Deno.test("resolveClientConfig() fills in the defaults, the client's values and the group's", () => {
  const config = {
    maxAttempts: 5,
    timeoutMs: 1_000,
    groups: { g: { connector, timeoutMs: 2_000 } },
  };
  const [group] = resolveClientConfig(config).groups;
  assertEquals({ ...group, connector: undefined }, {
    name: "g",
    connector: undefined,
    timeoutMs: 2_000,
    maxAttempts: 5,
    baseDelayMs: 100,
    throttledBaseDelayMs: 1_000,
    backoffFactor: 1.5,
    maxDelayMs: 2_000,
    maxRetryAfterMs: 60_000,
    poolSize: 10,
    acquireTimeoutMs: 5_000,
    idleTimeoutMs: 300_000,
    maxLifetimeMs: 1_800_000,
    retireAfterTimeouts: 5,
    leakThresholdMs: Infinity,
    breaker: {},
    limiter: {},
    queue: {},
    retryBudget: {},
    trustAnnotations: false,
    attemptFloorMs: 10_000,
    progressIdleTimeoutMs: Infinity,
    hedge: false,
    failFast: false,
    onSessionLoss: "transparent",
    sendAttempt: false,
    sendDeadline: false,
    include: undefined,
    exclude: [],
    operations: {},
  });
});

Deno.test("resolveClientConfig() takes an option that is undefined for one that is not given", () => {
  const group = { connector, maxAttempts: undefined as never, timeoutMs: undefined as never };
  const [resolved] = resolveClientConfig({ timeoutMs: 7, groups: { g: group } }).groups;
  assertEquals([resolved?.maxAttempts, resolved?.timeoutMs], [3, 7]);
});

const TOOL = { name: "x", kind: "tool", inputSchema: {}, hints: {} } as const;

Deno.test("resolveEffect() takes the first source that speaks", () => {
  const tool = { ...TOOL, hints: { readOnly: true } };
  assertEquals(resolveEffect("idempotent", tool, true, true), "idempotent");
  assertEquals(resolveEffect("unsafe", tool, true, true), "unsafe");
  assertEquals(resolveEffect(undefined, tool, true, true), "safe");
  assertEquals(resolveEffect(undefined, tool, true, false), "unsafe");
  assertEquals(resolveEffect(undefined, tool, false, true), "unsafe");
  const hinted = (hints: object) => resolveEffect(undefined, { ...tool, hints }, true, true);
  assertEquals(hinted({ readOnly: true, destructive: true }), "unsafe");
  assertEquals(hinted({ idempotent: true, destructive: true }), "idempotent");
  assertEquals(hinted({ idempotent: true }), "idempotent");
  assertEquals(hinted({}), "unsafe");
  const resolved = { ...tool, effect: "idempotent" as const };
  assertEquals(resolveEffect(undefined, resolved, true, false), "idempotent");
  assertEquals(resolveEffect(undefined, resolved, false, true), "unsafe");
});

for (const kind of ["resource", "prompt", "completion"] as const) {
  Deno.test(`resolveEffect() knows that a ${kind} changes nothing, unless somebody knows better`, () => {
    const method = { ...TOOL, kind, hints: { destructive: true } };
    for (const fresh of [true, false]) {
      for (const trusted of [true, false]) {
        assertEquals(resolveEffect(undefined, method, fresh, trusted), "safe");
        assertEquals(resolveEffect("unsafe", method, fresh, trusted), "unsafe");
      }
    }
    const resolved = { ...method, effect: "idempotent" as const };
    assertEquals(resolveEffect(undefined, resolved, true, false), "idempotent");
    assertEquals(resolveEffect(undefined, resolved, false, false), "unsafe");
  });
}

Deno.test("resolveEffect() takes an operation of no known kind for a tool", () => {
  for (const kind of [undefined, "task"]) {
    assertEquals(resolveEffect(undefined, { ...TOOL, kind: kind as never }, true, false), "unsafe");
  }
});

Deno.test("1.2 no hint weakens unsafe while annotations are not trusted", () => {
  const flag = fc.option(fc.boolean(), { nil: undefined });
  const hints = fc.record({ readOnly: flag, idempotent: flag, destructive: flag, openWorld: flag });
  fc.assert(fc.property(hints, fc.boolean(), (hints, fresh) => {
    const tool = { ...TOOL, hints: hints as object };
    assertEquals(resolveEffect(undefined, tool, fresh, false), "unsafe");
  }));
});
