/** Writes docs/errors.md from the error tree: `deno task docs:errors`. */
import { ERROR_CODES, type ErrorCode } from "../src/errors/codes.ts";
import { createClientError } from "../src/errors/errors.ts";
import { PROBLEM_STATUS } from "../src/hono/problem.ts";

/** Codes that have their place already, but that nothing in this version answers with. */
const UNUSED: ReadonlySet<ErrorCode> = new Set([
  "circuit_open",
  "idempotency_key_reused",
  "shed",
  "shutting_down",
]);

/** Where the page lies. */
export const ERRORS_DOC: URL = new URL("../docs/errors.md", import.meta.url);

const HEAD = `# Errors

What the world does to a call arrives as a \`ClientError\` with a code of this closed set. Branch on
the code, never on the message. Misuse of the API throws \`TypeError\` or \`RangeError\` at once, and
your own abort is rethrown as it was: the reason of your signal, the same object.

Below each code: its class; what is proved about the request unless the failure itself proved more
(\`not_sent\`, \`not_executed\`, \`unknown\`, \`executed\`); for which effects \`retryable\` is true then; and
the status of the problem details, of the type \`urn:automcp:problem:CODE\`, that the HTTP endpoint
answers. An operation is \`unsafe\` until somebody says otherwise.

This page is made by \`deno task docs:errors\`.
`;

function describeRepeat(code: ErrorCode): string {
  if (createClientError(code, "", { effect: "unsafe" }).retryable) return "retryable";
  const forSafe = createClientError(code, "", { effect: "safe" }).retryable;
  return forSafe ? "retryable unless `unsafe`" : "not retryable";
}

/** Returns the text of the page. */
export function renderErrorsDoc(): string {
  const sections = (Object.keys(ERROR_CODES) as ErrorCode[]).map((code) => {
    const { name, delivery } = createClientError(code, "");
    const facts = [
      `\`${name}\``,
      `\`${delivery}\``,
      describeRepeat(code),
      `HTTP ${PROBLEM_STATUS[code]}`,
      ...(UNUSED.has(code) ? ["not used in this version"] : []),
    ];
    return `\n## \`${code}\`\n\n${ERROR_CODES[code]}\\\n${facts.join(" · ")}\n`;
  });
  return HEAD + sections.join("");
}

if (import.meta.main) await Deno.writeTextFile(ERRORS_DOC, renderErrorsDoc());
