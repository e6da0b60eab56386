import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { World, at, check, logIn, said } from "./lib/browser.mjs";

let world;
before(async () => void (world = await World.start()));
after(() => world.stop());

test("log in, choose organisasjon, change it, and log out", async () => {
  const page = await world.page();
  await page.goto("/o/00000000-0000-4000-8000-000000000000/tjenester");
  await at(page, "Logg inn");
  await check(page, "01-logg-inn");
  await page.goto("/logg-inn");
  await logIn(page, "Mona Mange");
  await at(page, "Hvem skal du gjøre noe på vegne av?");
  await check(page, "02-velg-organisasjon");
  await page.getByRole("button", { name: /^Lillefjord kommune/ }).click();
  await at(page, "Tjenester");
  assert.equal(await page.title(), "Tjenester – Lillefjord kommune – Knutepunkt forvaltning");
  await page.getByRole("link", { name: "Bytt organisasjon" }).click();
  await page.getByRole("button", { name: /^Storevik kommune/ }).click();
  await at(page, "Tjenester");
  assert.equal(await page.title(), "Tjenester – Storevik kommune – Knutepunkt forvaltning");
  await check(page, "03-tjenester");
  await page.getByRole("button", { name: "Logg ut" }).click();
  await at(page, "Logg inn");
  await said(page, "Du er logget ut.");
  await check(page, "01-logget-ut");
  await page.goBack();
  await page.goto("/velg-organisasjon");
  await at(page, "Logg inn");
});

test("the skip link leads to the content", async () => {
  const page = await world.page();
  await page.goto("/hjelp");
  await page.keyboard.press("Tab");
  const skip = page.getByRole("link", { name: "Hopp til hovedinnhold" });
  assert.ok(await skip.evaluate((element) => element === document.activeElement));
  await page.keyboard.press("Enter");
  assert.ok(await page.getByRole("main").evaluate((element) => element === document.activeElement));
});

test("a login that is cancelled says so", async () => {
  const page = await world.page();
  await page.goto("/logg-inn");
  await page.getByRole("link", { name: "Logg inn med ID-porten" }).click();
  await page.getByRole("button", { name: "Avbryt" }).click();
  await said(page, "Innloggingen ble avbrutt. Prøv igjen.");
  await check(page, "01-avbrutt");
});

test("somebody without a rolle is told so", async () => {
  const page = await world.loggedIn("Uno Uten");
  await at(page, "Du har ikke tilgang");
  await check(page, "01-uten-tilgang");
});

test("the page that was asked for comes after the login", async () => {
  const page = await world.page();
  const { fiksOrgId } = world.server.organisasjon("Storevik kommune");
  await page.goto(`/o/${fiksOrgId}/hendelser`);
  await logIn(page, "Kari Storevik");
  await at(page, "Hendelser");
});

test("two minutes before a session ends, its person is asked", async () => {
  const page = await world.page();
  await page.clock.install();
  await page.goto("/logg-inn");
  await logIn(page, "Kari Storevik");
  await at(page, "Tjenester");
  const dialog = page.getByRole("dialog", { name: "Vil du fortsatt være pålogget?" });
  await page.clock.fastForward("27:30");
  assert.equal(await dialog.count(), 0);
  await page.clock.fastForward("00:45");
  await dialog.waitFor();
  assert.ok(await dialog.getByRole("heading").evaluate((element) => element === document.activeElement));
  await check(page, "01-okten-gar-ut");
  await dialog.getByRole("button", { name: "Hold meg pålogget" }).click();
  await dialog.waitFor({ state: "hidden" });
  await page.clock.fastForward("28:15");
  await dialog.waitFor();
  await page.keyboard.press("Escape");
  await dialog.waitFor({ state: "hidden" });
  // What is done in one tab counts in the other.
  await page.clock.fastForward("28:30");
  await dialog.waitFor();
  const other = await page.context().newPage();
  await other.goto(page.url());
  await dialog.waitFor({ state: "hidden" });
  await other.close();
  await page.clock.fastForward("31:00");
  await said(page, "Du ble logget ut fordi du ikke hadde brukt portalen på 30 minutter.");
  await check(page, "01-utlopt");
  // ID-porten still knows the person.
  await page.getByRole("link", { name: "Logg inn med ID-porten" }).click();
  await at(page, "Tjenester");
});

test("the pages for everybody, and one that is not there", async () => {
  const page = await world.page();
  for (const [path, heading] of [
    ["/hjelp", "Hjelp"],
    ["/personvern", "Personvern"],
    ["/informasjonskapsler", "Informasjonskapsler"],
    ["/tilgjengelighet", "Tilgjengelighetserklæring"],
    ["/finnes-ikke", "Fant ikke siden"],
  ]) {
    await page.goto(path);
    await at(page, heading);
    await check(page, `19${path.replace("/", "-")}`);
  }
});
