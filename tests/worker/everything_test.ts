import { assertEquals, assertGreater, assertLess } from "@std/assert";
import { assertSteps, readEvents } from "../hono/_read_events.ts";
import { startEverything } from "../support/peers.ts";
import { startWorker } from "../support/worker.ts";

const LONG = "trigger-long-running-operation";

Deno.test({
  name: "the Worker in front of server-everything, which dies and comes back",
  // The harness owns processes and sockets, and frees them in its own time.
  sanitizeOps: false,
  sanitizeResources: false,
  async fn(t) {
    let server = await startEverything();
    const { port } = server;
    await using worker = await startWorker({
      auth: "none",
      mcpServers: { everything: { url: server.url } },
    });
    const post = (operation: string, args: unknown, accept: string): Promise<Response> =>
      fetch(new URL(`/v1/groups/everything/operations/${operation}`, worker.url), {
        method: "POST",
        headers: { "content-type": "application/json", accept },
        body: JSON.stringify(args),
      });
    try {
      await t.step("progress comes through step by step", async () => {
        const response = await post(LONG, { duration: 1.2, steps: 4 }, "text/event-stream");
        const events = await Array.fromAsync(readEvents(response));
        const steps = events.filter(({ event }) => event === "progress");
        assertSteps(steps.map(({ data }) => data.progress), 4);
        assertGreater(steps.at(-1)!.arrivedMs - steps[0]!.arrivedMs, 450);
        assertEquals(events.at(-1)?.event, "result");
      });

      await t.step("a server killed in mid-call ends the call within 2 s", async () => {
        const response = await post(LONG, { duration: 30, steps: 60 }, "text/event-stream");
        let killedMs = Infinity;
        const codes: string[] = [];
        for await (const { event, data } of readEvents(response)) {
          if (event === "progress" && killedMs === Infinity) {
            killedMs = performance.now();
            void server[Symbol.asyncDispose]();
          }
          if (event === "error") codes.push(data.code, data.delivery);
        }
        assertLess(performance.now() - killedMs, 2_000);
        assertEquals(codes, ["outcome_unknown", "unknown"]);
      });

      await t.step("after its restart the next call works", async () => {
        await server[Symbol.asyncDispose]();
        server = await startEverything({ port });
        const response = await post("echo", { message: "again" }, "application/json");
        const { status, content, attempts } = await response.json();
        assertEquals([response.status, status], [200, "success"]);
        assertEquals(content[0].text, "Echo: again");
        assertLess(attempts, 3);
      });
    } finally {
      await server[Symbol.asyncDispose]();
    }
  },
});
