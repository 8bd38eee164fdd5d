import { useEffect, useRef, useState } from "hono/jsx/dom";

interface KeyFormProps {
  /** Whether the endpoint has refused a key already. */
  rejected: boolean;
  onKey: (key: string) => void;
}

/** What the page needs before the endpoint answers it. */
export function KeyForm({ rejected, onKey }: KeyFormProps) {
  const [key, setKey] = useState("");
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => input.current?.focus(), []);
  const submit = (event: Event): void => {
    event.preventDefault();
    if (key.trim() !== "") onKey(key.trim());
  };
  return (
    <form class="key-form" onSubmit={submit}>
      <h1>This endpoint needs a key</h1>
      <div class="field">
        <label for="key">API key</label>
        <input
          id="key"
          ref={input}
          type="password"
          autocomplete="off"
          spellcheck={false}
          value={key}
          aria-describedby="key-help"
          aria-invalid={rejected ? "true" : undefined}
          onInput={(event: Event) => setKey((event.target as HTMLInputElement).value)}
        />
        {rejected && <p class="fault" role="alert">The endpoint does not accept this key.</p>}
        <p class="help" id="key-help">
          Kept in this tab until it is closed, and sent to {location.host} alone.
        </p>
      </div>
      <button type="submit" class="primary">Use key</button>
    </form>
  );
}
