// The guide by keyboard only, on a screen as narrow as a page that is enlarged four times.
import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { World, at, fact, hasFocus, said, until } from "./lib/browser.mjs";
import { keyFiles } from "./lib/keys.mjs";
import { choose, chooseFile, press, type } from "./lib/tastatur.mjs";

let world, keys;
before(async () => {
  world = await World.start();
  keys = await keyFiles(join(world.server.folder, "nokler"));
});
after(() => world.stop());

test("the whole guide by keyboard at 320 px", async () => {
  const page = await world.page();
  await page.setViewportSize({ width: 320, height: 640 });
  const button = (name) => page.getByRole("button", { name, exact: true });
  const link = (name) => page.getByRole("link", { name, exact: true });
  const field = (name) => page.getByLabel(name, { exact: true });
  const fane = (name) => page.getByRole("navigation", { name: /^Faner for / }).getByRole("link", { name });
  await page.goto("/logg-inn");
  await press(page, link("Logg inn med ID-porten"));
  await press(page, page.getByRole("button", { name: /^Kari Storevik / }));
  await at(page, "Tjenester");
  await press(page, link("Konfigurasjon av Fiks Protokoll"));
  await at(page, "Systemer");
  await press(page, link("Opprett nytt system"));
  await at(page, "Opprett nytt system, steg 1 av 4: Systeminfo");
  await type(page, field("Systemnavn"), "Bare tastatur");
  await type(page, field("Beskrivelse"), "Uten mus");
  await type(page, field("E-postadresse 1"), "uten@mus.example");
  await press(page, button("Neste"));
  await at(page, "Opprett nytt system, steg 2 av 4: Sett opp integrasjon");
  await type(page, field("Organisasjonsnummer"), "310000108");
  // Enter in a field does what the first button does.
  await page.keyboard.press("Enter");
  await at(page, "Opprett nytt system, steg 3 av 4: Kontroller og opprett");
  await press(page, button("Opprett Fiks Protokoll-system"));
  await at(page, "Opprett nytt system, steg 4 av 4: System opprettet");
  world.server.secrets.add(await fact(page, "integrasjonPassord"));
  await press(page, link("Gå til system"));
  await at(page, "Bare tastatur – Oversikt");

  await press(page, fane("Kontoer"));
  await at(page, "Bare tastatur – Kontoer");
  await press(page, link("Opprett ny konto"));
  await at(page, "Opprett ny konto");
  await type(page, field("Navn"), "Mottak");
  await type(page, field("Beskrivelse"), "Tar imot");
  await choose(page, field("Protokoll"), "no.ks.fiks.arkiv");
  await choose(page, field("Protokollpart"), "arkiv.full");
  await chooseFile(page, field("Last opp offentlig nøkkel"), keys.good);
  await press(page, button("Opprett konto"));
  await said(page, "Kontoen er opprettet. Konto-id-en skal inn i klienten.");

  await press(page, fane("Søk etter systemer"));
  await at(page, "Mottak – Søk etter systemer");
  await press(page, button("Gi tilgang til Mitt fagsystem"));
  await said(page, "Mitt fagsystem kan nå sende meldinger til Mottak.");
  await press(page, fane("Tilganger"));
  await at(page, "Mottak – Tilganger");
  const opener = link("Fjern tilgang for Mitt fagsystem");
  await press(page, opener);
  const dialog = page.getByRole("dialog", { name: "Fjerne tilgangen til Mitt fagsystem?" });
  await until(() => hasFocus(dialog.getByRole("heading")), "focus on the question");
  await page.keyboard.press("Escape");
  await dialog.waitFor({ state: "hidden" });
  assert.ok(await hasFocus(opener), "focus returns to the opener");
  await page.keyboard.press("Enter");
  await dialog.waitFor();
  await press(page, dialog.getByRole("button", { name: "Fjern tilgang", exact: true }));
  await said(page, "Mitt fagsystem kan ikke lenger sende meldinger til Mottak.");

  await press(page, page.getByRole("navigation", { name: "Du er her:" }).getByRole("link", { name: "Bare tastatur" }));
  await at(page, "Bare tastatur – Oversikt");
  await press(page, fane("Konfigurasjon"));
  await at(page, "Bare tastatur – Konfigurasjon");
  await press(page, page.getByRole("link", { name: /^Generer nytt passord/ }));
  await press(page, page.getByRole("dialog").getByRole("button", { name: "Lag nytt passord" }));
  await said(page, "Nytt passord er laget");
  world.server.secrets.add(await fact(page, "integrasjonPassord"));
  await press(page, link("Gå til konfigurasjon"));
  await at(page, "Bare tastatur – Konfigurasjon");
  await press(page, field("Tilgjengelig for andre organisasjoner"), "Space");
  await press(page, page.getByRole("button", { name: /^Lagre synlighet/ }));
  await said(page, "Synlighet er lagret");
  await press(page, button("Logg ut"));
  await page.getByText("Du er logget ut.").waitFor();
});
