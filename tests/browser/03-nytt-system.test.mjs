import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { World, at, check, errors, fact, pasted, until } from "./lib/browser.mjs";
import { nyttSystem } from "./lib/guide.mjs";
import { press, type } from "./lib/tastatur.mjs";

let world;
before(async () => void (world = await World.start()));
after(() => world.stop());

const steg = (n, navn) => `Opprett nytt system, steg ${n} av 4: ${navn}`;

/** How many systemer the list tells of. */
async function antall(page) {
  const path = new URL(page.url()).pathname.replace(/\/systemer\/.*/, "/systemer");
  const other = await page.context().newPage();
  await other.goto(path);
  await at(other, "Systemer");
  const caption = await other.getByRole("caption").innerText();
  await other.close();
  return Number.parseInt(caption, 10);
}

test("by keyboard only, with every error on the way", async () => {
  const page = await world.loggedIn("Kari Storevik");
  await at(page, "Tjenester");
  const button = (name) => page.getByRole("button", { name, exact: true });
  const link = (name) => page.getByRole("link", { name, exact: true });
  const field = (name) => page.getByLabel(name, { exact: true });
  await press(page, link("Konfigurasjon av Fiks Protokoll"));
  await at(page, "Systemer");
  const first = await antall(page);
  await press(page, link("Opprett nytt system"));
  await at(page, steg(1, "Systeminfo"));
  await check(page, "06-steg-1");

  await press(page, button("Neste"));
  await errors(page, "Skriv inn systemnavn", "Skriv inn beskrivelse", "Skriv inn minst én e-postadresse");
  await check(page, "06-steg-1-tomt");
  await press(page, link("Skriv inn systemnavn"));
  assert.ok(await field("Systemnavn").evaluate((element) => element === document.activeElement), "the link leads to the field");

  await type(page, field("Systemnavn"), "S");
  await type(page, field("Beskrivelse"), "b".repeat(501));
  await type(page, field("E-postadresse 1"), "ikke en adresse");
  await press(page, button("Neste"));
  await errors(
    page,
    "Systemnavn må ha minst 2 tegn",
    "Beskrivelse kan ha høyst 500 tegn",
    "E-postadressen ikke en adresse er ikke gyldig. Skriv den som navn@eksempel.no",
  );
  assert.equal(await field("Beskrivelse").inputValue(), "b".repeat(501), "what was typed survives");
  await check(page, "06-steg-1-feil");

  await type(page, field("Systemnavn"), "Acos WebSak for Storevik kommune med et ganske langt navn");
  await type(page, field("Beskrivelse"), "Sak og arkiv for hele kommunen.\nBrukes av alle avdelinger.");
  await type(page, field("E-postadresse 1"), "arkiv@storevik.example");
  await press(page, button("Legg til e-postadresse"));
  await field("E-postadresse 2").waitFor();
  assert.ok(await field("E-postadresse 2").evaluate((element) => element === document.activeElement), "focus goes to the new row");
  await page.keyboard.insertText("arkiv@storevik.example");
  await press(page, button("Neste"));
  await errors(page, "arkiv@storevik.example står to ganger");
  await press(page, button("Fjern arkiv@storevik.example").last());
  await field("E-postadresse 2").waitFor({ state: "detached" });
  await press(page, button("Neste"));

  await at(page, steg(2, "Sett opp integrasjon"));
  await check(page, "06-steg-2");
  await type(page, field("Organisasjonsnummer"), "");
  await press(page, button("Neste"));
  await errors(page, "Skriv inn organisasjonsnummer");
  await type(page, field("Organisasjonsnummer"), "12345678");
  await press(page, button("Neste"));
  await errors(page, "Organisasjonsnummer må ha 9 siffer");
  await check(page, "06-steg-2-feil");
  assert.ok(await page.getByRole("checkbox", { name: "Konfigureres av integrasjon (API)" }).isChecked(), "on from the start");
  await type(page, field("Organisasjonsnummer"), "310 000 109");
  await press(page, button("Neste"));
  await at(page, steg(3, "Kontroller og opprett"));
  await page.getByText("Kontrollsifferet i organisasjonsnummeret stemmer ikke. Sjekk nummeret.").waitFor();
  await check(page, "06-steg-3-kontrollsiffer");
  await press(page, link("Endre organisasjonsnummer"));
  await at(page, steg(2, "Sett opp integrasjon"));
  await type(page, field("Organisasjonsnummer"), "310 000 108");
  await press(page, button("Neste"));
  await at(page, steg(3, "Kontroller og opprett"));
  assert.equal(await fact(page, "Organisasjonsnummer"), "310\u{a0}000\u{a0}108");
  await press(page, button("Opprett Fiks Protokoll-system"));

  await at(page, steg(4, "System opprettet"));
  const passord = await fact(page, "integrasjonPassord");
  world.server.secrets.add(passord);
  assert.ok(Buffer.from(passord, "base64url").length >= 32, "at least 256 bit");
  await check(page, "06-steg-4");
  await press(page, button("Kopier systemId"));
  await page.getByText("systemId er kopiert").waitFor();
  assert.equal(await pasted(page), await fact(page, "systemId"));
  await press(page, button("Kopier alle"));
  await page.getByText("Alle fire verdiene er kopiert").waitFor();
  const copied = JSON.parse(await pasted(page));
  assert.deepEqual(Object.keys(copied), ["systemId", "integrasjonId", "integrasjonPassord", "systemNavn"]);
  assert.equal(copied.integrasjonPassord, passord);
  assert.equal(await antall(page), first + 1);

  const api = { organisasjon: world.server.organisasjon("Storevik kommune"), ...copied };
  const answer = await world.server.api(`/fiks-protokoll/api/konfigurasjon/v1/system/${copied.systemId}`, api);
  assert.notEqual(answer.status, 401);

  await press(page, link("Gå til system"));
  await at(page, `${copied.systemNavn} – Oversikt`);
  await page.getByText("Systemet er bare synlig for organisasjonen din. Du kan endre dette under Konfigurasjon.").waitFor();
  await check(page, "07-nytt-system");
});

