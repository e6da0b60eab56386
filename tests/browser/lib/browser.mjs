// A browser, the persons in it, and what must hold on every page.
import assert from "node:assert/strict";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import axe from "axe-core";
import { chromium } from "playwright-core";
import { Server } from "./server.mjs";

const { source: axeSource } = axe;
const output = process.env.BROWSER_OUTPUT;
const FLAGS = [
  "--headless=new",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];
const TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"];
const WIDE = { width: 1280, height: 800 };
const NARROW = { width: 320, height: 640 };
const LOOKS = [
  { name: "1280 px", size: WIDE, media: { colorScheme: "light", forcedColors: "none" } },
  { name: "320 px", size: NARROW, media: { colorScheme: "light", forcedColors: "none" } },
  { name: "1280 px, forced colours", size: WIDE, media: { colorScheme: "light", forcedColors: "active" } },
  { name: "1280 px, dark", size: WIDE, media: { colorScheme: "dark", forcedColors: "none" } },
];
/** How long any condition is waited for. */
const DEADLINE_MS = 20_000;
/** How long the page is left alone between two looks at it. */
const BETWEEN_LOOKS_MS = 20;

/** A server and a browser, for one test file. */
export class World {
  #contexts = [];

  static async start() {
    const world = new World();
    world.server = await Server.start();
    try {
      world.browser = await chromium.launch({
        executablePath: process.env.CHROMIUM,
        args: FLAGS,
        ignoreDefaultArgs: ["--headless"],
      });
    } catch (error) {
      await world.server.stop();
      throw error;
    }
    return world;
  }

  async stop() {
    const seen = [];
    try {
      for (const { context, faults } of this.#contexts) {
        for (const { value } of await context.cookies()) this.server.secrets.add(value);
        await context.close();
        seen.push(...faults);
      }
      await this.browser.close();
    } finally {
      await this.server.stop();
    }
    none(seen, "the browser saw faults");
  }

  /** A new browser profile with one page, which nobody is logged into. */
  async page({ sprak = "nb", script = true } = {}) {
    const context = await this.browser.newContext({
      baseURL: this.server.url,
      locale: sprak,
      timezoneId: "Europe/Oslo",
      viewport: WIDE,
      javaScriptEnabled: script,
      reducedMotion: "reduce",
    });
    context.setDefaultTimeout(DEADLINE_MS);
    const faults = [];
    this.#contexts.push({ context, faults });
    await context.exposeBinding("knutepunktFault", (_, text) => faults.push(text));
    await context.addInitScript(() => {
      addEventListener("securitypolicyviolation", (event) =>
        globalThis.knutepunktFault(`CSP: ${event.violatedDirective} ${event.blockedURI} ${event.sourceFile ?? ""}`),
      );
    });
    const page = await context.newPage();
    page.knutepunkt = { server: this.server, script, faults };
    const documents = new Set();
    page.on("response", (response) => {
      if (response.request().isNavigationRequest()) documents.add(withoutHash(response.url()));
      if (new URL(response.url()).origin !== this.server.url) faults.push(`a request left for ${response.url()}`);
    });
    page.on("console", (message) => {
      if (message.type() !== "error" && message.type() !== "warning") return;
      // A page that is an answer with an error status is said to be one, and is what the test asked for.
      const { url } = message.location();
      if (/^Failed to load resource: .* status of (4\d\d|503)/.test(message.text()) && documents.has(withoutHash(url))) return;
      faults.push(`console: ${message.text()} (${url})`);
    });
    page.on("pageerror", (error) => faults.push(`script: ${error.stack}`));
    page.on("crash", () => faults.push("the page crashed"));
    return page;
  }

  /** A page with a person logged in, who stands where the portal sent them. */
  async loggedIn(navn, options) {
    const page = await this.page(options);
    await page.goto("/logg-inn");
    await logIn(page, navn);
    return page;
  }
}

