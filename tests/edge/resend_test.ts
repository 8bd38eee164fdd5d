import { assertEquals } from "@std/assert";
import { AutoMCPClient } from "../../src/client/client.ts";
import { createEdgeConnector } from "../../src/edge/mod.ts";
import { startDemoEndpoint } from "../support/demo_endpoint.ts";

/**
 * Passes bytes on both ways, but keeps the first answer to a POST to itself and closes: the endpoint
 * has run the operation, and a runtime that reuses its connections sends the POST again on its own.
 */
function startSwallowingProxy(target: number) {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const open = new Set<Deno.Conn>();
  let posts = 0;
  const serve = async (client: Deno.Conn): Promise<void> => {
    const server = await Deno.connect({ hostname: "127.0.0.1", port: target });
    open.add(client).add(server);
    let swallows = false;
    const upward = client.readable.pipeThrough(
      new TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>({
        transform(chunk, controller) {
          if (new TextDecoder().decode(chunk.subarray(0, 4)) === "POST") swallows = ++posts === 1;
          controller.enqueue(chunk);
        },
      }),
    ).pipeTo(server.writable);
    const downward = (async () => {
      const writer = client.writable.getWriter();
      for await (const chunk of server.readable) {
        if (swallows) return client.close();
        await writer.write(chunk);
      }
    })();
    await Promise.allSettled([upward, downward]);
  };
  const serving: Promise<void>[] = [];
  const accepting = (async () => {
    for await (const client of listener) serving.push(serve(client));
  })();
  return {
    url: `http://127.0.0.1:${(listener.addr as Deno.NetAddr).port}/`,
    get posts() {
      return posts;
    },
    async [Symbol.asyncDispose]() {
      listener.close();
      for (const connection of open) {
        try {
          connection.close();
        } catch { /* closed by the other side already */ }
      }
      await Promise.allSettled([accepting, ...serving]);
    },
  };
}

Deno.test("createEdgeConnector() runs an unsafe operation once although the runtime sends it twice", async () => {
  await using endpoint = await startDemoEndpoint();
  await using proxy = startSwallowingProxy(Number(new URL(endpoint.url).port));
  const connector = createEdgeConnector({ url: proxy.url, group: "demo" });
  const client = new AutoMCPClient("page", { groups: { demo: { connector } } });
  try {
    // Listing the operations first warms the connection that the POST goes out on.
    const { structuredContent } = await client.group("demo").execute("charge", { amount: 7 });
    assertEquals((structuredContent as { amount?: number } | undefined)?.amount, 7);
    assertEquals(proxy.posts, 2);
    assertEquals(endpoint.demo.ledger, [{ id: 1, amount: 7 }]);
  } finally {
    await client.close();
  }
});
