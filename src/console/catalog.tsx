import { useState } from "hono/jsx/dom";
import { type ClientError, isClientError } from "../errors/errors.ts";
import type { Effect } from "../errors/delivery.ts";
import { type Group, type Operation, type OperationsOfGroup, toId } from "./session.ts";

const STATES: Record<Group["state"], string> = {
  ready: "Ready",
  connecting: "Connecting",
  open: "Connected",
  failed: "Failed",
};
const EFFECTS: Record<Effect, string> = {
  safe: "Changes nothing; may be repeated",
  idempotent: "Repeating it leaves the server as one run would",
  unsafe: "May change something; never repeated unless it is proved that it did not run",
};

interface CatalogProps {
  groups: readonly Group[];
  operations: Readonly<Record<string, OperationsOfGroup>>;
  hash: string;
}

/** The groups and their operations, to choose from. */
export function Catalog({ groups, operations, hash }: CatalogProps) {
  const [filter, setFilter] = useState("");
  return (
    <nav class="catalog" aria-label="Operations">
      <label class="filter">
        <span class="hidden">Filter the operations</span>
        <input
          type="search"
          placeholder="Filter operations"
          value={filter}
          onInput={(event: Event) => setFilter((event.target as HTMLInputElement).value)}
        />
      </label>
      {groups.length === 0 && <p class="muted note">The endpoint has no groups configured.</p>}
      {groups.map((group) => (
        <GroupView
          key={group.name}
          group={group}
          operations={operations[group.name]}
          filter={filter}
          hash={hash}
        />
      ))}
    </nav>
  );
}

interface GroupProps {
  group: Group;
  operations: OperationsOfGroup;
  filter: string;
  hash: string;
}

function GroupView({ group, operations, filter, hash }: GroupProps) {
  const list: readonly Operation[] = Array.isArray(operations) ? operations : [];
  const shown = list.filter((operation) => matches(operation, group.name, filter));
  const problem = isClientError(operations) ? toProblem(operations) : group.problem;
  const state = problem === undefined || list.length > 0 ? group.state : "failed";
  const { server, era } = group;
  return (
    <section class="group">
      <h2>
        <span class={`dot ${state}`} aria-hidden="true" />
        {group.title ?? group.name}
        <span class="count">{list.length > 0 ? list.length : group.operations ?? ""}</span>
      </h2>
      <p class="about">
        {state === "open" && <span class="hidden">{STATES.open}</span>}
        {[
          state === "open" ? undefined : STATES[state],
          server && `${server.name} ${server.version}`,
          era,
        ].filter(Boolean).join(" · ")}
      </p>
      {problem !== undefined && list.length === 0 && (
        <p class="trouble">
          <code>{problem.code}</code> {problem.detail}
        </p>
      )}
      {operations === undefined && problem === undefined && <p class="muted note">Loading …</p>}
      <ul>
        {shown.map((operation) => {
          const id = toId(group.name, operation.name);
          return (
            <li key={operation.name}>
              <a href={id} aria-current={id === hash ? "page" : undefined}>
                <span class="line">
                  <span class="name">{operation.title ?? operation.name}</span>
                  <EffectBadge effect={operation.effect} />
                </span>
                {operation.description !== undefined && (
                  <span class="brief">{operation.description}</span>
                )}
              </a>
            </li>
          );
        })}
      </ul>
      {list.length > 0 && shown.length === 0 && <p class="muted note">Nothing matches.</p>}
    </section>
  );
}

/** What repeating an operation does. */
export function EffectBadge({ effect }: { effect: Effect }) {
  return <span class={`badge ${effect}`} title={EFFECTS[effect]}>{effect}</span>;
}

function toProblem({ code, message }: ClientError): NonNullable<Group["problem"]> {
  return { code, detail: message };
}

function matches(operation: Operation, group: string, filter: string): boolean {
  const { name, title = "", description = "" } = operation;
  const text = [group, name, title, description].join(" ").toLowerCase();
  return filter.toLowerCase().split(/\s+/).every((word) => text.includes(word));
}
