import * as z from "zod";
import type { GroupPolicy, ServerPolicy } from "../client/policy.ts";
import { createClientError } from "../errors/errors.ts";
import type { Auth } from "./auth.ts";
import { expandVariables } from "./variables.ts";

const positiveMs = z.number().positive();
const count = z.int().min(1);
const amount = z.number().min(0);
const flag = z.boolean();
const names = z.array(z.string().min(1));

const policySchema = z.strictObject({
  timeoutMs: positiveMs.exactOptional(),
  maxAttempts: count.exactOptional(),
  backoffFactor: z.number().min(1).exactOptional(),
  progressIdleTimeoutMs: positiveMs.exactOptional(),
  hedge: flag.exactOptional(),
  failFast: flag.exactOptional(),
  onSessionLoss: z.enum(["transparent", "error"]).exactOptional(),
  poolSize: count.exactOptional(),
  breaker: z.strictObject({
    tripAfter: count.exactOptional(),
    tripShare: z.number().positive().exactOptional(),
    pauseAfter: count.exactOptional(),
    pauseRatio: amount.exactOptional(),
    metricsOnly: flag.exactOptional(),
  }).exactOptional(),
  limiter: z.strictObject({
    initialLimit: z.number().min(1).exactOptional(),
    decreaseFactor: z.number().positive().max(1).exactOptional(),
    dropShare: amount.max(1).exactOptional(),
  }).exactOptional(),
  queue: z.strictObject({
    maxQueue: count.exactOptional(),
    shedFactor: amount.exactOptional(),
  }).exactOptional(),
  retryBudget: z.strictObject({
    capacity: amount.exactOptional(),
    initial: amount.exactOptional(),
    perExecution: amount.exactOptional(),
    perSecond: amount.exactOptional(),
  }).exactOptional(),
  trustAnnotations: flag.exactOptional(),
  include: names.exactOptional(),
  exclude: names.exactOptional(),
  operations: z.record(
    z.string().min(1),
    z.strictObject({
      effect: z.enum(["safe", "idempotent", "unsafe"]).exactOptional(),
      timeoutMs: positiveMs.exactOptional(),
      maxAttempts: count.exactOptional(),
      progressIdleTimeoutMs: positiveMs.exactOptional(),
      idempotency: z.strictObject({
        place: z.enum(["argument", "meta"]),
        name: z.string().min(1),
      }).exactOptional(),
    }),
  ).exactOptional(),
});

