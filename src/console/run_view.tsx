import { useEffect, useRef, useState } from "hono/jsx/dom";
import type { ProgressSnapshot } from "../progress/events.ts";
import { formatCount, formatEta, formatMs } from "./format.ts";
import type { LogEntry, RunState } from "./run.ts";

const STATUS: Record<RunState["status"], string> = {
  idle: "",
  running: "Running",
  success: "Done",
  error: "Done: the operation answered with an error",
  unknown: "Outcome unknown",
  failed: "Failed",
  cancelled: "Cancelled",
};
const TICK_MS = 100;

/** How far the newest run is, and what happened in it. */
export function RunView({ state }: { state: RunState }) {
  const { status, progress, attempt, log, executionId } = state;
  const elapsedMs = useElapsed(state);
  const running = status === "running";
  return (
    <section class="run" aria-label="Run">
      <div class="run-head">
        <h2 class={`status ${status}`} role="status">{STATUS[status]}</h2>
        <span class="facts">
          {attempt > 1 && <span>{running ? `attempt ${attempt}` : `${attempt} attempts`}</span>}
          <span>{running ? `${(elapsedMs / 1_000).toFixed(1)} s` : formatMs(elapsedMs)}</span>
        </span>
      </div>
      {(running || progress !== undefined) && <ProgressView progress={progress} status={status} />}
      <details class="log">
        <summary>
          Log <span class="count">{log.length}</span>
        </summary>
        {executionId !== undefined && (
          <p class="muted">
            Execution <code>{executionId}</code>
          </p>
        )}
        <Log entries={log} />
      </details>
    </section>
  );
}

/** Keeps the newest entry in sight, unless the reader has scrolled up. */
function Log({ entries }: { entries: readonly LogEntry[] }) {
  const list = useRef<HTMLOListElement>(null);
  const following = useRef(true);
  const note = (): void => {
    const { scrollTop = 0, scrollHeight = 0, clientHeight = 0 } = list.current ?? {};
    following.current = scrollTop + clientHeight >= scrollHeight - 8;
  };
  useEffect(() => {
    if (following.current) list.current?.scrollTo(0, list.current.scrollHeight);
  }, [entries.length]);
  return (
    // Focusable, so that it can be scrolled without a mouse.
    <ol ref={list} tabindex={0} aria-label="Log" onScroll={note}>
      {entries.map(({ afterMs, kind, text }, index) => (
        <li key={index} class={kind}>
          <time>{formatMs(afterMs)}</time>
          <span>{text}</span>
        </li>
      ))}
    </ol>
  );
}

interface ProgressProps {
  progress: ProgressSnapshot | undefined;
  status: RunState["status"];
}

function ProgressView({ progress, status }: ProgressProps) {
  const running = status === "running";
  const percent = progress?.fraction === undefined
    ? undefined
    : Math.round(progress.fraction * 100);
  const message = progress?.message ?? (running ? "Waiting for the server" : "");
  const parts = [
    progress !== undefined && toCount(progress),
    running && progress?.etaMs !== undefined && formatEta(progress.etaMs),
  ].filter(Boolean);
  return (
    <div class="meter">
      <div class="meter-head">
        <span class="message">{message}</span>
        <span class="percent">{percent === undefined ? "" : `${percent} %`}</span>
      </div>
      <div
        class={`bar ${status} ${percent === undefined ? "moving" : ""}`}
        role="progressbar"
        aria-label="Progress"
        aria-valuemin={0}
        aria-valuemax={100}
        aria-valuenow={percent}
        aria-valuetext={[message, ...parts].filter(Boolean).join(", ")}
      >
        <svg preserveAspectRatio="none" viewBox="0 0 100 1" aria-hidden="true">
          <rect width={percent ?? 0} height="1" />
        </svg>
      </div>
      <p class="facts">{parts.join(" · ")}</p>
    </div>
  );
}

function toCount({ progress, total }: ProgressSnapshot): string {
  const of = total === undefined ? "" : ` of ${formatCount(total)}`;
  return `${formatCount(progress)}${of}`;
}

/** From the start to now, or to the end. */
function useElapsed({ status, startedAtMs, elapsedMs, response }: RunState): number {
  const [, tick] = useState(0);
  useEffect(() => {
    if (status !== "running") return;
    const timer = setInterval(() => tick((count) => count + 1), TICK_MS);
    return () => clearInterval(timer);
  }, [status, startedAtMs]);
  return status === "running" ? Date.now() - startedAtMs : response?.elapsedMs ?? elapsedMs;
}
