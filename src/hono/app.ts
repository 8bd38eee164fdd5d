import { type Context, Hono } from "hono";
import { etag } from "hono/etag";
import { HTTPException } from "hono/http-exception";
import { methodNotAllowed } from "hono/method-not-allowed";
import type { AutoMCPClient } from "../client/client.ts";
import { type ClientError, createClientError, isClientError } from "../errors/errors.ts";
import { checkOptions, misuse, type OptionRules } from "../errors/misuse.ts";
import { notify } from "../errors/notify.ts";
import { ExecutionRegistry } from "../executions/registry.ts";
import { type Clock, systemClock } from "../resilience/clock.ts";
import { type Auth, type AuthEnv, requireAuth } from "./auth.ts";
import { execute } from "./execute.ts";
import { executionRoutes } from "./executions.ts";
import { describeGroup, describeOperations } from "./groups.ts";
import { problemResponse, refusal, toCallerError } from "./problem.ts";

/** What an endpoint is made of. */
export interface AppOptions {
  /**
   * The client whose operations are called, or what returns the one of a principal: always the same
   * for one principal and another for each, so that no two share a session. Who gives them closes
   * them.
   */
  readonly client: AutoMCPClient | ((principal: string) => AutoMCPClient);
  /**
   * Who may call. Without it the endpoint refuses everything under `/v1`.
   *
   * @default {undefined}
   */
  readonly auth?: Auth | undefined;
  /**
   * Makes the id of a new execution, unique in the world.
   *
   * @default {crypto.randomUUID}
   */
  readonly createExecutionId?: () => string;
  /**
   * Measures time.
   *
   * @default {systemClock}
   */
  readonly clock?: Clock;
  /**
   * Called with each defect and the id by which the caller hears of it, that of the execution if it
   * was in one. If it throws, the error is reported in a microtask.
   *
   * @default {console.error}
   */
  readonly onDefect?: (defect: unknown, id: string) => void;
}

const RULES: OptionRules<AppOptions> = {
  client: {},
  auth: {},
  createExecutionId: { type: "function" },
  clock: { type: "object" },
  onDefect: { type: "function" },
};

/**
 * Creates the HTTP endpoint of a client: groups, operations, executions as JSON or as a stream of
 * server-sent events, and every failure as problem details.
 *
 * @param options The client and who may call it.
 * @returns A Hono app; its `fetch` serves under `Deno.serve`, Bun and Workers.
 * @throws {TypeError} If an option is unknown, or several principals would share one client.
 *
 * @example An endpoint without servers
 * ```ts
 * import { AutoMCPClient } from "@automcp/client";
 * import { createApp } from "@automcp/client/hono";
 * import { assertEquals } from "@std/assert";
 *
 * const app = createApp({ client: new AutoMCPClient("edge", { groups: {} }), auth: "none" });
 * const response = await app.request("/v1/groups");
 * assertEquals(await response.json(), { groups: [] });
 * ```
 */
export function createApp(options: AppOptions): Hono<AuthEnv> {
  checkOptions("create an app", options, RULES);
  const { auth, clock = systemClock, onDefect = logDefect } = options;
  const clientOf = resolveClient(options);
  const { createExecutionId = () => crypto.randomUUID() } = options;
  const executions = new ExecutionRegistry({ clock });
  const app = new Hono<AuthEnv>();

  const toFailure = (error: unknown): ClientError => {
    if (isClientError(error)) return toCallerError(error);
    const id = crypto.randomUUID();
    notify(onDefect, error, id);
    return createClientError("internal", `A defect of the endpoint; its log knows it as ${id}`);
  };

  answerFaults(app, toFailure);
  app.use(methodNotAllowed({
    app,
    onMethodNotAllowed: (_c, methods) =>
      refusal("method_not_allowed", "The route does not have this method", {
        headers: { allow: methods.join(", ") },
      }).getResponse(),
  }));
  app.get("/healthz", (c) => c.json({ status: "ok" }));

  app.use("/v1/*", requireAuth(auth));
  app.get("/v1/groups", async (c) => {
    const { signal } = c.req.raw;
    const groups = await Promise.all(
      [...clientOf(c).groups.values()].map((group) => describeGroup(group, signal, toFailure)),
    );
    return c.json({ groups }, 200, { "cache-control": "no-store" });
  });
  app.use("/v1/groups/:group/operations", etag());
  app.get("/v1/groups/:group/operations", async (c) => {
    const group = clientOf(c).group(c.req.param("group"));
    const { document, cacheControl } = await describeOperations(group, c.req.raw.signal);
    return c.json(document, 200, { "cache-control": cacheControl, "vary": "authorization" });
  });
  app.post("/v1/groups/:group/operations/:operation", (c) => {
    const { group, operation } = c.req.param();
    const context = { clock, executions, createExecutionId, toFailure, onDefect };
    return execute(clientOf(c).group(group), operation, c.req.raw, c.get("principal"), context);
  });
  app.route("/v1/executions", executionRoutes({ clock, executions, toFailure }));
  app.get("/v1/stats", (c) => c.json(clientOf(c).stats(), 200, { "cache-control": "no-store" }));
  return app;
}

/**
 * Lets an app answer with problem details to unknown routes and for everything that a handler throws.
 *
 * @typeParam E The environment of the app.
 * @param app The app.
 * @param toFailure Turns whatever was thrown into what the caller may see.
 */
export function answerFaults<E extends AuthEnv>(
  app: Hono<E>,
  toFailure: (error: unknown) => ClientError,
): void {
  app.onError((error, c) => {
    if (error instanceof HTTPException) return error.getResponse();
    const left = c.req.raw.signal.aborted && !isClientError(error);
    return problemResponse(
      left ? createClientError("cancelled", "The caller left", { cause: error }) : toFailure(error),
    );
  });
  app.notFound(() =>
    refusal("invalid_request", "The endpoint has no such route", { status: 404 }).getResponse()
  );
}

/** Refuses to let principals share what belongs to one of them: sessions, and the numbers of stats. */
function resolveClient({ client, auth }: AppOptions): (c: Context<AuthEnv>) => AutoMCPClient {
  if (typeof client === "function") return (c) => client(c.get("principal"));
  const keys = typeof auth === "object" && "keys" in auth ? auth.keys : [];
  const principals = new Set(keys.map(({ principal }) => principal)).size;
  if (principals <= 1) return () => client;
  throw new TypeError(
    misuse("create an app", "'client'", "a function of the principal", `one for ${principals}`),
  );
}

function logDefect(defect: unknown, id: string): void {
  console.error(`Defect ${id}:`, defect);
}
