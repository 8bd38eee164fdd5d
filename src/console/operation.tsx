import { useState, useSyncExternalStore } from "hono/jsx/dom";
import { isClientError } from "../errors/errors.ts";
import { EffectBadge } from "./catalog.tsx";
import { ArgumentsForm } from "./form.tsx";
import { ProblemView } from "./problem.tsx";
import { ResultView } from "./result.tsx";
import type { Run } from "./run.ts";
import { RunView } from "./run_view.tsx";
import { otherIssues, toFields } from "./schema.ts";
import type { Operation } from "./session.ts";

interface OperationProps {
  group: string;
  operation: Operation;
  run: Run;
}

/** One operation: what it takes, its newest run, and how that ended. */
export function OperationView({ group, operation, run }: OperationProps) {
  const state = useSyncExternalStore((listener) => run.subscribe(listener), () => run.state);
  const [fields] = useState(() => toFields(operation.inputSchema));
  const { error, response, status } = state;
  const issues = isClientError(error) ? error.issues : [];
  return (
    <article class="operation">
      <a class="back" href="#">All operations</a>
      <header>
        <h1>
          {operation.title ?? operation.name} <EffectBadge effect={operation.effect} />
        </h1>
        <p class="path">{group} / {operation.name}</p>
        {operation.description !== undefined && <p>{operation.description}</p>}
      </header>
      <ArgumentsForm
        fields={fields}
        issues={issues}
        running={status === "running"}
        onRun={(args, timeoutMs) => void run.start(args, timeoutMs)}
        onCancel={() => run.cancel()}
      />
      {status !== "idle" && <RunView state={state} />}
      {error !== undefined && (
        <ProblemView
          error={error}
          effect={operation.effect}
          faults={otherIssues(issues, fields)}
        />
      )}
      {response !== undefined && <ResultView response={response} />}
    </article>
  );
}