const withoutHash = (url) => url.replace(/#.*/, "");

/** From the page «Logg inn» through ID-porten. */
export async function logIn(page, navn) {
  await page.getByRole("link", { name: /^(Logg inn med|Log in with) / }).click();
  await choosePerson(page, navn);
}

/** In ID-porten: the button of a person. */
export async function choosePerson(page, navn) {
  const button = page.getByRole("button", { name: new RegExp(`^${navn} `) });
  await button.waitFor();
  const pids = await page.evaluate(() => [...document.querySelectorAll("input[name=pid]")].map((input) => input.value));
  for (const pid of pids) page.knutepunkt.server.secrets.add(pid);
  await button.click();
}

/** The one h1 of a page. */
export const h1 = (page, name) => page.getByRole("heading", { level: 1, name, exact: true });

/** Waits until the page with this h1 is there. */
export async function at(page, name) {
  await h1(page, name).waitFor();
}

/** Whether the focus is on an element; not while the page is going. */
export const hasFocus = (locator) => locator.evaluate((element) => element === document.activeElement).catch(() => false);

/** Waits for the summary of errors: its texts are these, each leads to its field, and the field says the same. */
export async function errors(page, ...texts) {
  const count = texts.length === 1 ? "1 feil" : `${texts.length} feil`;
  const summary = page.getByRole("group", { name: `Du må rette ${count} for å gå videre` });
  // The page before may have had errors, too.
  const shown = () => summary.getByRole("link").allInnerTexts().catch(() => []);
  await until(async () => isDeepStrictEqual(await shown(), texts), `the errors ${texts.join(" · ")}`, shown);
  assert.match(await page.title(), /^Feil: /);
  if (page.knutepunkt.script) await until(() => hasFocus(summary), "focus on the summary");
  for (const link of await summary.getByRole("link").all()) {
    const told = await link.evaluate((element) => {
      const field = document.getElementById(element.hash.slice(1));
      const texts = (field?.getAttribute("aria-describedby") ?? "").split(" ").map((id) => document.getElementById(id)?.textContent);
      return { invalid: field?.getAttribute("aria-invalid"), told: texts.includes(element.textContent), tag: field?.tagName };
    });
    assert.ok(told.told, `the field of «${await link.innerText()}» says what is wrong`);
    if (told.tag !== "FIELDSET") assert.equal(told.invalid, "true");
  }
}

/** Waits for the message that tells what came of the last form. It stands at the top and has focus. */
export async function said(page, text) {
  const message = page.getByRole("main").getByText(text, { exact: true });
  await message.waitFor();
  if (page.knutepunkt.script) {
    const focused = () => message.evaluate((element) => document.activeElement?.contains(element) && element.closest("main") !== document.activeElement);
    await until(() => focused().catch(() => false), `focus on «${text}»`);
  }
}

/** Polls a condition that the page tells of in no other way. */
export async function until(condition, what, shown = async () => "", patience = DEADLINE_MS) {
  const deadline = Date.now() + patience;
  for (;;) {
    const value = await condition();
    if (value) return value;
    if (Date.now() > deadline) assert.fail(`not within ${patience} ms: ${what}; ${await shown()}`);
    await new Promise((resolve) => setTimeout(resolve, BETWEEN_LOOKS_MS));
  }
}

/** The value of a fact in a list of facts, by its term. */
export async function fact(page, term) {
  const value = page.getByRole("term").filter({ hasText: new RegExp(`^${term.replace(/[()]/g, "\\$&")}$`) }).first();
  return value.evaluate((dt) => (dt.nextElementSibling.querySelector("code") ?? dt.nextElementSibling).textContent.trim());
}

/** What lies on the clipboard. Pages of the portal may not read it, so it is pasted somewhere else. */
export async function pasted(page) {
  const other = await page.context().newPage();
  await other.setContent("<textarea></textarea>");
  const field = other.getByRole("textbox");
  await field.press("ControlOrMeta+V");
  const text = await field.inputValue();
  await other.close();
  return text;
}

/** What must hold on every page, in each of the looks; and two pictures of it. */
export async function check(page, name) {
  const { script, faults } = page.knutepunkt;
  for (const { name: look, size, media } of LOOKS) {
    await page.setViewportSize(size);
    await page.emulateMedia(media);
    if (script) none(await violations(page), `${name}, ${look}`);
    if (size === NARROW) {
      none(await page.evaluate(widerThanPage), `${name}: the page scrolls sideways at ${size.width} px`);
    }
    if (media.colorScheme === "light" && media.forcedColors === "none") await picture(page, name, size.width);
  }
  await page.setViewportSize(WIDE);
  await page.emulateMedia({ colorScheme: "light", forcedColors: "none" });
  none(faults, `${name}: the browser saw faults`);
}

/** An assertion that shows what was found, and nothing but that. */
function none(found, what) {
  if (found.length > 0) assert.fail(`${what}:\n${found.join("\n")}`);
}

async function violations(page) {
  if (!(await page.evaluate(() => "axe" in globalThis))) {
    // Past the page's own policy, which lets in no script but its own.
    const session = await page.context().newCDPSession(page);
    await session.send("Runtime.evaluate", { expression: `${axeSource};undefined` });
    await session.detach();
  }
  return page.evaluate(async (tags) => {
    const { violations } = await globalThis.axe.run(document, {
      runOnly: { type: "tag", values: tags },
      resultTypes: ["violations"],
    });
    return violations.flatMap(({ id, help, nodes }) => nodes.map(({ html, failureSummary }) => `${id} (${help}): ${html}\n${failureSummary}`));
  }, TAGS);
}

/** What sticks out of a page that scrolls sideways; nothing of one that does not. */
function widerThanPage() {
  const page = document.documentElement;
  if (page.scrollWidth <= page.clientWidth) return [];
  const out = [...document.body.querySelectorAll("*")].filter((element) => element.getBoundingClientRect().right > page.clientWidth + 0.5);
  return [`${page.scrollWidth} px`, ...out.map((element) => element.outerHTML.slice(0, 160))];
}

async function picture(page, name, width) {
  await mkdir(output, { recursive: true });
  await page.screenshot({ path: join(output, `${name}-${width}.png`), fullPage: !(await page.evaluate(() => document.querySelector("dialog[open]") !== null)), animations: "disabled" });
}
