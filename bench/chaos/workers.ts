import type { Task, TaskResult } from "./task.ts";
import type { Answer } from "./worker.ts";

/** How tasks are run. */
export interface RunOptions {
  /** How many at once. */
  readonly jobs: number;
  /** Stops all; its reason is thrown. */
  readonly signal: AbortSignal;
  /** Called when a task is done, in whatever order they are. */
  readonly onResult: (task: Task, result: TaskResult) => void;
}

/**
 * Runs tasks in workers, each of which has globals of its own. What comes of a task does not depend on
 * how many there are.
 */
export async function runTasks(tasks: readonly Task[], options: RunOptions): Promise<void> {
  const { jobs, signal, onResult } = options;
  const failure = Promise.withResolvers<never>();
  // Whoever races with it hears of it; with no task left, nobody does.
  failure.promise.catch(() => {});
  const onAbort = (): void => failure.reject(signal.reason);
  if (signal.aborted) onAbort();
  signal.addEventListener("abort", onAbort, { once: true });
  const workers: Worker[] = [];
  const rest = tasks.values();
  try {
    const loops = Array.from({ length: Math.min(jobs, tasks.length) }, async () => {
      const worker = new Worker(new URL("worker.ts", import.meta.url), { type: "module" });
      workers.push(worker);
      worker.onerror = (event) => {
        event.preventDefault();
        failure.reject(new Error(`A worker failed: ${event.message}`));
      };
      for (const task of rest) {
        const { promise, resolve } = Promise.withResolvers<Answer>();
        worker.onmessage = ({ data }: MessageEvent<Answer>) => resolve(data);
        worker.postMessage(task);
        const answer = await Promise.race([promise, failure.promise]);
        if ("error" in answer) throw answer.error;
        onResult(task, answer.result);
      }
    });
    await Promise.all(loops);
  } finally {
    signal.removeEventListener("abort", onAbort);
    for (const worker of workers) worker.terminate();
  }
}
