import { useState } from "hono/jsx/dom";
import type { JsonObject } from "../client/ports.ts";
import type { ArgumentIssue } from "../errors/errors.ts";
import {
  type Field,
  type FormValues,
  initialValues,
  issuesOf,
  readForm,
  readJson,
} from "./schema.ts";

const DEFAULT_TIMEOUT_S = "30";

interface FormProps {
  fields: readonly Field[];
  /** What the endpoint found wrong with the arguments of the newest run. */
  issues: readonly ArgumentIssue[];
  running: boolean;
  onRun: (args: JsonObject, timeoutMs: number) => void;
  onCancel: () => void;
}

/** The arguments of an operation, field by field or as JSON. */
export function ArgumentsForm({ fields, issues, running, onRun, onCancel }: FormProps) {
  const [values, setValues] = useState<FormValues>(() => initialValues(fields));
  const [json, setJson] = useState<string | undefined>(undefined);
  const [timeout, setTimeout] = useState(DEFAULT_TIMEOUT_S);
  const [own, setOwn] = useState<readonly ArgumentIssue[]>([]);
  const shown = own.length > 0 ? own : issues;
  const timeoutMs = Number(timeout) * 1_000;
  const timeoutFault = timeoutMs > 0 ? undefined : "Must be more than 0";

  const submit = (event: Event): void => {
    event.preventDefault();
    if (running) return;
    const result = json === undefined ? readForm(fields, values) : readJson(json);
    setOwn(result.issues);
    const fault = result.issues[0];
    if (fault !== undefined) return focus(fault.pointer.slice(1));
    if (timeoutFault === undefined) onRun(result.arguments, timeoutMs);
  };
  /** The button that was pressed goes away; the focus must not go with it. */
  const cancel = (): void => {
    document.getElementById("run")?.focus();
    onCancel();
  };
  const change = (name: string, value: string): void => {
    setValues((values) => ({ ...values, [name]: value }));
    setOwn([]);
  };
  const toggleJson = (): void => {
    setOwn([]);
    setJson(
      json === undefined ? JSON.stringify(readForm(fields, values).arguments, null, 2) : undefined,
    );
  };

  return (
    <form class="arguments" onSubmit={submit} noValidate>
      <div class="form-head">
        <h2>Arguments</h2>
        <button type="button" class="quiet" onClick={toggleJson}>
          {json === undefined ? "Edit as JSON" : "Back to the form"}
        </button>
      </div>
      {json !== undefined
        ? (
          <div class="field">
            <label for="arg-json">Arguments as JSON</label>
            <textarea
              id="arg-json"
              class="code"
              rows={8}
              spellcheck={false}
              value={json}
              aria-invalid={shown.length > 0 ? "true" : undefined}
              aria-describedby="arg-json-faults"
              onInput={(event: Event) => setJson((event.target as HTMLTextAreaElement).value)}
            />
            <Faults
              id="arg-json-faults"
              faults={shown.map(({ pointer, message }) => `${pointer} ${message}`.trim())}
            />
          </div>
        )
        : fields.length === 0
        ? <p class="muted">This operation takes no arguments.</p>
        : fields.map((field) => (
          <FieldView
            key={field.name}
            field={field}
            value={values[field.name] ?? ""}
            faults={issuesOf(shown, field.name)}
            onChange={(value) => change(field.name, value)}
          />
        ))}
      <div class="actions">
        <button id="run" type="submit" class="primary" aria-disabled={running ? "true" : undefined}>
          Run
        </button>
        {running && (
          <button key="cancel" type="button" class="stop" onClick={cancel}>
            Cancel
          </button>
        )}
        <label class="limit">
          Time limit
          <input
            type="text"
            inputmode="decimal"
            value={timeout}
            aria-invalid={timeoutFault === undefined ? undefined : "true"}
            onInput={(event: Event) => setTimeout((event.target as HTMLInputElement).value)}
          />
          s
        </label>
        {timeoutFault !== undefined && <span class="fault">{timeoutFault}</span>}
      </div>
    </form>
  );
}

interface FieldProps {
  field: Field;
  value: string;
  faults: readonly string[];
  onChange: (value: string) => void;
}

function FieldView({ field, value, faults, onChange }: FieldProps) {
  const id = `arg-${field.name}`;
  const change = (event: Event): void => onChange((event.target as HTMLInputElement).value);
  const attributes = {
    id,
    "aria-describedby": `${id}-help ${id}-faults`,
    "aria-required": field.required ? "true" : undefined,
    "aria-invalid": faults.length > 0 ? "true" : undefined,
  };
  return (
    <div class={`field ${field.kind}`}>
      <div class="label">
        <label for={id} class={field.required ? "required" : undefined}>{field.title}</label>
        <span class="hint">{field.hint}</span>
      </div>
      {field.kind === "choice"
        ? (
          <select {...attributes} value={value} onChange={change}>
            {(!field.required || value === "") && <option value="">–</option>}
            {field.choices.map((choice, index) => (
              <option key={index} value={String(index)}>
                {typeof choice === "string" ? choice : JSON.stringify(choice)}
              </option>
            ))}
          </select>
        )
        : field.kind === "boolean"
        ? (
          <input
            {...attributes}
            type="checkbox"
            checked={value === "true"}
            onChange={(event: Event) =>
              onChange(String((event.target as HTMLInputElement).checked))}
          />
        )
        : field.kind === "json"
        ? (
          <textarea
            {...attributes}
            class="code"
            rows={4}
            spellcheck={false}
            placeholder="JSON"
            value={value}
            onInput={change}
          />
        )
        : (
          <input
            {...attributes}
            type="text"
            autocomplete="off"
            inputmode={field.kind === "integer"
              ? "numeric"
              : field.kind === "number"
              ? "decimal"
              : "text"}
            value={value}
            onInput={change}
          />
        )}
      <Faults id={`${id}-faults`} faults={faults} />
      <p class="help" id={`${id}-help`}>{field.description ?? ""}</p>
    </div>
  );
}

function Faults({ id, faults }: { id: string; faults: readonly string[] }) {
  return (
    <div id={id} aria-live="polite">
      {faults.map((fault) => <p key={fault} class="fault">{fault}</p>)}
    </div>
  );
}

function focus(name: string): void {
  document.getElementById(`arg-${name}`)?.focus();
}
