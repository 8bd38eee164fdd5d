import { assert, assertEquals, assertThrows } from "@std/assert";
import { AutoMCPClient } from "../../src/client/client.ts";
import { ClientError } from "../../src/errors/errors.ts";
import { readConfig } from "../../src/hono/config.ts";
import { BREAKER_RULES } from "../../src/resilience/breaker_options.ts";
import { BUDGET_RULES } from "../../src/resilience/budget.ts";
import { QUEUE_RULES } from "../../src/resilience/gate_options.ts";
import { LIMITER_RULES } from "../../src/resilience/limiter.ts";
import { MemoryConnector } from "../support/memory_connector.ts";

const sha256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

Deno.test("readConfig reads the mcpServers shape with policies, keys and shards", () => {
  const config = readConfig({
    auth: { keys: [{ principal: "ci", sha256 }] },
    principals: { ci: { shards: 4 }, ops: {} },
    mcpServers: {
      files: {
        type: "http",
        url: "https://files.example/mcp",
        headers: { Authorization: "Bearer ${TOKEN}" },
        automcp: {
          timeoutMs: 60_000,
          maxAttempts: 5,
          poolSize: 4,
          trustAnnotations: true,
          include: ["search", "resources/read"],
          exclude: ["prompts/get"],
          operations: {
            search: { effect: "safe", timeoutMs: 5_000 },
            "resources/read": { timeoutMs: 2_000 },
          },
        },
      },
      bare: { url: "http://127.0.0.1:${PORT}/mcp" },
    },
  }, { TOKEN: "t0p", PORT: "9200", OTHER: 7 });
  assertEquals(config, {
    auth: { keys: [{ principal: "ci", sha256 }] },
    shards: { ci: 4, ops: 1 },
    servers: {
      files: {
        url: "https://files.example/mcp",
        headers: { Authorization: "Bearer t0p" },
        policy: {
          timeoutMs: 60_000,
          maxAttempts: 5,
          poolSize: 4,
          trustAnnotations: true,
          include: ["search", "resources/read"],
          exclude: ["prompts/get"],
          operations: {
            search: { effect: "safe", timeoutMs: 5_000 },
            "resources/read": { timeoutMs: 2_000 },
          },
        },
      },
      bare: { url: "http://127.0.0.1:9200/mcp", headers: {}, policy: {} },
    },
  });
});

/** Every value of a policy, and values that it must not have. */
const POLICY: Record<string, [good: unknown, ...bad: unknown[]]> = {
  timeoutMs: [1, 0, "1"],
  maxAttempts: [1, 0, 1.5],
  backoffFactor: [1, 0.9],
  progressIdleTimeoutMs: [0.5, 0, -1, "1"],
  hedge: [true, "yes", 1],
  failFast: [true, "yes", 1],
  onSessionLoss: ["error", "ignore", true],
  poolSize: [1, 0, 1.5],
  "breaker.tripAfter": [1, 0, 1.5],
  "breaker.tripShare": [0.5, 0, -1],
  "breaker.pauseAfter": [1, 0, 1.5],
  "breaker.pauseRatio": [0, -0.1],
  "breaker.metricsOnly": [false, 0],
  "limiter.initialLimit": [1, 0.9],
  "limiter.decreaseFactor": [1, 0, 1.1],
  "limiter.dropShare": [0, -0.1, 1.1],
  "queue.maxQueue": [1, 0, 1.5],
  "queue.shedFactor": [0, -1],
  "retryBudget.capacity": [0, -1],
  "retryBudget.initial": [0, -1],
  "retryBudget.perExecution": [0, -1],
  "retryBudget.perSecond": [0, -1],
  trustAnnotations: [true, "yes"],
  "operations.add.effect": ["safe", "none"],
  "operations.add.timeoutMs": [0.5, 0],
  "operations.add.maxAttempts": [1, 0, 1.5],
  "operations.add.progressIdleTimeoutMs": [0.5, 0],
  "operations.add.idempotency": [
    { place: "meta", name: "key" },
    { place: "header", name: "key" },
    { place: "argument" },
    { place: "argument", name: "" },
    { place: "argument", name: "key", more: 1 },
    "key",
  ],
};

/** A policy that says one thing. */
function policyOf(path: string, value: unknown): Record<string, unknown> {
  const [key, ...rest] = path.split(".");
  return { [key!]: rest.length === 0 ? value : policyOf(rest.join("."), value) };
}

