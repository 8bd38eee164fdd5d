/** Credentials of programs: the SDK's providers against an authorization server over HTTP. */
import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import {
  type AuthProvider,
  ClientCredentialsProvider,
  type OAuthClientProvider,
  PrivateKeyJwtProvider,
} from "@modelcontextprotocol/client";
import { AutoMCPClient, type ClientError } from "../../mod.ts";
import { SharedCredentials } from "../../src/mcp/credentials.ts";
import { createMcpConnector, type McpConnectorOptions } from "../../src/mcp/mod.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { type Issuer, startIssuer, startProtectedServer } from "../support/oauth_server.ts";

const ERAS = ["auto", "legacy"] as const;
const CLIENT = { clientId: "program", clientSecret: "s3cr3t" };

/** An issuer, a server that takes its tokens, and a client of that. */
function start(
  createProvider: (issuer: Issuer) => OAuthClientProvider,
  options: Partial<McpConnectorOptions> = {},
) {
  const issuer = startIssuer();
  const server = startProtectedServer(issuer);
  const authProvider = createProvider(issuer);
  const connector = createMcpConnector({ url: server.url, authProvider, ...options });
  const client = new AutoMCPClient("test", {
    groups: { demo: { connector, poolSize: 100, limiter: { initialLimit: 100 } } },
  });
  return {
    ...{ issuer, server, group: client.group("demo") },
    async [Symbol.asyncDispose]() {
      await client.close();
      await server[Symbol.asyncDispose]();
      await issuer[Symbol.asyncDispose]();
    },
  };
}

async function rejection(promise: Promise<unknown>): Promise<ClientError> {
  try {
    await promise;
  } catch (error) {
    return error as ClientError;
  }
  throw new Error("Expected a rejection");
}

const secret = ({ url }: Issuer) =>
  new ClientCredentialsProvider({ ...CLIENT, expectedIssuer: url });

for (const era of ERAS) {
  Deno.test(`authProvider renews an expired token once for a hundred calls, ${era}`, async () => {
    await using peer = start(secret, { era });
    await peer.group.execute("add", { a: 1, b: 2 });
    assertEquals(peer.issuer.tokenRequests, 1);
    peer.issuer.expireAll();
    const before = peer.server.refused;
    const calls = Array.from({ length: 100 }, (_, a) => peer.group.execute("add", { a, b: 1 }));
    const sums = (await Promise.all(calls)).map(({ structuredContent }) => structuredContent);
    assertEquals(sums, Array.from({ length: 100 }, (_, a) => ({ sum: a + 1 })));
    assertEquals(peer.issuer.tokenRequests, 2);
    assert(peer.server.refused - before > 1, `${peer.server.refused - before} refused`);
  });
}

Deno.test("authProvider signs in with a private key", async () => {
  const { privateKey } = await crypto.subtle.generateKey(
    { name: "ECDSA", namedCurve: "P-256" },
    true,
    ["sign", "verify"],
  ) as CryptoKeyPair;
  const bytes = new Uint8Array(await crypto.subtle.exportKey("pkcs8", privateKey));
  const pem = `-----BEGIN PRIVATE KEY-----\n${bytes.toBase64()}\n-----END PRIVATE KEY-----`;
  await using peer = start(({ url }) =>
    new PrivateKeyJwtProvider({
      ...{ clientId: "program", privateKey: pem, algorithm: "ES256", expectedIssuer: url },
    })
  );
  const { structuredContent } = await peer.group.execute("add", { a: 1, b: 2 });
  assertEquals(structuredContent, { sum: 3 });
  const { body = "" } = peer.issuer.requests.find(({ path }) => path === "/token") ?? {};
  const params = new URLSearchParams(body);
  assertEquals(params.get("grant_type"), "client_credentials");
  assertEquals(params.get("client_assertion")?.split(".").length, 3);
});

Deno.test("authProvider shows its credentials to no issuer but its own", async () => {
  await using other = startIssuer();
  for (const expects of [true, false]) {
    await using peer = start(({ url }) =>
      expects
        ? new ClientCredentialsProvider({ ...CLIENT, expectedIssuer: url })
        // Without the issuer's name, the first one that they are used for is theirs.
        : new ClientCredentialsProvider(CLIENT)
    );
    await peer.group.execute("add", { a: 1, b: 2 });
    peer.server.issuer = other;
    const error = await rejection(peer.group.execute("add", { a: 1, b: 2 }));
    assertEquals([error.code, error.delivery], ["unauthorized", "not_executed"]);
    assertEquals(other.tokenRequests, 0);
  }
});

Deno.test("authProvider follows no redirect with its credentials", async () => {
  await using other = startIssuer();
  await using peer = start(secret);
  peer.issuer.redirectTo = `${other.url}/token`;
  const error = await rejection(peer.group.execute("add", { a: 1, b: 2 }));
  assertEquals([error.code, peer.issuer.tokenRequests], ["unauthorized", 1]);
  assertEquals(other.requests.length, 0);
});

Deno.test("headers go to the server's own origin, and not with a token's request", async () => {
  await using peer = start(secret, { headers: { "X-Api-Key": "s3cr3t" } });
  await peer.group.execute("add", { a: 1, b: 2 });
  assert(peer.issuer.requests.length > 0);
  assert(peer.issuer.requests.every(({ headers }) => !headers.has("x-api-key")));
});

/** A provider whose renewals are counted and end when they are told to. */
function createRenewing() {
  const clock = new FakeClock();
  let count = 0;
  let renewed = Promise.withResolvers<void>();
  const provider: AuthProvider = {
    token: () => Promise.resolve(`t${count}`),
    onUnauthorized: async () => {
      await renewed.promise;
      count++;
    },
  };
  const credentials = new SharedCredentials(provider, clock);
  const { onUnauthorized } = credentials.shared;
  return {
    clock,
    renewals: () => count,
    end() {
      renewed.resolve();
      renewed = Promise.withResolvers();
    },
    /** A request that was sent with a token and refused. */
    refuse(token: string): Promise<void> {
      const response = new Response(null, { status: 401 });
      credentials.noteRefused(response, new Headers({ authorization: `Bearer ${token}` }));
      const serverUrl = new URL("http://localhost/mcp");
      return Promise.resolve(onUnauthorized?.({ response, serverUrl, fetchFn: fetch }));
    },
  };
}

Deno.test("SharedCredentials renew once for those that wait, and not for a late one", async () => {
  const { end, refuse, renewals } = createRenewing();
  const waiting = [refuse("t0"), refuse("t0"), refuse("t0")];
  end();
  await Promise.all(waiting);
  assertEquals(renewals(), 1);
  await refuse("t0"); // was under way all the while
  assertEquals(renewals(), 1);
  const again = refuse("t1");
  end();
  await again;
  assertEquals(renewals(), 2);
});

Deno.test("SharedCredentials wait a minute for a renewal, then another may be tried", async () => {
  const { clock, end, refuse, renewals } = createRenewing();
  const stuck = refuse("t0").catch((error) => error);
  await clock.advance(60_000);
  assertEquals((await stuck).evidence.kind, "no_answer");
  const next = refuse("t0");
  end();
  await next;
  assert(renewals() > 0);
  assertEquals(clock.timers, 0);
});

Deno.test("SharedCredentials that cannot be renewed stay as they are", () => {
  const provider: AuthProvider = { token: () => Promise.resolve("t") };
  const { shared, provider: given } = new SharedCredentials(provider, new FakeClock());
  assertEquals(shared.onUnauthorized, undefined);
  assertStrictEquals(given, provider);
});
