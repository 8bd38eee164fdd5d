import type { BrowserContextOptions, Page } from "playwright-core";
import { assert, assertEquals } from "@std/assert";
import { CHROMIUM_MISSING, launchChromium } from "../support/chromium.ts";
import {
  type DemoEndpoint,
  type DemoEndpointOptions,
  startDemoEndpoint,
} from "../support/demo_endpoint.ts";
import { requires } from "../support/prerequisites.ts";
import { until } from "../support/until.ts";

const ARTIFACTS = Deno.env.get("AUTOMCP_ARTIFACTS") ??
  (CHROMIUM_MISSING === undefined ? await Deno.makeTempDir({ prefix: "automcp-console-" }) : "");
const DESKTOP = { viewport: { width: 1280, height: 860 } };
const PHONE = { viewport: { width: 360, height: 740 }, hasTouch: true };
const DARK = { ...DESKTOP, colorScheme: "dark" } as const;
const WAIT_MS = 10_000;

if (CHROMIUM_MISSING === undefined) await buildConsole();
else console.log(`The console is not tested: ${CHROMIUM_MISSING}`);

async function buildConsole(): Promise<void> {
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["task", "build"],
    cwd: new URL("../..", import.meta.url),
    stdout: "null",
  }).output();
  assert(success, new TextDecoder().decode(stderr));
}

/** A page of the console, and everything in it that must not be. */
interface Visit extends AsyncDisposable {
  readonly page: Page;
  readonly host: DemoEndpoint;
  /** Chromium logs each refused request as an error; the test says which it has asked for. */
  allowStatus(status: number): void;
  screenshot(name: string): Promise<void>;
}

async function visit(
  looks: BrowserContextOptions = DESKTOP,
  options: DemoEndpointOptions = {},
): Promise<Visit> {
  await using stack = new AsyncDisposableStack();
  const host = stack.use(await startDemoEndpoint(options));
  const { context } = stack.use(await launchChromium(looks));
  context.setDefaultTimeout(WAIT_MS);
  const faults: string[] = [];
  const allowed = new Set<number>();
  await context.addInitScript(`
    addEventListener("securitypolicyviolation", (event) =>
      console.error("CSP violation: " + event.violatedDirective + " " + event.blockedURI));
  `);
  const page = await context.newPage();
  page.on("pageerror", (error) => faults.push(`thrown: ${error}`));
  page.on("console", (message) => {
    const status = /responded with a status of (\d+)/.exec(message.text())?.[1];
    if (message.type() === "log" || allowed.has(Number(status))) return;
    faults.push(`${message.type()}: ${message.text()}`);
  });
  page.on("request", (request) => {
    const url = request.url();
    if (!url.startsWith(host.url) && !url.startsWith("data:")) faults.push(`external: ${url}`);
  });
  await page.goto(host.url);
  const resources = stack.move();
  return {
    page,
    host,
    allowStatus: (status) => void allowed.add(status),
    async screenshot(name) {
      await Deno.mkdir(ARTIFACTS, { recursive: true });
      const path = `${ARTIFACTS}/console-${name}.png`;
      await page.screenshot({ path });
      console.log(path);
    },
    async [Symbol.asyncDispose]() {
      await resources.disposeAsync();
      assertEquals(faults, []);
    },
  };
}

async function open(page: Page, operation: string): Promise<void> {
  await page.getByRole("link", { name: new RegExp(`^${operation}\\b`) }).click();
  await page.getByRole("heading", { level: 1, name: operation }).waitFor();
}

function run(page: Page): Promise<void> {
  return page.getByRole("button", { name: "Run" }).click();
}

function status(page: Page, text: string): Promise<void> {
  return page.getByRole("status").filter({ hasText: text }).waitFor();
}

function message(page: Page, text: RegExp): Promise<void> {
  return page.locator(".message", { hasText: text }).waitFor();
}

/** The browser and its pipes belong to Playwright, which ends them on close but not in the same tick. */
function browserTest(name: string, fn: () => Promise<void>): void {
  Deno.test({
    ...requires(name, CHROMIUM_MISSING),
    sanitizeOps: false,
    sanitizeResources: false,
    fn,
  });
}

