import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { World, at, check, errors, fact, said, until } from "./lib/browser.mjs";
import { fane, nyttSystem } from "./lib/guide.mjs";
import { keyFiles } from "./lib/keys.mjs";

let world;
before(async () => void (world = await World.start()));
after(() => world.stop());

test("without JavaScript: a system, a konto, a tilgang and a new password", async () => {
  const page = await world.loggedIn("Kari Storevik", { script: false });
  const keys = await keyFiles(join(world.server.folder, "nokler"));
  const system = await nyttSystem(page, { navn: "Uten script" });
  // The answer to a form is not kept: the browser asks whether to send it again.
  await page.goBack().catch(() => undefined);
  const content = await until(() => page.content().catch(() => ""), "a page");
  assert.ok(!content.includes(system.integrasjonPassord), "Back does not show the password");
  await page.goto("/velg-organisasjon");
  await page.getByRole("link", { name: "Konfigurasjon av Fiks Protokoll" }).click();
  await page.getByRole("link", { name: "Uten script", exact: true }).click();
  await fane(page, "Kontoer", "Uten script – Kontoer");
  await page.getByRole("link", { name: "Opprett ny konto" }).click();
  await check(page, "uten-script-ny-konto");
  await page.getByLabel("Navn", { exact: true }).fill("Konto uten script");
  await page.getByLabel("Beskrivelse").fill("Sender til arkivet");
  await page.getByLabel("Protokoll", { exact: true }).selectOption({ label: "no.ks.fiks.arkiv" });
  await page.getByLabel("Protokollpart", { exact: true }).selectOption({ label: "arkiv.full" });
  await page.getByLabel("Last opp offentlig nøkkel", { exact: true }).setInputFiles(keys.ec);
  await page.getByRole("button", { name: "Opprett konto" }).click();
  await errors(page, "Nøkkelen må være RSA på minst 2048 bit");
  await check(page, "uten-script-feil");
  await page.getByLabel("Last opp offentlig nøkkel", { exact: true }).setInputFiles(keys.good);
  await page.getByRole("button", { name: "Opprett konto" }).click();
  await at(page, "Konto uten script – Oversikt");
  await check(page, "uten-script-konto");

  await fane(page, "Søk etter systemer", "Konto uten script – Søk etter systemer");
  await page.getByRole("button", { name: "Gi tilgang til Mitt fagsystem" }).click();
  await said(page, "Mitt fagsystem kan nå sende meldinger til Konto uten script.");
  await fane(page, "Tilganger", "Konto uten script – Tilganger");
  await page.getByRole("link", { name: "Fjern tilgang" }).click();
  await at(page, "Fjerne tilgangen til Mitt fagsystem?");
  await check(page, "uten-script-fjern");
  await page.getByRole("button", { name: "Fjern tilgang" }).click();
  await said(page, "Mitt fagsystem kan ikke lenger sende meldinger til Konto uten script.");

  await page.getByRole("navigation", { name: "Du er her:" }).getByRole("link", { name: "Uten script", exact: true }).click();
  await fane(page, "Konfigurasjon", "Uten script – Konfigurasjon");
  await check(page, "uten-script-konfigurasjon");
  await page.getByRole("link", { name: /^Generer nytt passord/ }).click();
  await at(page, "Generere nytt passord?");
  await page.getByRole("button", { name: "Lag nytt passord" }).click();
  const passord = await fact(page, "integrasjonPassord");
  world.server.secrets.add(passord);
  assert.notEqual(passord, system.integrasjonPassord);
});
