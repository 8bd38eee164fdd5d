import { useState } from "hono/jsx/dom";
import type { ExecutionResponse } from "../client/execution.ts";
import type { ContentBlock, JsonObject, JsonValue } from "../client/ports.ts";

/** What an operation answered. */
export function ResultView({ response }: { response: ExecutionResponse }) {
  const { structuredContent, success } = response;
  const blocks = response.content.filter((block) => !repeats(block, structuredContent));
  return (
    <section class={success ? "panel result" : "panel failure"} aria-label="Result">
      <h3>{success ? "Result" : "The operation ran and said no"}</h3>
      {structuredContent !== undefined && <Json value={structuredContent} />}
      {blocks.map((block, index) => <Block key={index} block={block} />)}
      {structuredContent === undefined && blocks.length === 0 && (
        <p class="muted">The answer is empty.</p>
      )}
    </section>
  );
}

/** Servers send structured content as text too, for clients that do not know it. */
function repeats(block: ContentBlock, structured: JsonValue | undefined): boolean {
  if (structured === undefined || block.type !== "text") return false;
  try {
    return JSON.stringify(JSON.parse(String(block.text))) === JSON.stringify(structured);
  } catch {
    return false;
  }
}

function Block({ block }: { block: ContentBlock }) {
  const { type, text, data, mimeType, uri, name, resource } = block;
  if (type === "text") return <pre class="text">{String(text)}</pre>;
  if (type === "image" && isImage(mimeType)) return <Image mimeType={mimeType} data={data} />;
  if (type === "resource" && typeof resource === "object" && resource !== null) {
    return <Resource resource={resource as JsonObject} />;
  }
  if (type === "resource_link" && /^https?:/.test(String(uri))) {
    return (
      <p>
        <a href={String(uri)} rel="noopener noreferrer" target="_blank">{String(name ?? uri)}</a>
      </p>
    );
  }
  return <Json value={block} />;
}

/** What a resource holds, under its URI. */
function Resource({ resource }: { resource: JsonObject }) {
  const { uri, mimeType, text, blob } = resource;
  return (
    <>
      <p class="path">{String(uri)}</p>
      {typeof text === "string"
        ? <pre class="text">{text}</pre>
        : isImage(mimeType)
        ? <Image mimeType={mimeType} data={blob} />
        : <Json value={resource} />}
    </>
  );
}

function Image({ mimeType, data }: { mimeType: string; data: JsonValue | undefined }) {
  return <img src={`data:${mimeType};base64,${data}`} alt="Image in the result" />;
}

function isImage(mimeType: JsonValue | undefined): mimeType is string {
  return typeof mimeType === "string" && /^image\/[\w.+-]+$/.test(mimeType);
}

function Json({ value }: { value: JsonValue }) {
  const [copied, setCopied] = useState(false);
  const text = JSON.stringify(value, null, 2);
  const copy = async (): Promise<void> => {
    await navigator.clipboard.writeText(text);
    setCopied(true);
    setTimeout(() => setCopied(false), 1_500);
  };
  return (
    <div class="json">
      {/* Missing on pages that came over plain HTTP. */}
      {"clipboard" in navigator && (
        <button
          type="button"
          class="quiet copy"
          onClick={() => void copy()}
        >
          {copied ? "Copied" : "Copy"}
        </button>
      )}
      <pre>{tokens(text).map(({ kind, text }, index) => <span key={index} class={kind}>{text}</span>)}</pre>
    </div>
  );
}

const TOKEN_REGEXP =
  /(?<key>"(?:\\.|[^"\\])*")(?=:)|(?<string>"(?:\\.|[^"\\])*")|(?<number>-?\d[\d.eE+-]*)|(?<word>true|false|null)/g;
/** Above it, colours cost more than they help. */
const MAX_COLOURED = 50_000;

function tokens(text: string): { kind: string; text: string }[] {
  if (text.length > MAX_COLOURED) return [{ kind: "plain", text }];
  const found: { kind: string; text: string }[] = [];
  let at = 0;
  for (const match of text.matchAll(TOKEN_REGEXP)) {
    if (match.index > at) found.push({ kind: "plain", text: text.slice(at, match.index) });
    const kind = Object.entries(match.groups ?? {}).find(([, value]) => value !== undefined)?.[0];
    found.push({ kind: kind ?? "plain", text: match[0] });
    at = match.index + match[0].length;
  }
  found.push({ kind: "plain", text: text.slice(at) });
  return found;
}