browserTest("the console lists groups, also a dead one, and filters operations", async () => {
  await using visitor = await visit(DESKTOP, { deadGroup: true });
  const { page } = visitor;
  const list = page.getByRole("navigation");
  await list.getByRole("link").nth(5).waitFor();
  assertEquals(
    await list.locator(".name").allInnerTexts(),
    [
      ...["Add", "Count", "Flaky", "Charge", "Ledger", "Cut"],
      ...["List resources", "List resource templates", "Read a resource"],
      ...["List prompts", "Get a prompt", "Complete an argument"],
    ],
  );
  assertEquals(
    await list.locator(".badge").allInnerTexts(),
    [
      ...["safe", "safe", "idempotent", "unsafe", "safe", "unsafe"],
      ...Array<string>(6).fill("safe"),
    ],
  );
  assertEquals(await list.locator(".trouble").count(), 1);
  await page.getByLabel("Filter the operations").fill("ledger charge");
  assertEquals(await list.locator(".name").allInnerTexts(), ["Charge", "Ledger"]);
});

browserTest("the console runs an operation from its form and shows the result", async () => {
  await using visitor = await visit();
  const { page } = visitor;
  await open(page, "Add");
  assertEquals(new URL(page.url()).hash, "#/demo/add");
  await page.getByLabel("a", { exact: true }).fill("x");
  await run(page);
  await page.getByText("Must be a number").waitFor();
  assertEquals(await page.getByText("Needs a value").count(), 1);
  assertEquals(visitor.host.demo.calls, 0);
  await page.getByLabel("a", { exact: true }).fill("1.5");
  await page.getByLabel("b", { exact: true }).fill("2");
  await page.keyboard.press("Enter");
  await status(page, "Done");
  const result = page.getByRole("region", { name: "Result" });
  assert((await result.innerText()).includes('"sum": 3.5'));
  await page.reload();
  await page.getByRole("heading", { level: 1, name: "Add" }).waitFor();
});

browserTest("the console reads a resource and gets a prompt", async () => {
  await using visitor = await visit();
  const { page } = visitor;
  const result = page.getByRole("region", { name: "Result" });
  await open(page, "Read a resource");
  assertEquals(new URL(page.url()).hash, "#/demo/resources%2Fread");
  await page.getByLabel("uri").fill("demo://ledger");
  await run(page);
  await status(page, "Done");
  assertEquals(await result.locator(".path").innerText(), "demo://ledger");
  assertEquals(await result.locator("pre.text").innerText(), `{"charges":[]}`);

  await page.getByRole("link", { name: /^Get a prompt/ }).click();
  await page.getByRole("heading", { level: 1, name: "Get a prompt" }).waitFor();
  await page.getByLabel("name").fill("reminder");
  await page.getByLabel("arguments").fill(`{"id": "1", "tone": "firm"}`);
  await run(page);
  await status(page, "Done");
  const text = "Write a firm reminder of charge 1.";
  assertEquals(await result.locator("pre.text").innerText(), text);
});

browserTest("the console draws progress as it arrives", async () => {
  await using visitor = await visit();
  const { page } = visitor;
  await open(page, "Count");
  await page.getByLabel("steps").fill("8");
  await page.getByLabel("delayMs").fill("150");
  await page.evaluate(`
    globalThis.updates = [];
    new MutationObserver(() => {
      const value = document.querySelector("[role=progressbar]")?.getAttribute("aria-valuenow");
      if (value && value !== updates.at(-1)?.value) updates.push({ value, atMs: performance.now() });
    }).observe(document.body, { subtree: true, childList: true, attributes: true });
  `);
  await run(page);
  await message(page, /^Step 5 of 8$/);
  await visitor.screenshot("desktop-running");
  await status(page, "Done");
  const updates = await page.evaluate<{ value: string; atMs: number }[]>("updates");
  const values = updates.map(({ value }) => Number(value));
  const spreadMs = updates.at(-1)!.atMs - updates[0]!.atMs;
  console.log(`Progress of 8 steps, 150 ms apart: ${values.join(", ")} % over ${spreadMs} ms`);
  assert(values.length >= 6, `${values}`);
  assertEquals(values, values.toSorted((a, b) => a - b));
  assertEquals(values.at(-1), 100);
  assert(spreadMs >= 700, `All within ${spreadMs} ms`);
  await visitor.screenshot("desktop");
});

