import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { World, at, check, fact, said } from "./lib/browser.mjs";
import { fane, nyttSystem, tilKonto } from "./lib/guide.mjs";
import { ekko, pasteInTerminal } from "./lib/klient.mjs";

let world;
before(async () => void (world = await World.start()));
after(() => world.stop());

const SOK = "Melding-id, klientMeldingId eller klientKorrelasjonsId";
/** The page asks for numbers every fifteen seconds. */
const TWO_POLLS_MS = 35_000;

test("live status: a consumer comes and goes, and the page follows without a reload", async () => {
  const page = await world.loggedIn("Lars Lillefjord");
  await tilKonto(page, "Mitt arkiv", "Mitt arkiv");
  await page.evaluate(() => (globalThis.sammeSide = true));
  const kobling = (text) => page.getByRole("definition").filter({ hasText: new RegExp(`^\\s*${text}\\s*$`) });
  const said = (text) => page.getByRole("status").filter({ hasText: text });
  await kobling("Mangler kobling").waitFor();
  const client = await ekko(world.server, world.server.konto("Mitt arkiv"));
  await kobling("Koblet til").waitFor({ timeout: TWO_POLLS_MS });
  await said("Mitt arkiv: koblet til").waitFor({ state: "attached" });
  assert.equal(await fact(page, "Konsumenter"), "1");
  await client.stop();
  await kobling("Mangler kobling").waitFor({ timeout: TWO_POLLS_MS });
  await said("Mitt arkiv: mangler kobling").waitFor({ state: "attached" });
  assert.ok(await page.evaluate(() => globalThis.sammeSide), "it is the page that was opened");
});

test("a testmelding is followed to its receiver, and found again", async () => {
  const page = await world.loggedIn("Mona Mange");
  await at(page, "Hvem skal du gjøre noe på vegne av?");
  await page.getByRole("button", { name: /^Storevik kommune/ }).click();
  await tilKonto(page, "Mitt fagsystem", "Mitt fagsystem");
  await page.getByRole("link", { name: "Send testmelding" }).click();
  await at(page, "Send testmelding fra Mitt fagsystem");
  await check(page, "22-testmelding");
  await page.getByRole("button", { name: "Send testmelding" }).click();
  await at(page, "Testmeldingen er sendt");
  await page.getByText("Meldingen venter på at en klient henter den.").waitFor();
  await check(page, "22-testmelding-sendt");
  const meldingId = await fact(page, "Melding-id");
  const client = await ekko(world.server, world.server.konto("Mitt arkiv"));
  await page.getByText("Klienten har bekreftet at den har tatt imot meldingen.").waitFor({ timeout: TWO_POLLS_MS });
  await check(page, "22-testmelding-bekreftet");
  await page.getByRole("link", { name: "Følg meldingen i sporingen" }).click();
  await at(page, "Sporing av melding");
  assert.equal(await fact(page, "Melding-id"), meldingId);
  await check(page, "20-melding");

  await page.getByRole("link", { name: "Tjenester", exact: true }).click();
  await page.getByRole("link", { name: "Sporing", exact: true }).click();
  await at(page, "Sporing");
  await check(page, "20-sporing");
  await page.getByLabel(SOK).fill(meldingId);
  await page.getByRole("button", { name: "Søk", exact: true }).click();
  await page.getByRole("row", { name: /Bekreftet/ }).first().waitFor();
  await check(page, "20-sporing-treff");
  await page.getByLabel(SOK).fill(crypto.randomUUID());
  await page.getByRole("button", { name: "Søk", exact: true }).click();
  await page.getByText("Ingen meldinger i perioden").waitFor();
  await check(page, "20-sporing-ingen");

  await page.getByRole("link", { name: "Tjenester", exact: true }).click();
  await page.getByRole("link", { name: "Status for køer", exact: true }).click();
  await at(page, "Status for køer");
  await check(page, "16-status");
  await page.getByLabel("Vis bare kontoer som trenger oppfølging").check();
  await page.getByRole("button", { name: "Vis kontoer", exact: true }).click();
  await at(page, "Status for køer");
  await check(page, "16-status-filtrert");
  await client.stop();
});

