import { assertEquals } from "@std/assert";
import manifest from "../../deno.json" with { type: "json" };

/** The parts of `deno doc --json` that are looked at. */
interface JsDoc {
  doc?: string;
  tags?: { kind: string; name?: string; doc?: string }[];
}
interface Member {
  name: string;
  jsDoc?: JsDoc;
  accessibility?: string;
}
interface Declaration {
  kind: string;
  declarationKind: string;
  jsDoc?: JsDoc;
  location: { filename: string; line: number };
  def?: {
    params?: { name?: string; left?: { name?: string } }[];
    returnType?: { repr: string };
    properties?: Member[];
    methods?: Member[];
  };
}
interface ModuleDoc {
  module_doc?: JsDoc;
  symbols: { name: string; declarations: Declaration[] }[];
}

const root = new URL("../../", import.meta.url);

async function readDoc(path: string): Promise<ModuleDoc> {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    cwd: root,
    args: ["doc", "--json", path],
  }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
  const { nodes } = JSON.parse(new TextDecoder().decode(stdout));
  const [module] = Object.values<ModuleDoc>(nodes);
  if (module === undefined || module.symbols.length === 0) throw new Error(`${path}: no symbols`);
  return module;
}

const isDocumented = (jsDoc: JsDoc | undefined): boolean => (jsDoc?.doc ?? "").trim() !== "";

/** A title, then a block of TypeScript that uses the package by its name. */
const EXAMPLE_REGEXP = /^[^`\s][^\n]*\n+```ts\n[^]*from "@automcp\/client/;

function hasExample(jsDoc: JsDoc | undefined): boolean {
  return (jsDoc?.tags ?? []).some(({ kind, doc }) =>
    kind === "example" && EXAMPLE_REGEXP.test(doc ?? "")
  );
}

const RETURNS_NOTHING_REGEXP = /^(?:void|never|Promise<void>|)$|^asserts /;

function findFunctionProblems(jsDoc: JsDoc | undefined, def: Declaration["def"]): string[] {
  const tags = jsDoc?.tags ?? [];
  const problems = (def?.params ?? [])
    .map(({ name, left }) => name ?? left?.name ?? "")
    .filter((name) => !tags.some((tag) => tag.kind === "param" && tag.name === name))
    .map((name) => `has no @param ${name}`);
  const returns = tags.some(({ kind }) => kind === "return");
  if (!returns && !RETURNS_NOTHING_REGEXP.test(def?.returnType?.repr ?? "")) {
    problems.push("has no @returns");
  }
  return problems;
}

/** What an entry point lacks: a module doc with an example, docs, members' docs, examples. */
function findProblems(entry: string, { module_doc, symbols }: ModuleDoc): string[] {
  const problems: string[] = [];
  if (!isDocumented(module_doc)) problems.push(`${entry}: no module doc`);
  if (!hasExample(module_doc)) problems.push(`${entry}: no titled @example in its module doc`);
  for (const { name, declarations } of symbols) {
    for (const { kind, declarationKind, jsDoc, def } of declarations) {
      if (declarationKind !== "export") continue;
      const add = (problem: string): number => problems.push(`${entry}: ${name} ${problem}`);
      if (!isDocumented(jsDoc)) add("has no doc comment");
      if ((kind === "function" || kind === "class") && !hasExample(jsDoc)) {
        add("has no titled @example");
      }
      if (kind === "function") findFunctionProblems(jsDoc, def).forEach(add);
      for (const member of [...def?.properties ?? [], ...def?.methods ?? []]) {
        if (member.accessibility !== undefined || isDocumented(member.jsDoc)) continue;
        add(`has a member without doc comment: ${member.name}`);
      }
    }
  }
  return problems;
}

for (const [entry, path] of Object.entries(manifest.exports)) {
  Deno.test(`public API of ${entry} is documented, each function and class with an example`, async () => {
    assertEquals(findProblems(entry, await readDoc(path)), []);
  });
}

Deno.test("public API gate reports every kind of gap", async () => {
  const file = await Deno.makeTempFile({ suffix: ".ts" });
  try {
    await Deno.writeTextFile(
      file,
      `export const bare: number = 1;
/**
 * Has an example without a title.
 *
 * @example
 * \`\`\`ts
 * import { untitled } from "@automcp/client";
 * \`\`\`
 */
export function untitled(name: string): string { return name; }
/** Has members. */
export interface Open { inner: number; }
/** Has no example. */
export class Shut {
  /** Is documented. */
  readonly a: number = 1;
}
`,
    );
    assertEquals(findProblems("./x", await readDoc(file)), [
      "./x: no module doc",
      "./x: no titled @example in its module doc",
      "./x: bare has no doc comment",
      "./x: untitled has no titled @example",
      "./x: untitled has no @param name",
      "./x: untitled has no @returns",
      "./x: Open has a member without doc comment: inner",
      "./x: Shut has no titled @example",
    ]);
  } finally {
    await Deno.remove(file);
  }
});