browserTest("the console cancels a run, down to the server", async () => {
  await using visitor = await visit();
  const { page, host: { demo } } = visitor;
  await open(page, "Count");
  await page.getByLabel("steps").fill("500");
  await run(page);
  await message(page, /^Step [2-9] of 500$/);
  await page.getByRole("button", { name: "Cancel" }).click();
  await status(page, "Cancelled");
  await until(() => demo.inFlight === 0);
  assertEquals([demo.cancelled, demo.calls], [1, 1]);
  assertEquals(await page.evaluate("document.activeElement.textContent"), "Run");
});

browserTest("the console shows what the endpoint refuses beside the field", async () => {
  await using visitor = await visit();
  visitor.allowStatus(400);
  const { page } = visitor;
  await open(page, "Count");
  await page.getByLabel("steps").fill("-1");
  await run(page);
  await status(page, "Failed");
  const steps = page.getByLabel("steps");
  assertEquals(await steps.getAttribute("aria-invalid"), "true");
  const faultsId = (await steps.getAttribute("aria-describedby"))?.split(" ").at(-1);
  const fault = await page.locator(`[id="${faultsId}"]`).innerText();
  assert(fault.length > 0);
  assert((await page.getByRole("region", { name: "Problem" }).innerText()).includes("did not run"));
  await page.getByRole("button", { name: "Edit as JSON" }).click();
  await page.getByLabel("Arguments as JSON").fill('{"steps": 1, "delayMs": 0}');
  await run(page);
  await status(page, "Done");
});

browserTest("the console says when nobody knows whether an operation ran", async () => {
  await using visitor = await visit(DARK);
  const { page } = visitor;
  await open(page, "Cut");
  await run(page);
  await status(page, "Outcome unknown");
  const problem = await page.getByRole("region", { name: "Problem" }).innerText();
  assert(problem.includes("outcome_unknown"));
  assert(problem.includes("It is not known whether it ran. Check before you run it again"));
  await page.getByText("Log").click();
  await visitor.screenshot("dark");
  const ground = await page.evaluate("getComputedStyle(document.body).backgroundColor");
  assertEquals(ground, "rgb(15, 18, 23)");
});

browserTest("the console logs the endpoint's attempts with reason and wait", async () => {
  await using visitor = await visit();
  const { page } = visitor;
  await open(page, "Flaky");
  await page.getByLabel("failures").fill("1");
  await run(page);
  await status(page, "Done");
  await page.getByText("Log").click();
  await page.getByText(/^Attempt 2 after unavailable and a wait of /).waitFor();
  assert((await page.getByRole("region", { name: "Run" }).innerText()).includes("2 attempts"));
});

browserTest("the console asks for a key and forgets it with the tab", async () => {
  await using visitor = await visit(DESKTOP, { key: "let-me-in" });
  visitor.allowStatus(401);
  const { page } = visitor;
  await page.getByLabel("API key").fill("wrong");
  await page.keyboard.press("Enter");
  await page.getByText("The endpoint does not accept this key.").waitFor();
  await page.getByLabel("API key").fill("let-me-in");
  await page.keyboard.press("Enter");
  await open(page, "Ledger");
  await run(page);
  await status(page, "Done");
  assertEquals(await page.evaluate("localStorage.length + document.cookie.length"), 0);
  await page.getByRole("button", { name: "Forget key" }).click();
  await page.getByLabel("API key").waitFor();
  assertEquals(await page.evaluate("sessionStorage.length"), 0);
});

browserTest("the console fits a phone and needs no mouse", async () => {
  await using visitor = await visit(PHONE);
  const { page } = visitor;
  const overflowPx = () =>
    page.evaluate<number>(
      "document.documentElement.scrollWidth - document.documentElement.clientWidth",
    );
  const link = page.getByRole("link", { name: /^Count\b/ });
  await link.waitFor();
  await visitor.screenshot("phone-list");
  assertEquals(await overflowPx(), 0);
  await link.focus();
  await page.keyboard.press("Enter");
  await page.getByLabel("steps").focus();
  await page.keyboard.type("0");
  await page.keyboard.press("Enter");
  await message(page, /^Step [2-9] of 100$/);
  await page.keyboard.press("Tab");
  await visitor.screenshot("phone");
  assertEquals(await overflowPx(), 0);
  await page.getByRole("button", { name: "Cancel" }).press("Enter");
  await status(page, "Cancelled");
  await page.getByRole("link", { name: "All operations" }).press("Enter");
  await link.waitFor();
});
