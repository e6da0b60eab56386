import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { World, at, check, choosePerson, errors, fact, said } from "./lib/browser.mjs";
import { fane, nyttSystem } from "./lib/guide.mjs";

let world;
before(async () => void (world = await World.start()));
after(() => world.stop());

const LEST = "Jeg har lest avtalen og har rett til å signere for Nyvik kommune";

/** From «Tjenester» to where the avtale is signed. */
async function tilAvtalen(page) {
  await page.getByRole("link", { name: "Ta i bruk Fiks Protokoll" }).click();
  const dialog = page.getByRole("dialog", { name: "Ta i bruk Fiks Protokoll" });
  await dialog.getByRole("link", { name: "Gå til signering" }).click();
  await at(page, "Avtale om bruk av Fiks Protokoll");
}

test("an organisasjon with nothing takes Fiks Protokoll into use, and makes its first system and konto", async () => {
  const page = await world.loggedIn("Nina Nykommune");
  await at(page, "Tjenester");
  await check(page, "03-ikke-tatt-i-bruk");
  await page.getByRole("link", { name: "Ta i bruk Fiks Protokoll" }).click();
  const dialog = page.getByRole("dialog", { name: "Ta i bruk Fiks Protokoll" });
  await dialog.getByText("Først må noen med rett til å signere for Nyvik kommune signere avtalen.").waitFor();
  await check(page, "03-ta-i-bruk");
  await dialog.getByRole("button", { name: "Lukk", exact: true }).last().click();
  await dialog.waitFor({ state: "hidden" });
  await tilAvtalen(page);
  await check(page, "04-avtale");

  const pdf = await page.request.get(await page.getByRole("link", { name: /^Last ned avtalen \(PDF, / }).getAttribute("href"));
  assert.equal(pdf.headers()["content-type"], "application/pdf");

  await page.getByRole("button", { name: "Signer dokument" }).click();
  await errors(page, "Kryss av for at du har lest avtalen og har rett til å signere");
  await check(page, "04-avtale-feil");

  await page.getByLabel(LEST).check();
  await page.getByRole("button", { name: "Signer dokument" }).click();
  await page.getByRole("button", { name: "Avbryt" }).click();
  await said(page, "Signeringen ble avbrutt. Ingenting er lagret.");
  await page.getByLabel(LEST).check();
  await page.getByRole("button", { name: "Signer dokument" }).click();
  await choosePerson(page, "Mona Mange");
  await said(page, "Du logget inn som en annen person. Signeringen er avbrutt.");
  await check(page, "04-annen-person");

  await page.getByLabel(LEST).check();
  await page.getByRole("button", { name: "Signer dokument" }).click();
  await choosePerson(page, "Nina Nykommune");
  await said(page, "Avtalen er signert");
  await check(page, "04-signert");
  await page.getByRole("link", { name: "Vis kvittering" }).click();
  await at(page, "Avtalen er signert");
  assert.equal(await fact(page, "Signert av"), "Nina Nykommune");
  assert.match(await fact(page, "SHA-256"), /^[0-9a-f]{64}$/);
  await check(page, "04-kvittering");
  await page.getByRole("button", { name: "Ta i bruk Fiks Protokoll" }).click();
  await at(page, "Systemer");
  await said(page, "Fiks Protokoll er tatt i bruk. Nå kan du opprette det første systemet.");
  await page.getByRole("heading", { name: "Ingen systemer ennå" }).waitFor();
  await check(page, "05-ingen-systemer");

  await page.getByRole("link", { name: "Tjenester" }).click();
  await nyttSystem(page, { navn: "Elements" });
  await fane(page, "Kontoer", "Elements – Kontoer");
  await page.getByRole("link", { name: "Opprett ny konto" }).click();
  await page.getByLabel("Navn", { exact: true }).fill("Arkiv");
  await page.getByLabel("Beskrivelse").fill("Tar imot arkivmeldinger");
  await page.getByLabel("Protokoll", { exact: true }).selectOption({ label: "no.ks.fiks.arkiv" });
  await page.getByLabel("Protokollpart", { exact: true }).selectOption({ label: "arkiv.full" });
  await page.getByLabel("Klienten laster den opp selv ved oppstart").check();
  await page.getByRole("button", { name: "Opprett konto" }).click();
  await at(page, "Arkiv – Oversikt");
  await page.getByText("Mangler nøkkel", { exact: true }).first().waitFor();
  await check(page, "12-mangler-nokkel");
  await fane(page, "Søk etter systemer", "Arkiv – Søk etter systemer");
  await page.getByRole("heading", { name: "Ingen andre systemer i Nyvik kommune kan utveksle meldinger med kontoen" }).waitFor();
  await check(page, "14-ingen-egne");
});
