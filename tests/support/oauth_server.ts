/** An authorization server for programs, and a demo server that takes its tokens alone. */
import { createDemoServer } from "../../examples/demo_server.ts";

/** What one request carried. */
export interface SeenRequest {
  readonly path: string;
  readonly headers: Headers;
  readonly body: string;
}

/** A running authorization server (client credentials alone). */
export interface Issuer extends AsyncDisposable {
  readonly url: string;
  /** Every request that arrived, in order. */
  readonly requests: readonly SeenRequest[];
  /** How many tokens were asked for. */
  readonly tokenRequests: number;
  /** Where the next request for a token is sent on to. */
  redirectTo: string | undefined;
  /** Takes back every token that it gave. */
  expireAll(): void;
  /** Whether a token is one of its own, and still good. */
  accepts(token: string): boolean;
}

/** Starts an authorization server. */
export function startIssuer(): Issuer {
  const requests: SeenRequest[] = [];
  let good = new Set<string>();
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    const { pathname } = new URL(request.url);
    requests.push({ path: pathname, headers: request.headers, body: await request.text() });
    if (pathname === "/.well-known/oauth-authorization-server") {
      return Response.json({
        issuer: issuer.url,
        authorization_endpoint: `${issuer.url}/authorize`,
        token_endpoint: `${issuer.url}/token`,
        response_types_supported: ["code"],
        grant_types_supported: ["client_credentials"],
        token_endpoint_auth_methods_supported: ["client_secret_basic", "private_key_jwt"],
      });
    }
    if (pathname !== "/token") return new Response(null, { status: 404 });
    if (issuer.redirectTo !== undefined) {
      return new Response(null, { status: 307, headers: { location: issuer.redirectTo } });
    }
    const token = crypto.randomUUID();
    good.add(token);
    return Response.json({ access_token: token, token_type: "Bearer", expires_in: 3600 });
  });
  const issuer: Issuer = {
    url: `http://127.0.0.1:${server.addr.port}`,
    requests,
    get tokenRequests() {
      return requests.filter(({ path }) => path === "/token").length;
    },
    redirectTo: undefined,
    expireAll: () => void (good = new Set()),
    accepts: (token) => good.has(token),
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
  return issuer;
}

/** A demo server behind an issuer. */
export interface ProtectedServer extends AsyncDisposable {
  readonly url: string;
  /** Whose tokens it takes, and whom it names for them. */
  issuer: Issuer;
  /** How many requests it has refused. */
  readonly refused: number;
}

/** Starts a demo server that names an issuer and takes nothing but its tokens. */
export function startProtectedServer(first: Issuer): ProtectedServer {
  const demo = createDemoServer();
  let refused = 0;
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, (request) => {
    const { pathname, origin } = new URL(request.url);
    if (pathname.startsWith("/.well-known/oauth-protected-resource")) {
      return Response.json({
        resource: `${origin}/mcp`,
        authorization_servers: [result.issuer.url],
      });
    }
    const [, token = ""] = (request.headers.get("authorization") ?? "").split(" ");
    if (result.issuer.accepts(token)) return demo.fetch(request);
    refused++;
    const metadata = `${origin}/.well-known/oauth-protected-resource/mcp`;
    const challenge = `Bearer resource_metadata="${metadata}"`;
    return new Response(null, { status: 401, headers: { "www-authenticate": challenge } });
  });
  const result: ProtectedServer = {
    url: `http://127.0.0.1:${server.addr.port}/mcp`,
    issuer: first,
    get refused() {
      return refused;
    },
    async [Symbol.asyncDispose]() {
      await demo.close();
      await server.shutdown();
    },
  };
  return result;
}