test("what is offered in development: keys, a certificate and the configuration of clients", async () => {
  const page = await world.loggedIn("Lars Lillefjord");
  await tilKonto(page, "Mitt arkiv", "Mitt arkiv");
  await page.getByRole("link", { name: "Kopier konfigurasjon" }).click();
  await at(page, "Konfigurasjon av klienten");
  for (const navn of ["Java (fiks-io-klient-java)", ".NET (KS.Fiks.IO.Client)", "Rust (fiks-io-client)"]) {
    await page.getByText(navn, { exact: true }).first().click();
  }
  await check(page, "22-klientkonfigurasjon");
  await page.goBack();
  await page.getByRole("link", { name: "Lag nøkkelpar for test" }).click();
  await at(page, "Nøkkelpar for test");
  await page.getByText("Kontoen har en nøkkel. Meldinger som ligger på køen, kan bare åpnes med den gamle.").waitFor();
  await check(page, "22-nokkelpar-sporsmal");
  await page.getByRole("button", { name: "Lag nøkkelpar for test" }).click();
  await said(page, "Nøkkelparet er laget, og den offentlige nøkkelen er lastet opp til kontoen.");
  const privat = await page.getByRole("region", { name: "Privat nøkkel (PEM)" }).innerText();
  assert.match(privat, /^-----BEGIN PRIVATE KEY-----/);
  for (const linje of privat.split("\n").slice(1, 4)) world.server.secrets.add(linje);
  await check(page, "22-nokkelpar");
  const download = page.waitForEvent("download");
  await page.getByRole("link", { name: /\.p12$/ }).click();
  assert.match((await download).suggestedFilename(), /\.p12$/);

  await page.getByRole("navigation", { name: "Du er her:" }).getByRole("link", { name: "Mitt arkiv" }).first().click();
  await at(page, "Mitt arkiv – Oversikt");
  await page.getByRole("button", { name: "Lag test-virksomhetssertifikat" }).click();
  await said(page, "Virksomhetssertifikatet for 310 000 205 er klart.");
  await check(page, "22-sertifikat");
});

test("the start page leads from nothing to the first melding, and marks what has been done", async () => {
  const start = await world.page();
  await start.goto("/");
  await at(start, "Kom i gang med Knutepunkt");
  await check(start, "00-start");
  await start.getByRole("link", { name: "Logg inn som Mona Mange" }).click();
  await start.getByText("Du er logget inn som Mona Mange.").waitFor();
  await check(start, "00-start-innlogget");
  const steg = async (name) => {
    await start.goto("/");
    await start.getByRole("link", { name, exact: true }).click();
  };
  const velg = async (organisasjon) => {
    await start.goto("/velg-organisasjon");
    await start.getByRole("button", { name: new RegExp(`^${organisasjon}`) }).click();
  };

  await velg("Storevik kommune");
  const system = await nyttSystem(start, { navn: "Mitt første" });
  await fane(start, "Kontoer", "Mitt første – Kontoer");
  await start.getByRole("link", { name: "Opprett ny konto" }).click();
  await at(start, "Opprett ny konto");
  await start.getByLabel("Navn", { exact: true }).fill("Min første");
  await start.getByLabel("Beskrivelse").fill("Tar imot");
  await start.getByLabel("Protokoll", { exact: true }).selectOption({ label: "no.ks.fiks.arkiv" });
  await start.getByLabel("Protokollpart", { exact: true }).selectOption({ label: "arkiv.full" });
  await start.getByLabel("Klienten laster den opp selv ved oppstart").check();
  await start.getByRole("button", { name: "Opprett konto" }).click();
  await at(start, "Min første – Oversikt");
  await steg("Lag nøkkelpar på kontosiden");
  await start.getByRole("button", { name: "Lag nøkkelpar for test" }).click();
  await said(start, "Nøkkelparet er laget, og den offentlige nøkkelen er lastet opp til kontoen.");
  await steg("Søk etter systemer");
  await at(start, "Min første – Søk etter systemer");
  await start.getByRole("button", { name: "Gi tilgang til Mitt fagsystem" }).click();
  await said(start, "Mitt fagsystem kan nå sende meldinger til Min første.");

  await steg("Kopier konfigurasjon");
  await at(start, "Konfigurasjon av klienten");
  await start.getByText("Testklient (følger med, lim inn i en terminal)").first().click();
  const command = await start.getByRole("region", { name: /^Testklient/ }).innerText();
  const client = await pasteInTerminal(world.server, command.replace("<integrasjonPassord>", system.integrasjonPassord));

  await velg("Storevik kommune");
  await tilKonto(start, "Mitt fagsystem", "Mitt fagsystem");
  await start.getByRole("link", { name: "Send testmelding" }).click();
  await start.getByLabel("Mottaker").selectOption({ label: "Min første (Storevik kommune)" });
  await start.getByRole("button", { name: "Send testmelding" }).click();
  await at(start, "Testmeldingen er sendt");
  await start.getByText("Klienten har bekreftet at den har tatt imot meldingen.").waitFor({ timeout: TWO_POLLS_MS });
  assert.match(client.told(), /arkivmelding\.opprett fra /);
  assert.match(client.told(), / signert av 310000108/);
  await start.goto("/");
  assert.equal(await start.getByText("Gjort", { exact: true }).count(), 7);
  await check(start, "00-start-ferdig");
  await client.stop();
});

test("how the installation is doing, for who runs it", async () => {
  const page = await world.loggedIn("Dina Drift");
  await page.goto("/drift");
  await at(page, "Driftsstatus");
  await check(page, "18-drift");
  const download = page.waitForEvent("download");
  await page.getByRole("link", { name: /^Last ned driftsrapport/ }).click();
  assert.equal((await download).suggestedFilename(), "driftsrapport.json");
});
