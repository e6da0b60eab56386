import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { World, at, check, choosePerson } from "./lib/browser.mjs";

let world;
before(async () => void (world = await World.start()));
after(() => world.stop());

/** The pages of an organisasjon that has taken Fiks Protokoll into use, of its one system and of its one konto. */
function pages(organisasjon, konto) {
  const o = `/o/${world.server.organisasjon(organisasjon).fiksOrgId}`;
  const s = `${o}/protokoll/systemer/${world.server.konto(konto).systemId}`;
  const k = `${s}/kontoer/${world.server.konto(konto).kontoId}`;
  return {
    seen: [`${o}/tjenester`, `${o}/protokoll/systemer`, `${o}/hendelser`, s, `${s}/kontoer`, `${s}/tilganger`, k, `${k}/tilganger`, `${k}/foresporsler`],
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
/** What is bokmål and neither nynorsk nor English. */
const BOKMAL = {
  nn: /\b(ikke|hva|hvem|hvor|hvordan|fra og med|noen|noe|opprettet|slettet|endret|lagret|gjøre|gjør|bare|mangler|kobling|meldinger|systemene|kontoer|systemer|forespørsler|forespørsel|innlogget|pålogging|beskrivelsen|velg|vises|gi tilgang|ennå|uten|forrige|må fylles|valgfritt|nøkler|hendelser|tilganger|koblet|gyldig til og)\b/i,
  en: /\b(og|ikke|ikkje|du|er|på|til|med|som|konto|kontoer|navn|beskrivelse|søk|lagre|endre|slett|opprett|hendelser|tilganger|meldinger|kobling|nøkkel|velg|ingen|språk|innlogging|hjelp|personvern|informasjonskapsler|bytt|logg ut)\b/i,
};
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
      const texts = await page.evaluate(ownTexts, sprak);
      left.push(...texts.filter((text) => BOKMAL[sprak].test(text)).map((text) => `${path}: ${text}`));
    }
    assert.deepEqual([...new Set(left)], []);
    await page.goto(changing[2]);
    await page.getByRole("main").getByRole("button").last().click();
    await page.getByRole("group").first().waitFor();
    await check(page, `11-feil-${sprak}`);
    const errors = await page.evaluate(ownTexts, sprak);
    assert.deepEqual(errors.filter((text) => BOKMAL[sprak].test(text)), []);
  });
}

/** The texts of a page that are the portal's own: not in another language on purpose, not what somebody has written. */
function ownTexts(sprak) {
  const out = [document.title];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const element = node.parentElement;
    const other = element.closest("[lang]");
    if (other && other.lang !== sprak) continue;
    if (element.closest("script, style, option")) continue;
    out.push(node.textContent.trim());
  }
  for (const element of document.querySelectorAll("[aria-label]")) out.push(element.getAttribute("aria-label"));
  // Addresses, names, and what was written of the small world: nobody translates them.
  return out.filter(Boolean).map((text) => text.replace(/https?:\S+|(sesjon|innlogging)-uten-tls-\d+|C=NO, O=Knutepunkt.*|Saksbehandling som sender dokumenter til arkivet|Mitt fagsystem|Mitt arkiv|(Storevik|Lillefjord) kommune|Kari Storevik|Fiks Protokoll|no\.ks\.\S+/g, "…"));
}
