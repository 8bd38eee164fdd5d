import { Hono } from "hono";
import { assertEquals } from "@std/assert";
import { type Auth, type AuthEnv, requireAuth } from "../../src/hono/auth.ts";
import { readConfig } from "../../src/hono/config.ts";

const keys = [
  { principal: "ci", sha256: await digest("key-of-ci") },
  { principal: "ops", sha256: (await digest("key-of-ops")).toUpperCase() },
];

Deno.test("requireAuth names the owner of a valid key", async () => {
  assertEquals(await ask({ keys }, { authorization: "Bearer key-of-ci" }), [200, "ci"]);
  assertEquals(await ask({ keys }, { authorization: "bearer key-of-ops" }), [200, "ops"]);
});

Deno.test("requireAuth answers a missing key with the challenge alone", async () => {
  for (const authorization of ["", "Basic a2V5", "Bearer", "Bearer two words", "key-of-ci"]) {
    const response = await request({ keys }, { authorization });
    assertEquals((await response.json()).code, "unauthorized");
    assertEquals(response.headers.get("www-authenticate"), 'Bearer realm="automcp"');
  }
});

Deno.test("requireAuth says that a wrong key is wrong", async () => {
  for (const key of ["wrong", keys[0]!.sha256, "key-of-ci2", "key-of-c"]) {
    const response = await request({ keys }, { authorization: `Bearer ${key}` });
    assertEquals(response.status, 401);
    assertEquals(
      response.headers.get("www-authenticate"),
      'Bearer realm="automcp", error="invalid_token"',
    );
  }
});

Deno.test("requireAuth refuses everybody until somebody decides", async () => {
  const { auth } = readConfig({ mcpServers: {} });
  const response = await request(auth, { authorization: "Bearer key-of-ci" });
  assertEquals([response.status, (await response.json()).code], [
    503,
    "authentication_not_configured",
  ]);
});

Deno.test("requireAuth lets everybody in if it is told so, but no page of another site", async () => {
  assertEquals(await ask("none", {}), [200, "anonymous"]);
  assertEquals(await ask("none", { origin: "http://edge.example" }), [200, "anonymous"]);
  for (const origin of ["http://evil.example", "null", "http://edge.example:81"]) {
    assertEquals((await request("none", { origin })).status, 403);
  }
});

Deno.test("requireAuth believes a trusted host", async () => {
  assertEquals(await ask({ principal: "ci" }, {}), [200, "ci"]);
});

function request(auth: Auth | undefined, headers: Record<string, string>): Promise<Response> {
  const app = new Hono<AuthEnv>();
  app.use(requireAuth(auth));
  app.get("/", (c) => c.text(c.get("principal")));
  return Promise.resolve(app.request("http://edge.example/", { headers }));
}

async function ask(auth: Auth | undefined, headers: Record<string, string>) {
  const response = await request(auth, headers);
  return [response.status, await response.text()];
}

async function digest(key: string): Promise<string> {
  const bytes = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(key));
  return Array.from(new Uint8Array(bytes), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
