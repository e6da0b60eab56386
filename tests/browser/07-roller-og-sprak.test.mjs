import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { World, at, check, choosePerson } from "./lib/browser.mjs";
import { bokmalLeft } from "./lib/sprak.mjs";

let world;
before(async () => void (world = await World.start()));
after(() => world.stop());

/** The pages of an organisasjon that has taken Fiks Protokoll into use, of its one system and of its one konto. */
function pages(organisasjon, konto) {
  const o = `/o/${world.server.organisasjon(organisasjon).fiksOrgId}`;
  const s = `${o}/protokoll/systemer/${world.server.konto(konto).systemId}`;
  const k = `${s}/kontoer/${world.server.konto(konto).kontoId}`;
  return {
    seen: [`${o}/tjenester`, `${o}/protokoll/systemer`, `${o}/hendelser`, `${o}/bruk`, s, `${s}/kontoer`, `${s}/tilganger`, k, `${k}/tilganger`, `${k}/foresporsler`],
    changing: [`${o}/protokoll/systemer/ny/1`, `${s}/konfigurasjon`, `${s}/kontoer/ny`, `${k}/sok`, `${k}/konfigurasjon`],
    admin: [`${o}/protokoll/avtale`, `${o}/personer`, `${o}/personer/ny`],
  };
}

test("lesetilgang sees everything, is offered nothing to change, and may change nothing", async () => {
  const page = await world.loggedIn("Liv Leser");
  await at(page, "Tjenester");
  const { seen, changing } = pages("Storevik kommune", "Mitt fagsystem");
  for (const path of seen) {
    const answer = await page.goto(path);
    assert.equal(answer.status(), 200, path);
    const offered = await page.getByRole("main").getByRole("button").or(page.getByRole("main").getByRole("link")).allInnerTexts();
    const doing = /^(Opprett|Slett|Lagre|Endre|Fjern|Gi |Godkjenn|Avvis|Generer|Legg til|Be om|Send|Trekk|Ta i bruk|Last opp)/;
    assert.deepEqual(offered.filter((text) => doing.test(text)), [], `${path} offers nothing to change`);
  }
  await page.goto(seen[3]);
  await check(page, "07-lesetilgang");
  const csrf = await page.evaluate(() => document.querySelector("input[name=csrf]").value);
  world.server.secrets.add(csrf);
  for (const path of changing) assert.equal((await page.goto(path)).status(), 403, path);
  await at(page, "Du har ikke tilgang til dette");
  await check(page, "19-ikke-tilgang");
  const s = changing[1].replace("/konfigurasjon", "");
  const { url } = world.server;
  for (const path of [`${s}/konfigurasjon/systeminfo`, `${s}/konfigurasjon/slett`, `${changing[4]}/slett`, `${changing[3]}/gi-tilgang`]) {
    const answer = await page.request.post(path, { form: { csrf }, headers: { origin: url, "sec-fetch-site": "same-origin" }, maxRedirects: 0 });
    assert.equal(answer.status(), 403, path);
  }
});

test("a page weighs little", async () => {
  const page = await world.loggedIn("Kari Storevik");
  await at(page, "Tjenester");
  const session = await page.context().newCDPSession(page);
  await session.send("Network.enable");
  await session.send("Network.setCacheDisabled", { cacheDisabled: true });
  let weight = 0;
  session.on("Network.loadingFinished", ({ encodedDataLength }) => (weight += encodedDataLength));
  const { seen, changing } = pages("Storevik kommune", "Mitt fagsystem");
  for (const path of [...seen, ...changing]) {
    weight = 0;
    await page.goto(path, { waitUntil: "networkidle" });
    assert.ok(weight > 0 && weight <= 150_000, `${path} weighs ${weight} bytes`);
  }
});

test("persons and their roller", async () => {
  const page = await world.loggedIn("Kari Storevik");
  await at(page, "Tjenester");
  await page.goto(pages("Storevik kommune", "Mitt fagsystem").admin[1]);
  await at(page, "Tilgangsstyring for personer");
  await check(page, "21-personer");
  await page.getByRole("link", { name: "Legg til person" }).click();
  await check(page, "21-ny-person");
});

// The language that somebody chooses stays chosen, so these come last.
/** How each language calls itself. */
const BUTTONS = { nn: "Nynorsk", en: "English" };

for (const sprak of ["nn", "en"]) {
  test(`every page in ${sprak}, with no bokmål left`, async () => {
    const page = await world.page();
    await page.goto("/logg-inn");
    await page.getByRole("link", { name: BUTTONS[sprak] }).click();
    await page.getByRole("link", { name: /ID-porten/ }).click();
    await choosePerson(page, "Kari Storevik");
    await page.getByRole("button", { name: BUTTONS[sprak] }).click();
    const { seen, changing, admin } = pages("Storevik kommune", "Mitt fagsystem");
    const left = [];
    for (const path of ["/hjelp", "/personvern", "/informasjonskapsler", "/tilgjengelighet", "/finnes-ikke", ...seen, ...changing, ...admin]) {
      await page.goto(path);
      assert.equal(await page.evaluate(() => document.documentElement.lang), sprak, path);
      left.push(...(await bokmalLeft(page, sprak)).map((text) => `${path}: ${text}`));
    }
    assert.deepEqual([...new Set(left)], []);
    await page.goto(changing[2]);
    await page.getByRole("main").getByRole("button").last().click();
    await page.getByRole("group").first().waitFor();
    await check(page, `11-feil-${sprak}`);
    assert.deepEqual(await bokmalLeft(page, sprak), []);
  });
}
