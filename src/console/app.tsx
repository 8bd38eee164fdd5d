import { render, useEffect, useState } from "hono/jsx/dom";
import { type ClientError, createClientError, isClientError } from "../errors/errors.ts";
import { Catalog } from "./catalog.tsx";
import { KeyForm } from "./key.tsx";
import { OperationView } from "./operation.tsx";
import { ProblemView } from "./problem.tsx";
import { isReachable, type OperationsOfGroup, Session, toId } from "./session.ts";

/** Kept for this tab only, and never sent anywhere but to the endpoint. */
const KEY_ITEM = "automcp.key";
const BASE_URL = new URL(".", location.href).href;

type View =
  | { readonly kind: "loading" }
  | { readonly kind: "locked"; readonly error: ClientError }
  | { readonly kind: "failed"; readonly error: ClientError }
  | {
    readonly kind: "ready";
    readonly session: Session;
    readonly operations: Readonly<Record<string, OperationsOfGroup>>;
  };

function App() {
  const [view, setView] = useState<View>({ kind: "loading" });
  const [key, setKey] = useState(sessionStorage.getItem(KEY_ITEM) ?? undefined);
  const [reloads, setReloads] = useState(0);
  const hash = useHash();

  useEffect(() => {
    let current = true;
    let session: Session | undefined;
    const load = async () => {
      setView({ kind: "loading" });
      try {
        session = await Session.open(BASE_URL, key);
      } catch (thrown) {
        const error = isClientError(thrown) ? thrown : createClientError("internal", `${thrown}`);
        const locked = error.code === "unauthorized";
        if (current) setView({ kind: locked ? "locked" : "failed", error });
        return;
      }
      if (!current) return void session.close();
      const ready = { kind: "ready", session, operations: {} } as const;
      setView(ready);
      await loadOperations(session, (group, list) => {
        if (!current) return;
        setView((view) =>
          view.kind === "ready"
            ? { ...view, operations: { ...view.operations, [group]: list } }
            : view
        );
      });
    };
    void load();
    return () => {
      current = false;
      void session?.close();
    };
  }, [key, reloads]);

  const changeKey = (next: string | undefined): void => {
    if (next === undefined) sessionStorage.removeItem(KEY_ITEM);
    else sessionStorage.setItem(KEY_ITEM, next);
    setKey(next);
    setReloads((count) => count + 1);
  };
  const reload = () => setReloads((count) => count + 1);

  return (
    <div class={hash === "" ? "page" : "page has-choice"}>
      <header class="top">
        <a class="brand" href="#">
          <Mark />AutoMCP
        </a>
        <span class="endpoint">{location.host}</span>
        <span class="spacer" />
        {key !== undefined && view.kind !== "locked" && (
          <button
            type="button"
            class="quiet"
            onClick={() => changeKey(undefined)}
          >
            Forget key
          </button>
        )}
        <button type="button" class="quiet" onClick={reload}>Reload</button>
      </header>
      {view.kind === "ready"
        ? <Ready session={view.session} operations={view.operations} hash={hash} />
        : (
          <main class="alone">
            {view.kind === "loading" && <p class="muted" role="status">Loading the groups …</p>}
            {view.kind === "locked" && <KeyForm rejected={key !== undefined} onKey={changeKey} />}
            {view.kind === "failed" && (
              <div class="stack">
                <ProblemView error={view.error} effect="safe" />
                <div>
                  <button type="button" onClick={reload}>Try again</button>
                </div>
              </div>
            )}
          </main>
        )}
    </div>
  );
}

interface ReadyProps {
  session: Session;
  operations: Readonly<Record<string, OperationsOfGroup>>;
  hash: string;
}

function Ready({ session, operations, hash }: ReadyProps) {
  const groups = Object.entries(operations);
  const found = groups.flatMap(([group, list]) =>
    Array.isArray(list) ? list.map((operation) => ({ group, operation })) : []
  ).find(({ group, operation }) => toId(group, operation.name) === hash);
  const pending = session.groups.some((group) =>
    isReachable(group) && operations[group.name] === undefined
  );
  return (
    <>
      <Catalog groups={session.groups} operations={operations} hash={hash} />
      <main>
        {found !== undefined
          ? (
            <OperationView
              key={hash}
              group={found.group}
              operation={found.operation}
              run={session.run(found.group, found.operation.name)}
            />
          )
          : hash === ""
          ? <p class="empty">Choose an operation to see what it takes, and run it.</p>
          : (
            <p class="empty" role="status">
              {pending ? "Loading …" : "There is no such operation. Choose another one."}
            </p>
          )}
      </main>
    </>
  );
}

function Mark() {
  return (
    <svg class="mark" viewBox="0 0 32 32" aria-hidden="true">
      <rect width="32" height="32" rx="8" />
      <path d="M9 22 16 9l7 13M12 17h8" />
    </svg>
  );
}

/** All groups at once, each as soon as it answers; one that the list calls dead is not asked. */
async function loadOperations(
  session: Session,
  onList: (group: string, list: OperationsOfGroup) => void,
): Promise<void> {
  await Promise.all(
    session.groups
      .filter(isReachable)
      .map(async ({ name }) => onList(name, await session.describe(name))),
  );
}

/** The chosen operation, as the address of the page names it. */
function useHash(): string {
  const [hash, setHash] = useState(readHash);
  useEffect(() => {
    const update = () => setHash(readHash());
    addEventListener("hashchange", update);
    return () => removeEventListener("hashchange", update);
  }, []);
  return hash;
}

function readHash(): string {
  return location.hash.length > 1 ? location.hash : "";
}

const root = document.getElementById("app");
if (root !== null) render(<App />, root);
