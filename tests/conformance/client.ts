/**
 * The client that the official conformance suite tests: it lists the operations of the suite's mock
 * server and calls them, by `AutoMCPClient` alone. The suite names the server as last argument.
 */
import process from "node:process";
import { AutoMCPClient, type GroupOperation, isClientError } from "../../mod.ts";
import { createMcpConnector } from "../../src/mcp/mod.ts";
import type { JsonObject, JsonValue } from "../../src/client/ports.ts";
import { createProvider, type Login, readContext } from "./oauth.ts";

/** How often the client logs in for one piece of work before it gives up. */
const MAX_LOGINS = 2;

interface Call {
  readonly name: string;
  readonly arguments: JsonObject;
}

/** Does the work, and again after each login that the server asks for. */
async function withLogin<T>(login: Login, work: () => Promise<T>): Promise<T> {
  for (let logins = 0; true; logins++) {
    try {
      return await work();
    } catch (error) {
      if (!isClientError(error) || logins === MAX_LOGINS || !await login()) throw error;
    }
  }
}

/** Calls each tool once, with the least that its schema asks for. */
function planCalls(operations: readonly GroupOperation[]): readonly Call[] {
  return operations.filter(({ kind }) => kind === "tool").map(({ name, inputSchema }) => {
    const required = Array.isArray(inputSchema["required"]) ? inputSchema["required"] : [];
    const properties = Object(inputSchema["properties"]);
    return {
      name,
      arguments: Object.fromEntries(
        required.map((key) => [key, toSample(Object(properties[key]), operations)]),
      ),
    };
  });
}

function toSample({ type }: JsonObject, operations: readonly GroupOperation[]): JsonValue {
  if (type === "number" || type === "integer") return 1;
  if (type === "boolean") return true;
  // One scenario wants to see a schema come back as it was sent.
  return type === "object" ? operations[0]?.inputSchema ?? {} : "sample";
}

/** A null is left out: where a schema does not allow it, AutoMCP refuses to send it. */
function withoutNulls(args: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(args).filter(([, value]) => value !== null));
}

const url = process.argv.at(-1) ?? "";
const context = readContext(process.env);
const scenario = process.env["MCP_CONFORMANCE_SCENARIO"] ?? "";
const { authProvider, login } = await createProvider(url, scenario, context);
// Calls of modern servers without OAuth take a way of their own, which is to be seen as well.
const connector = createMcpConnector({
  url,
  // A user who agrees to whatever is filled in already.
  input: { form: () => ({ action: "accept" }) },
  ...(scenario.startsWith("auth/") && { authProvider }),
});
const client = new AutoMCPClient("conformance", {
  timeoutMs: 20_000,
  groups: { mock: { connector } },
});
try {
  const group = client.group("mock");
  const { operations } = await withLogin(login, () => group.describe());
  const calls = context.toolCalls as Call[] | undefined ?? planCalls(operations);
  for (const { name, arguments: args } of calls) {
    try {
      await withLogin(login, async () => await group.execute(name, withoutNulls(args)));
    } catch (error) {
      // A scenario may have an operation that fails on purpose, and others after it.
      console.error(name, error);
      process.exitCode = 1;
    }
  }
} finally {
  await client.close();
}
