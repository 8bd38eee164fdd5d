import { isSpecType, type ServerCapabilities } from "@modelcontextprotocol/client";
import type {
  ConnectionResult,
  ContentBlock,
  JsonObject,
  OperationDescriptor,
  OperationKind,
} from "../client/ports.ts";

/** A method of the protocol that is an operation of its own, as `tools/call` is one for each tool. */
export interface McpMethod {
  /** How it is described; its name is the operation's too. */
  readonly descriptor: OperationDescriptor;
  /** What a server that has it declares. */
  readonly capability: keyof ServerCapabilities;
  /** The parameter that the header `Mcp-Name` repeats. */
  readonly namedBy?: "uri" | "name";
  /** Where a page of a list holds its items. */
  readonly items?: string;
  /** Tells whether a result has the shape that the protocol gives it. */
  readonly isResult: (result: unknown) => boolean;
  /** Returns the blocks of a result. */
  readonly toContent?: (result: JsonObject) => readonly ContentBlock[];
}

const TEXT = { type: "string" } as const;

const METHODS: readonly McpMethod[] = [
  {
    descriptor: listOf("resource", "resources/list", "List resources", "the resources to read"),
    capability: "resources",
    items: "resources",
    isResult: isSpecType.ListResourcesResult,
  },
  {
    descriptor: listOf(
      "resource",
      "resources/templates/list",
      "List resource templates",
      "the templates of URIs by which resources can be read",
    ),
    capability: "resources",
    items: "resourceTemplates",
    isResult: isSpecType.ListResourceTemplatesResult,
  },
  {
    descriptor: describe("resource", "resources/read", "Read a resource", {
      description: "Reads a resource by its URI.",
      properties: { uri: { ...TEXT, minLength: 1 } },
      required: ["uri"],
    }),
    capability: "resources",
    namedBy: "uri",
    isResult: isSpecType.ReadResourceResult,
    toContent: ({ contents }) =>
      (contents as JsonObject[]).map((resource) => ({ type: "resource", resource })),
  },
  {
    descriptor: listOf("prompt", "prompts/list", "List prompts", "the prompts to get"),
    capability: "prompts",
    items: "prompts",
    isResult: isSpecType.ListPromptsResult,
  },
  {
    descriptor: describe("prompt", "prompts/get", "Get a prompt", {
      description: "Fills a prompt in and gets its messages.",
      properties: {
        name: { ...TEXT, minLength: 1 },
        arguments: { type: "object", additionalProperties: TEXT },
      },
      required: ["name"],
    }),
    capability: "prompts",
    namedBy: "name",
    isResult: isSpecType.GetPromptResult,
    toContent: ({ messages }) =>
      (messages as { content: ContentBlock }[]).map(({ content }) => content),
  },
  {
    descriptor: describe("completion", "completion/complete", "Complete an argument", {
      description: "Proposes values for an argument of a prompt or of a resource template.",
      properties: {
        ref: {
          description: "The prompt, by its name, or the resource template, by its URI template.",
          type: "object",
          properties: {
            type: { type: "string", enum: ["ref/prompt", "ref/resource"] },
            name: TEXT,
            uri: TEXT,
          },
          required: ["type"],
        },
        argument: {
          description: "The argument, and what is known of its value.",
          type: "object",
          properties: { name: TEXT, value: TEXT },
          required: ["name", "value"],
        },
        context: {
          description: "The other arguments, as far as they are known.",
          type: "object",
          properties: { arguments: { type: "object", additionalProperties: TEXT } },
        },
      },
      required: ["ref", "argument"],
    }),
    capability: "completions",
    isResult: isSpecType.CompleteResult,
  },
];

const METHODS_BY_NAME: ReadonlyMap<string, McpMethod> = new Map(
  METHODS.map((method) => [method.descriptor.name, method]),
);

function describe(
  kind: OperationKind,
  name: string,
  title: string,
  { description, properties, required = [] }: {
    readonly description: string;
    readonly properties: JsonObject;
    readonly required?: readonly string[];
  },
): OperationDescriptor {
  const inputSchema = { type: "object", properties, required, additionalProperties: false };
  return { name, kind, title, description, inputSchema, hints: {} };
}

function listOf(
  kind: OperationKind,
  name: string,
  title: string,
  items: string,
): OperationDescriptor {
  const cursor = {
    ...TEXT,
    description: "Where to go on: `nextCursor` of a result that did not hold everything.",
  };
  return describe(kind, name, title, {
    description: `Lists ${items}.`,
    properties: { cursor },
  });
}

/**
 * Describes the methods of a server as operations.
 *
 * @param capabilities What the server declares.
 * @param tools Its tools. A tool with the name of a method is what that name calls.
 */
export function describeMethods(
  capabilities: ServerCapabilities | undefined,
  tools: readonly OperationDescriptor[],
): OperationDescriptor[] {
  return METHODS
    .filter(({ capability }) => capabilities?.[capability] !== undefined)
    .map(({ descriptor }) => descriptor)
    .filter(({ name }) => !tools.some((tool) => tool.name === name));
}

/** Returns the method that an operation is; `undefined` for a tool. */
export function findMethod({ kind, name }: OperationDescriptor): McpMethod | undefined {
  return kind === "tool" ? undefined : METHODS_BY_NAME.get(name);
}

/** Returns what a method answered without what belongs to the request alone. */
export function toMethodResult(
  { toContent }: McpMethod,
  { _meta, resultType: _type, ...structuredContent }: JsonObject,
): ConnectionResult {
  return { status: "success", content: toContent?.(structuredContent) ?? [], structuredContent };
}
