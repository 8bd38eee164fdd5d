/** Runs the tasks that it is sent, one after the other. */
import { runTask, type Task, type TaskResult } from "./task.ts";

/** What a worker says of a task. */
export type Answer = { readonly result: TaskResult } | { readonly error: unknown };

/** What a worker is to the one who started it. The library of types knows only windows. */
interface Scope {
  onmessage: (event: MessageEvent<Task>) => void;
  postMessage(answer: Answer): void;
}

const scope = globalThis as unknown as Scope;
scope.onmessage = ({ data }) => {
  runTask(data).then(
    (result) => scope.postMessage({ result }),
    (error) => scope.postMessage({ error }),
  );
};
