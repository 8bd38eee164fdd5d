/// <reference types="./cloudflare.d.ts" />
/**
 * AutoMCP on Cloudflare: a front that finds out who calls, and a Durable Object per principal and
 * shard that holds the connections.
 *
 * @module
 */
import { DurableObject, type DurableObjectNamespace, type Fetcher } from "cloudflare:workers";
import { Hono } from "hono";
import { secureHeaders } from "hono/secure-headers";
import { AutoMCPClient } from "./src/client/client.ts";
import type { GroupConfig } from "./src/client/config.ts";
import { type ClientError, createClientError, isClientError } from "./src/errors/errors.ts";
import { answerFaults, createApp } from "./src/hono/app.ts";
import { type AuthEnv, requireAuth } from "./src/hono/auth.ts";
import { type EndpointConfig, readConfig } from "./src/hono/config.ts";
import { refusal } from "./src/hono/problem.ts";
import { createMcpConnector } from "./src/mcp/mod.ts";

interface Env {
  /** The configuration, as JSON text or as a value. */
  readonly AUTOMCP_CONFIG?: unknown;
  readonly HOSTS: DurableObjectNamespace;
  readonly ASSETS: Fetcher;
}

/** An object of the platform may wait for the heads of six answers at once. */
const POOL_SIZE = 6;

/** The configuration is plain data, so one isolate's requests may share it. */
const configs = new WeakMap<Env, EndpointConfig>();

function configOf(env: Env): EndpointConfig {
  let config = configs.get(env);
  if (config === undefined) {
    config = readConfig(env.AUTOMCP_CONFIG ?? { mcpServers: {} }, { ...env });
    configs.set(env, config);
  }
  return config;
}

/** Holds the client of one principal's shard: its connections, and all that is known of servers. */
export class ExecutionHost extends DurableObject<Env> {
  #app: { fetch(request: Request): Response | Promise<Response> } | undefined;

  async fetch(request: Request): Promise<Response> {
    this.#app ??= this.#createApp();
    return await this.#app.fetch(request);
  }

  #createApp() {
    const name = this.ctx.id.name ?? "";
    const groups = Object.entries(configOf(this.env).servers).map(([group, server]) =>
      [group, {
        poolSize: POOL_SIZE,
        ...server.policy,
        connector: createMcpConnector({ name: group, url: server.url, headers: server.headers }),
      }] satisfies [string, GroupConfig]
    );
    const client = new AutoMCPClient(name, { groups: Object.fromEntries(groups) });
    const [, principal = "", shard] = /^(.*)\/(\d+)$/s.exec(name) ?? [];
    return createApp({
      client,
      auth: { principal },
      createExecutionId: () => `${shard}-${crypto.randomUUID()}`,
    });
  }
}

/** The log gets all of it, the caller nothing that might be secret. */
function describeFault(error: unknown): ClientError {
  console.error(isClientError(error) ? error.message : error);
  return isClientError(error) && error.code === "configuration_invalid"
    ? createClientError(error.code, "The configuration cannot be used; the log says why")
    : createClientError("internal", "A defect of the endpoint; the log knows it");
}

interface FrontEnv extends AuthEnv {
  Bindings: Env;
}

const front = new Hono<FrontEnv>();

front.use(secureHeaders({
  contentSecurityPolicy: {
    defaultSrc: ["'none'"],
    scriptSrc: ["'self'"],
    styleSrc: ["'self'"],
    imgSrc: ["'self'", "data:"],
    fontSrc: ["'self'"],
    connectSrc: ["'self'"],
    manifestSrc: ["'self'"],
    baseUri: ["'none'"],
    formAction: ["'none'"],
    frameAncestors: ["'none'"],
  },
  xFrameOptions: "DENY",
  strictTransportSecurity: "max-age=15552000",
}));

answerFaults(front, describeFault);

front.get("/healthz", (c) => c.json({ status: "ok" }));

front.use("/v1/*", (c, next) => requireAuth<FrontEnv>(configOf(c.env).auth)(c, next));
front.all("/v1/*", async (c) => {
  const principal = c.get("principal");
  const { shards } = configOf(c.env);
  const count = Object.hasOwn(shards, principal) ? shards[principal]! : 1;
  const shard = pickShard(c.req.raw, count);
  // The request goes on untouched, so that the caller's disconnect reaches the object.
  return mutable(await c.env.HOSTS.getByName(`${principal}/${shard}`).fetch(c.req.raw));
});

front.all("*", async (c) => {
  if (c.req.method !== "GET" && c.req.method !== "HEAD") {
    throw refusal("method_not_allowed", "The route does not have this method", {
      headers: { allow: "GET, HEAD" },
    });
  }
  const response = await c.env.ASSETS.fetch(c.req.raw);
  return response.status === 404 ? c.notFound() : mutable(response);
});

/**
 * An execution lives in the shard that its id begins with, and a request that is sent again must find
 * the shard where it was first; whatever else is new may go to any.
 */
function pickShard({ url, headers }: Request, count: number): number {
  const id = /^\/v1\/executions\/(\d{1,6})-/.exec(new URL(url).pathname);
  if (id !== null) return Number(id[1]) % count;
  const requestId = headers.get("automcp-request-id");
  if (requestId === null) return Math.floor(Math.random() * count);
  let hash = 0;
  for (let i = 0; i < requestId.length; i++) hash = (hash * 31 + requestId.charCodeAt(i)) >>> 0;
  return hash % count;
}

/** The headers of an answer that was fetched cannot be set. */
function mutable(response: Response): Response {
  return new Response(response.body, response);
}

export default { fetch: front.fetch };
