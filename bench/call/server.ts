/** An MCP server of both eras with canned answers: as little work as a server can have. */
import { CACHE, createHandshake } from "../handshake.ts";

const TOOL = {
  name: "add",
  inputSchema: {
    type: "object",
    properties: { a: { type: "number" }, b: { type: "number" } },
    required: ["a", "b"],
  },
  outputSchema: {
    type: "object",
    properties: { sum: { type: "number" } },
    required: ["sum"],
  },
};
const RESULTS: Readonly<Record<string, unknown>> = {
  ...createHandshake("canned"),
  "tools/list": { resultType: "complete", tools: [TOOL], ...CACHE },
  "tools/call": {
    resultType: "complete",
    content: [{ type: "text", text: '{"sum":3}' }],
    structuredContent: { sum: 3 },
  },
};
const ANSWERS = new Map(
  Object.entries(RESULTS).map(([method, result]) => [method, JSON.stringify(result)]),
);
const METHOD_REGEXP = /"method":"([^"]+)"/;
const ID_REGEXP = /"id":(\d+|"[^"]*")/;

const listen = {
  hostname: "127.0.0.1",
  port: 0,
  onListen: ({ port }: Deno.NetAddr) => console.log(port),
};

Deno.serve(listen, async (request) => {
  const text = await request.text();
  const answer = ANSWERS.get(METHOD_REGEXP.exec(text)?.[1] ?? "");
  const id = ID_REGEXP.exec(text)?.[1];
  if (request.method !== "POST") return new Response(null, { status: 405 });
  if (answer === undefined || id === undefined) return new Response(null, { status: 202 });
  const message = `{"jsonrpc":"2.0","id":${id},"result":${answer}}`;
  return request.url.endsWith("/sse")
    ? new Response(`event: message\ndata: ${message}\n\n`, {
      headers: { "content-type": "text/event-stream" },
    })
    : new Response(message, { headers: { "content-type": "application/json" } });
});
