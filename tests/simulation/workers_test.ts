import { assertEquals, assertRejects } from "@std/assert";
import type { Task, TaskResult } from "../../bench/chaos/task.ts";
import { runTasks } from "../../bench/chaos/workers.ts";

const TASKS = [7, 1].map((seed): Task => ({ scenario: "S6", client: "sdk+cockatiel", seed }));

Deno.test("runTasks returns the same bytes, however many run at once", async () => {
  const run = async (jobs: number): Promise<string> => {
    const results = new Map<Task, TaskResult>();
    const { signal } = new AbortController();
    const onResult = (task: Task, result: TaskResult) => void results.set(task, result);
    await runTasks(TASKS, { jobs, signal, onResult });
    return JSON.stringify(TASKS.map((task) => results.get(task)));
  };
  const one = await run(1);
  assertEquals(await run(2), one);
  assertEquals(JSON.parse(one).map(({ seed }: TaskResult) => seed), [7, 1]);
});

Deno.test("runTasks stops for its signal, and for a task that cannot be done", async () => {
  const reason = new Error("enough");
  const onResult = () => {};
  const stopped = runTasks(TASKS, { jobs: 1, signal: AbortSignal.abort(reason), onResult });
  assertEquals(await stopped.catch((error) => error), reason);
  const { signal } = new AbortController();
  const unknown: Task = { scenario: "S6", client: "nobody", seed: 1 };
  await assertRejects(() => runTasks([unknown], { jobs: 2, signal, onResult }), TypeError);
});
