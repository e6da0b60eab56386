import assert from "node:assert/strict";
import { basename, join } from "node:path";
import { after, before, test } from "node:test";
import { World, at, check, errors, fact, said } from "./lib/browser.mjs";
import { fane, nyttSystem } from "./lib/guide.mjs";
import { keyFiles } from "./lib/keys.mjs";

let world, keys;
before(async () => {
  world = await World.start();
  keys = await keyFiles(join(world.server.folder, "nokler"));
});
after(() => world.stop());

const FIL = "Last opp offentlig nøkkel";

/** Drops a file on the zone, as the browser gets it from a file manager. */
async function drop(page, path) {
  const zone = page.getByLabel(FIL, { exact: true });
  await zone.scrollIntoViewIfNeeded();
  const box = await zone.boundingBox();
  const session = await page.context().newCDPSession(page);
  const event = { x: box.x + box.width / 2, y: box.y + box.height / 2, data: { items: [], files: [path], dragOperationsMask: 1 } };
  for (const type of ["dragEnter", "dragOver", "drop"]) await session.send("Input.dispatchDragEvent", { type, ...event });
  await session.detach();
}

test("a konto with each kind of key file", async () => {
  const page = await world.loggedIn("Kari Storevik");
  await nyttSystem(page, { navn: "Nøkkelsystem" });
  await fane(page, "Kontoer", "Nøkkelsystem – Kontoer");
  await page.getByRole("heading", { name: "Ingen kontoer ennå" }).waitFor();
  await check(page, "08-ingen-kontoer");
  await page.getByRole("link", { name: "Opprett ny konto" }).click();
  await at(page, "Opprett ny konto");
  await check(page, "11-ny-konto");
  const opprett = page.getByRole("button", { name: "Opprett konto" });
  await opprett.click();
  await errors(page, "Skriv inn navn", "Skriv inn beskrivelse", "Velg protokoll", "Velg protokollpart", "Velg en .pem-fil med offentlig nøkkel");
  await check(page, "11-ny-konto-tomt");

  await page.getByLabel("Beskrivelse").fill("Tar imot til arkivet");
  await page.getByLabel("Protokoll", { exact: true }).selectOption({ label: "no.ks.fiks.arkiv" });
  await page.getByLabel("Protokollpart", { exact: true }).selectOption({ label: "arkiv.full" });
  await page.getByRole("region", { name: "arkiv.full v1" }).getByText(/^Kan sende \(\d+\)$/).waitFor();
  await check(page, "11-ny-konto-part");
  for (const [file, text] of [
    [keys.p12, "Filen må være et X.509-sertifikat i PEM-format"],
    [keys.privateKey, "Filen inneholder en privat nøkkel. Den er ikke lagret. Last opp bare sertifikatet."],
    [keys.ec, "Nøkkelen må være RSA på minst 2048 bit"],
    [keys.expired, "Sertifikatet gikk ut 01.01.2025"],
  ]) {
    await page.getByLabel("Navn", { exact: true }).fill("Arkivkonto");
    await page.getByLabel(FIL, { exact: true }).setInputFiles(file);
    await page.getByText(`Valgt fil: ${basename(file)} (`).waitFor();
    await opprett.click();
    await errors(page, text);
    assert.equal(await page.getByLabel("Beskrivelse").inputValue(), "Tar imot til arkivet");
  }
  await check(page, "11-ny-konto-feil-fil");

  await page.getByLabel(FIL, { exact: true }).setInputFiles(keys.large);
  await opprett.click();
  await page.getByText("Filen er for stor. Største tillatte størrelse er 64 kB.").first().waitFor();
  await check(page, "11-ny-konto-for-stor");
  await page.goto(page.url());
  await at(page, "Opprett ny konto");

  // A good file is kept while something else is put right.
  await page.getByLabel("Navn", { exact: true }).fill("A");
  await page.getByLabel("Beskrivelse").fill("Tar imot til arkivet");
  await page.getByLabel("Protokoll", { exact: true }).selectOption({ label: "no.ks.fiks.arkiv" });
  await page.getByLabel("Protokollpart", { exact: true }).selectOption({ label: "arkiv.full" });
  await drop(page, keys.good);
  await page.getByText("Valgt fil: god.pem (").waitFor();
  await opprett.click();
  await errors(page, "Navn må ha minst 2 tegn");
  await page.getByText("Valgt fil: god.pem", { exact: true }).waitFor();
  await page.getByLabel("Navn", { exact: true }).fill("Arkivkonto");
  await check(page, "11-ny-konto-beholdt-fil");
  await opprett.click();
  await at(page, "Arkivkonto – Oversikt");
  await said(page, "Kontoen er opprettet. Konto-id-en skal inn i klienten.");
  assert.equal(await fact(page, "Utstedt til"), "CN=Konto for test");
  await check(page, "12-ny-konto");

  await fane(page, "Konfigurasjon", "Arkivkonto – Konfigurasjon");
  await check(page, "15-konfigurasjon");
  const before = await fact(page, "SHA-256-fingeravtrykk");
  await page.getByText("Endre offentlig nøkkel").click();
  await page.getByLabel(FIL, { exact: true }).setInputFiles(keys.ec);
  await page.getByRole("button", { name: "Last opp", exact: true }).click();
  await errors(page, "Nøkkelen må være RSA på minst 2048 bit");
  await check(page, "15-konfigurasjon-feil");
  await drop(page, keys.other);
  await page.getByRole("button", { name: "Last opp", exact: true }).click();
  await said(page, "Ny nøkkel er lagret. Legg den private nøkkelen inn i klienten før du tar imot flere meldinger.");
  assert.notEqual(await fact(page, "SHA-256-fingeravtrykk"), before);
  await check(page, "15-ny-nokkel");

  await page.getByRole("link", { name: "Slett konto" }).click();
  const dialog = page.getByRole("dialog", { name: "Slette Arkivkonto?" });
  await dialog.waitFor();
  await check(page, "15-slett");
  await page.keyboard.press("Escape");
  await dialog.waitFor({ state: "hidden" });
  assert.ok(await page.getByRole("link", { name: "Slett konto" }).evaluate((element) => element === document.activeElement), "focus returns to the opener");
  await page.getByRole("link", { name: "Slett konto" }).click();
  await dialog.getByLabel("Skriv kontonavnet for å bekrefte").fill("Feil navn");
  await dialog.getByRole("button", { name: "Slett konto" }).click();
  await errors(page, "Navnet stemmer ikke med Arkivkonto");
  await check(page, "15-slett-feil");
  await page.getByLabel("Skriv kontonavnet for å bekrefte").fill("Arkivkonto");
  await page.getByRole("button", { name: "Slett konto" }).click();
  await said(page, "Arkivkonto er slettet.");
});
