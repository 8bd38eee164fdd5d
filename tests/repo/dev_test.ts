import { assert, assertEquals, assertLess, assertStringIncludes } from "@std/assert";
import { assertSteps, readEvents } from "../hono/_read_events.ts";
import { requires } from "../support/prerequisites.ts";

const CONSOLE = "http://localhost:8787/";
const READY_MS = 30_000;

function isTaken(port: number): boolean {
  try {
    Deno.listen({ hostname: "127.0.0.1", port }).close();
    return false;
  } catch {
    return true;
  }
}

const taken = [8787, 9200].filter(isTaken);

Deno.test({
  ...requires(
    "deno task dev serves the console and the demo, and Ctrl-C ends both",
    taken.length === 0 ? undefined : `port ${taken.join(" and ")} is taken`,
  ),
  async fn() {
    const child = new Deno.Command(Deno.execPath(), {
      args: ["task", "dev"],
      cwd: new URL("../../", import.meta.url),
      stdin: "null",
      stdout: "null",
      stderr: "null",
      detached: true,
    }).spawn();
    try {
      const page = await answer(CONSOLE);
      assertStringIncludes(page, "<title>");
      // As `curl -N -H 'Accept: text/event-stream' -d '{"steps":5,"delayMs":200}' …` sends it.
      const response = await fetch(`${CONSOLE}v1/groups/demo/operations/count`, {
        method: "POST",
        headers: {
          "accept": "text/event-stream",
          "content-type": "application/x-www-form-urlencoded",
        },
        body: '{"steps":5,"delayMs":200}',
      });
      const events = await Array.fromAsync(readEvents(response));
      const steps = events.filter(({ event }) => event === "progress");
      assertSteps(steps.map(({ data }) => data.progress), 5);
      for (const { arrivedMs, data } of steps) {
        assertLess(performance.timeOrigin + arrivedMs - Date.parse(data.at), 300);
      }
      assertEquals(events.at(-1)?.event, "result");
    } finally {
      Deno.kill(-child.pid, "SIGINT");
      await child.status;
    }
    const endMs = performance.now() + 5_000;
    while (isTaken(8787) || isTaken(9200)) {
      assert(performance.now() < endMs, "A port is still taken 5 s after Ctrl-C");
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  },
});

/** Asks until there is an answer, at most as long as a newcomer may have to wait. */
async function answer(url: string): Promise<string> {
  const endMs = performance.now() + READY_MS;
  while (true) {
    try {
      return await (await fetch(url)).text();
    } catch (error) {
      if (performance.now() > endMs) throw error;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}
