/** What the demo server has besides its tools: a resource, a template of resources, a prompt. */
import {
  completable,
  type McpServer,
  ResourceNotFoundError,
  ResourceTemplate,
} from "@modelcontextprotocol/server";
import { z } from "zod";

/** One line of the ledger. */
export interface Charge {
  readonly id: number;
  readonly amount: number;
  readonly reference?: string;
}

const JSON_TYPE = "application/json";
const TONES = ["firm", "formal", "friendly"] as const;

/** Lets a server show its ledger as resources, and write reminders of it. */
export function registerContents(server: McpServer, ledger: readonly Charge[]): void {
  server.registerResource("ledger", "demo://ledger", {
    title: "Ledger",
    description: "Every charge.",
    mimeType: JSON_TYPE,
  }, ({ href }) => show(href, { charges: ledger }));

  const charges = new ResourceTemplate("demo://charges/{id}", {
    list: undefined,
    complete: {
      id: (start) => ledger.map(({ id }) => String(id)).filter((id) => id.startsWith(start)),
    },
  });
  server.registerResource("charge", charges, {
    title: "Charge",
    description: "One charge, by its number.",
    mimeType: JSON_TYPE,
  }, ({ href }, { id }) => {
    const charge = ledger.find((one) => String(one.id) === id);
    if (charge === undefined) throw new ResourceNotFoundError(href);
    return show(href, charge);
  });

  server.registerPrompt("reminder", {
    title: "Reminder",
    description: "Asks for a reminder of a charge, in a tone.",
    argsSchema: z.object({
      id: z.string(),
      tone: completable(
        z.enum(TONES),
        (start) => TONES.filter((tone) => tone.startsWith(start ?? "")),
      ),
    }),
  }, ({ id, tone }) => ({
    messages: [{
      role: "user",
      content: { type: "text", text: `Write a ${tone} reminder of charge ${id}.` },
    }],
  }));
}

function show(uri: string, value: unknown) {
  return { contents: [{ uri, mimeType: JSON_TYPE, text: JSON.stringify(value) }] };
}
