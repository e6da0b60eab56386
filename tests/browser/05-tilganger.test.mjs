import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { World, at, check, said } from "./lib/browser.mjs";
import { fane, tilKonto } from "./lib/guide.mjs";

let world;
before(async () => void (world = await World.start()));
after(() => world.stop());

/** Takes away a tilgang through its dialog. */
async function fjern(page, tittel, navn) {
  await page.getByRole("link", { name: /^Fjern tilgang/ }).first().click();
  const dialog = page.getByRole("dialog", { name: tittel });
  await dialog.waitFor();
  if (navn) await check(page, navn);
  await dialog.getByRole("button", { name: "Fjern tilgang" }).click();
}

test("two organisasjoner: search, give, see on both sides, take away", async () => {
  const lars = await world.loggedIn("Lars Lillefjord");
  await tilKonto(lars, "Mitt arkiv", "Mitt arkiv");
  await fane(lars, "Tilganger", "Mitt arkiv – Tilganger");
  await check(lars, "13-tilganger");
  await fjern(lars, "Fjerne tilgangen til Mitt fagsystem?", "13-fjern");
  await said(lars, "Mitt fagsystem kan ikke lenger sende meldinger til Mitt arkiv.");
  await lars.getByRole("heading", { name: "Ingen systemer har tilgang ennå" }).waitFor();
  await check(lars, "13-ingen");

  // The other side asks for it, and gets it back by a search.
  const kari = await world.loggedIn("Kari Storevik");
  await kari.getByRole("link", { name: "Konfigurasjon av Fiks Protokoll" }).click();
  await kari.getByRole("link", { name: "Mitt fagsystem", exact: true }).click();
  await fane(kari, "Tilganger", "Mitt fagsystem – Tilganger");
  await kari.getByRole("heading", { name: "Systemet har ikke fått tilgang til noen kontoer ennå" }).waitFor();
  await check(kari, "09-ingen");

  await fane(lars, "Søk etter systemer", "Mitt arkiv – Søk etter systemer");
  await check(lars, "14-sok");
  await lars.getByLabel("Søk", { exact: true }).fill("finnes ikke");
  await lars.getByRole("button", { name: "Søk", exact: true }).click();
  await lars.getByRole("heading", { name: "Ingen systemer passer med søket" }).waitFor();
  await check(lars, "14-ingen-treff");
  await lars.getByLabel("Søk", { exact: true }).fill(world.server.konto("Mitt fagsystem").systemId);
  await lars.getByRole("button", { name: "Søk", exact: true }).click();
  await lars.getByRole("heading", { name: "1 system" }).waitFor();
  await check(lars, "14-treff");
  await lars.getByRole("button", { name: "Gi tilgang til Mitt fagsystem" }).click();
  await said(lars, "Mitt fagsystem kan nå sende meldinger til Mitt arkiv.");
  await lars.getByText("Har tilgang", { exact: true }).waitFor();
  await check(lars, "14-gitt");

  await kari.reload();
  await kari.getByRole("main").getByRole("link", { name: "Mitt arkiv", exact: true }).click();
  await at(kari, "Mitt arkiv");
  await check(kari, "09-ekstern-konto");
  await kari.goBack();
  await check(kari, "09-tilganger");
  await fjern(kari, "Fjerne tilgangen til Mitt arkiv?");
  await said(kari, "Mitt fagsystem kan ikke lenger sende meldinger til Mitt arkiv.");

  await fane(lars, "Tilganger", "Mitt arkiv – Tilganger");
  await lars.getByRole("heading", { name: "Ingen systemer har tilgang ennå" }).waitFor();
});

test("ask for a tilgang, have it turned down, ask again and get it", async () => {
  const lars = await world.loggedIn("Lars Lillefjord");
  await tilKonto(lars, "Mitt arkiv", "Mitt arkiv");
  await fane(lars, "Forespørsler", "Mitt arkiv – Forespørsler");
  await lars.getByRole("heading", { name: "Ingen forespørsler" }).waitFor();
  await check(lars, "13-ingen-foresporsler");

  const kari = await world.loggedIn("Kari Storevik");
  await kari.getByRole("link", { name: "Konfigurasjon av Fiks Protokoll" }).click();
  await kari.getByRole("link", { name: "Mitt fagsystem", exact: true }).click();
  await fane(kari, "Tilganger", "Mitt fagsystem – Tilganger");
  await kari.getByRole("link", { name: "Be om tilgang" }).click();
  for (const answer of ["Avvis", "Godkjenn"]) {
    await kari.getByLabel("Søk", { exact: true }).fill(world.server.konto("Mitt arkiv").kontoId);
    await kari.getByRole("button", { name: "Søk", exact: true }).click();
    if (answer === "Avvis") await check(kari, "09-be-om-treff");
    await kari.getByRole("button", { name: /^Send forespørsel/ }).click();
    await said(kari, "Forespørselen om tilgang til Mitt arkiv er sendt til Lillefjord kommune.");
    if (answer === "Avvis") await check(kari, "09-forespurt");
    await lars.reload();
    await lars.getByRole("navigation", { name: "Faner for Mitt arkiv" }).getByRole("link", { name: "Forespørsler (1)" }).waitFor();
    if (answer === "Avvis") await check(lars, "13-foresporsler");
    await lars.getByRole("button", { name: new RegExp(`^${answer}`) }).click();
    await said(lars, answer === "Avvis" ? "Forespørselen fra Mitt fagsystem er avvist." : "Mitt fagsystem kan nå sende meldinger til Mitt arkiv.");
  }
  await kari.goto("/velg-organisasjon");
  await at(kari, "Tjenester");
  await kari.getByRole("link", { name: "Hendelser" }).click();
  await at(kari, "Hendelser");
  await kari.getByRole("table").getByText("Ba om tilgang").first().waitFor();
  await check(kari, "17-hendelser");
  assert.ok((await kari.getByRole("row").count()) > 3);
});