const serverSchema = z.strictObject({
  url: z.url({ protocol: /^https?$/, error: "must be an http: or https: URL" })
    .refine(holdsNoCredentials, "must hold no credentials: they belong in headers"),
  type: z.enum(["http", "streamable-http"]).exactOptional(),
  headers: z.record(
    z.string().regex(/^[\w!#$%&'*+.^`|~-]+$/, "is no header name"),
    z.string().regex(/^[\t\x20-\x7e\x80-\xff]*$/, "holds what a header cannot carry"),
  ).exactOptional(),
  automcp: policySchema.exactOptional(),
});

/** Becomes part of the name of a Durable Object, where a slash separates. */
const principal = z.string().regex(/^[^/\p{Cc}]{1,128}$/u, "must be 1 to 128 characters without /");

const configSchema = z.strictObject({
  auth: z.union([
    z.literal("none"),
    z.strictObject({
      keys: z.array(z.strictObject({
        principal,
        sha256: z.string().regex(/^[0-9a-f]{64}$/i, "must be a SHA-256 digest, 64 hex digits"),
      })).min(1),
    }),
  ], { error: 'must be "none" or {"keys": [{"principal": …, "sha256": …}]}' }).exactOptional(),
  principals: z.record(
    principal,
    z.strictObject({ shards: z.int().min(1).max(1_000).exactOptional() }),
  )
    .exactOptional(),
  mcpServers: z.record(
    z.string().regex(
      /^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/,
      "must be named with 1 to 64 letters, digits, '_', '.' or '-'",
    ),
    serverSchema,
  ),
});

/** One server of an endpoint's configuration. */
export interface ServerConfig {
  /** Where the server is. */
  readonly url: string;
  /** The headers that go with every request to it, credentials among them. */
  readonly headers: Readonly<Record<string, string>>;
  /** The policy of its group. */
  readonly policy: GroupPolicy & ServerPolicy;
}

/** An endpoint's configuration, checked and filled in: plain data. */
export interface EndpointConfig {
  /** Who may call; `undefined` if the configuration does not say. */
  readonly auth: Auth | undefined;
  /** How many hosts share the work of a principal, for those that do not have one. */
  readonly shards: Readonly<Record<string, number>>;
  /** The servers by the name of their group. */
  readonly servers: Readonly<Record<string, ServerConfig>>;
}

/**
 * Reads the configuration of an endpoint: the `mcpServers` JSON that MCP users already have, with
 * `automcp` policies, `auth` and `principals`. `${NAME}` in a text is filled in from the environment.
 *
 * @param json The configuration, as JSON text or as the value that it stands for.
 * @param env The environment; only its texts are used.
 * @returns The configuration as plain data.
 * @throws {ClientError} `configuration_invalid`; its message names every fault with its path and
 * never a value.
 *
 * @example A server with a secret of the environment
 * ```ts
 * import { readConfig } from "@automcp/client/hono";
 * import { assertEquals } from "@std/assert";
 *
 * const config = readConfig({
 *   auth: "none",
 *   mcpServers: {
 *     files: { url: "https://files.example/mcp", headers: { Authorization: "Bearer ${TOKEN}" } },
 *   },
 * }, { TOKEN: "t0p" });
 * assertEquals(config.servers.files?.headers, { Authorization: "Bearer t0p" });
 * ```
 */
export function readConfig(
  json: unknown,
  env: Readonly<Record<string, unknown>> = {},
): EndpointConfig {
  const { value, missing } = expandVariables(typeof json === "string" ? parse(json) : json, env);
  const result = configSchema.safeParse(value);
  const faults = new Map<string, string>();
  for (const { path, name } of missing) {
    faults.set(showPath(path), `the environment holds no ${name}`);
  }
  for (const { path, message } of result.success ? [] : listFaults(result.error.issues, [])) {
    const place = showPath(path);
    if (!faults.has(place)) faults.set(place, message);
  }
  if (faults.size > 0 || !result.success) throw invalid(faults);
  const { auth, principals = {}, mcpServers } = result.data;
  return {
    auth,
    shards: mapValues(principals, ({ shards = 1 }) => shards),
    servers: mapValues(mcpServers, ({ url, headers = {}, automcp = {} }) => ({
      url,
      headers,
      policy: automcp,
    })),
  };
}

function holdsNoCredentials(text: string): boolean {
  const url = URL.parse(text);
  return url === null || (url.username === "" && url.password === "");
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // The parser's own message quotes the text, which may hold secrets.
    throw invalid(new Map([["", "it is not valid JSON"]]));
  }
}

function invalid(faults: ReadonlyMap<string, string>): Error {
  const list = [...faults].map(([place, message]) =>
    place === "" ? message : `${place}: ${message}`
  );
  return createClientError(
    "configuration_invalid",
    `The configuration cannot be used: ${list.join("; ")}`,
  );
}

interface Fault {
  readonly path: readonly PropertyKey[];
  readonly message: string;
}

/** Of a union it reports the faults of the branch that was meant, if one can be told. */
function* listFaults(
  issues: readonly z.core.$ZodIssue[],
  parent: readonly PropertyKey[],
): Generator<Fault> {
  for (const issue of issues) {
    const path = [...parent, ...issue.path];
    const meant = issue.code === "invalid_union"
      ? issue.errors.find((branch) =>
        branch.some((one) => one.path.length > 0 || one.code === "unrecognized_keys")
      )
      : undefined;
    if (meant !== undefined) yield* listFaults(meant, path);
    else if (issue.code === "unrecognized_keys") {
      for (const key of issue.keys) yield { path: [...path, key], message: "is no known key" };
    } else if (issue.code === "invalid_key") {
      yield { path, message: issue.issues[0]?.message ?? issue.message };
    } else yield { path, message: issue.message };
  }
}

function showPath(path: readonly PropertyKey[]): string {
  return path.map((part, index) => {
    if (typeof part === "number") return `[${part}]`;
    const name = String(part);
    if (!/^[\w-]+$/.test(name)) return `[${JSON.stringify(name)}]`;
    return index === 0 ? name : `.${name}`;
  }).join("");
}

function mapValues<T, U>(record: Record<string, T>, map: (value: T) => U): Record<string, U> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, map(value)]));
}