Deno.test("readConfig takes each value of a policy in its range, as the client does, and refuses others", () => {
  const read = (policy: unknown) =>
    readConfig({ mcpServers: { a: { url: "https://x.example", automcp: policy } } });
  for (const [path, [good, ...bad]] of Object.entries(POLICY)) {
    const policy = policyOf(path, good);
    assertEquals(read(policy).servers["a"]?.policy as unknown, policy);
    const connector = new MemoryConnector();
    new AutoMCPClient("test", { groups: { a: { connector, ...policy } } });
    for (const value of bad) {
      const error = assertThrows(() => read(policyOf(path, value)), ClientError);
      assert(error.message.includes(`mcpServers.a.automcp.${path}`), error.message);
    }
    if (path.includes(".")) {
      const parent = path.slice(0, path.lastIndexOf("."));
      const error = assertThrows(() => read(policyOf(`${parent}.unheard`, 1)), ClientError);
      assert(error.message.endsWith(`automcp.${parent}.unheard: is no known key`), error.message);
    }
  }
});

Deno.test("readConfig leaves no value of breaker, limiter, queue and budget out", () => {
  const all = { breaker: BREAKER_RULES, limiter: LIMITER_RULES, queue: QUEUE_RULES };
  for (const [name, rules] of Object.entries({ ...all, retryBudget: BUDGET_RULES })) {
    for (const key of Object.keys(rules)) assert(`${name}.${key}` in POLICY, `${name}.${key}`);
  }
});

Deno.test("readConfig reads JSON text and leaves auth open if it is not given", () => {
  assertEquals(readConfig('{"mcpServers": {}}'), { auth: undefined, shards: {}, servers: {} });
});

Deno.test("readConfig names every fault with its path", () => {
  const faults = faultsOf({
    auth: { keys: [{ principal: "a/b", sha256: "abc" }] },
    principal: {},
    mcpServers: {
      files: { url: "ftp://x", headers: { "a b": "1" }, automcp: { poolSize: 0, retries: 3 } },
      local: { command: "npx", args: ["-y"] },
      "a b": { url: "https://user:pass@x.example" },
      half: { url: "https://:pass@x.example" },
    },
  });
  assertEquals(
    faults.sort(),
    [
      "auth.keys[0].principal: must be 1 to 128 characters without /",
      "auth.keys[0].sha256: must be a SHA-256 digest, 64 hex digits",
      'mcpServers.files.headers["a b"]: is no header name',
      "mcpServers.files.automcp.poolSize: Too small: expected number to be >=1",
      "mcpServers.files.automcp.retries: is no known key",
      "mcpServers.files.url: must be an http: or https: URL",
      "mcpServers.local.args: is no known key",
      "mcpServers.local.command: is no known key",
      "mcpServers.local.url: must be an http: or https: URL",
      "mcpServers.half.url: must hold no credentials: they belong in headers",
      `mcpServers["a b"]: must be named with 1 to 64 letters, digits, '_', '.' or '-'`,
      "principal: is no known key",
    ].sort(),
  );
});

Deno.test("readConfig names a variable that the environment lacks, and where", () => {
  const json = { mcpServers: { files: { url: "${URL}", headers: { "X-Key": "a ${KEY}" } } } };
  assertEquals(faultsOf(json, { KEY: 1 }), [
    "mcpServers.files.url: the environment holds no URL",
    "mcpServers.files.headers.X-Key: the environment holds no KEY",
  ]);
});

Deno.test("readConfig accepts no authentication only in so many words", () => {
  assertEquals(readConfig({ auth: "none", mcpServers: {} }).auth, "none");
  for (const auth of ["off", null, false, { keys: [] }, {}, { principal: "ci" }]) {
    const [fault] = faultsOf({ auth, mcpServers: {} });
    assert(fault?.startsWith("auth"), `${JSON.stringify(auth)} was accepted: ${fault}`);
  }
});

Deno.test("readConfig never quotes a value", () => {
  const secret = "s3cr3t";
  for (
    const json of [
      `{"mcpServers": ${secret}`,
      { auth: secret, mcpServers: { a: { url: secret, headers: { a: `${secret}\n` } } } },
      { mcpServers: { a: { url: `https://u:${secret}@x.example` } } },
      {
        mcpServers: { a: { url: "https://x", automcp: { operations: { b: { effect: secret } } } } },
      },
    ]
  ) {
    const error = assertThrows(() => readConfig(json, {}), ClientError);
    assertEquals(error.code, "configuration_invalid");
    assert(!JSON.stringify(error).includes(secret), error.message);
  }
});

function faultsOf(json: unknown, env: Record<string, unknown> = {}): string[] {
  const error = assertThrows(() => readConfig(json, env), ClientError);
  assertEquals(error.code, "configuration_invalid");
  return error.message.replace(/^The configuration cannot be used: /, "").split("; ");
}