test("reload, Back and a double click make no second system, and the password is shown once", async () => {
  const page = await world.loggedIn("Per Protokoll");
  await nyttSystem(page, { navn: "Engang", opprett: false });
  const first = await antall(page);
  await page.getByRole("button", { name: "Opprett Fiks Protokoll-system" }).dblclick();
  await at(page, steg(4, "System opprettet"));
  const passord = await fact(page, "integrasjonPassord");
  world.server.secrets.add(passord);
  assert.equal(await antall(page), first + 1);

  await page.reload();
  await at(page, "Systemet er allerede opprettet");
  await page.getByText("Passordet kan ikke vises på nytt. Rakk du ikke å lagre det, kan du generere et nytt.").waitFor();
  await check(page, "06-allerede-opprettet");

  await page.getByRole("link", { name: "Gå til system", exact: true }).click();
  await at(page, "Engang – Oversikt");
  for (let back = 0; back < 2; back += 1) {
    // The answer to a form is not kept: the browser may show that it is gone, or the page before it.
    await page.goBack().catch(() => undefined);
    const content = await until(() => page.content().catch(() => ""), "a page");
    assert.ok(!content.includes(passord), "Back does not show the password");
  }
  await page.goto("/velg-organisasjon");
  await page.getByRole("link", { name: "Konfigurasjon av Fiks Protokoll" }).click();
  await at(page, "Systemer");
  assert.equal(await antall(page), first + 1);
});

test("two drafts in two tabs do not mix", async () => {
  const one = await world.loggedIn("Kari Storevik");
  const two = await one.context().newPage();
  two.knutepunkt = one.knutepunkt;
  await nyttSystem(one, { navn: "Det ene", opprett: false });
  await two.goto(new URL(one.url()).pathname.replace(/\/protokoll.*/, "/tjenester"));
  await nyttSystem(two, { navn: "Det andre", opprett: false });
  assert.equal(await fact(one, "Systemnavn"), "Det ene");
  assert.equal(await fact(two, "Systemnavn"), "Det andre");
  await one.reload();
  assert.equal(await fact(one, "Systemnavn"), "Det ene");
});
