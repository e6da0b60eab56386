import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { World, at, check, errors, fact, said } from "./lib/browser.mjs";
import { fane, nyttSystem, tilKonto } from "./lib/guide.mjs";

let world;
before(async () => void (world = await World.start()));
after(() => world.stop());

const MONTH_MS = 30 * 24 * 3_600_000;
const TITTEL = "Acos – Konfigurasjon";
const KONFLIKT = "Noen andre har endret dette siden du åpnet siden. Se over og lagre på nytt.";

test("every section of a system, two persons at it at once, and its end", async () => {
  const page = await world.loggedIn("Kari Storevik");
  await nyttSystem(page, { navn: "Acos" });
  await fane(page, "Konfigurasjon", TITTEL);
  const button = (name) => page.getByRole("button", { name, exact: true });
  const field = (name) => page.getByLabel(name, { exact: true });

  await field("Systemnavn").fill("A");
  await button("Lagre systeminfo").click();
  await errors(page, "Systemnavn må ha minst 2 tegn");
  await check(page, "10-systeminfo-feil");

  // Per saves while Kari types.
  const per = await world.loggedIn("Per Protokoll");
  await per.goto(new URL(page.url()).pathname.replace(/\/konfigurasjon.*/, "/konfigurasjon"));
  await at(per, TITTEL);
  await per.getByLabel("Beskrivelse").fill("Pers beskrivelse");
  await per.getByRole("button", { name: "Lagre systeminfo", exact: true }).click();
  await said(per, "Systeminfo er lagret");
  await field("Systemnavn").fill("Acos");
  await field("Beskrivelse").fill("Karis beskrivelse");
  await button("Lagre systeminfo").click();
  await page.getByText(KONFLIKT).waitFor();
  assert.equal(await field("Beskrivelse").inputValue(), "Karis beskrivelse");
  await check(page, "10-konflikt");
  await button("Lagre systeminfo").click();
  await said(page, "Systeminfo er lagret");

  await page.getByLabel("Leverandørnavn").fill("Acos AS");
  await page.getByLabel("Leverandørkontaktpunkt").fill("brukerstøtte@acos.example");
  await button("Lagre leverandør").click();
  await said(page, "Leverandør er lagret");

  await page.getByRole("link", { name: /^Endre organisasjonsnummeret til / }).click();
  await at(page, "Endre organisasjonsnummer");
  await page.getByText("Klienten må bruke et Maskinporten-token for det nye nummeret.").waitFor();
  await field("Organisasjonsnummer").fill("12");
  await button("Lagre").click();
  await errors(page, "Organisasjonsnummer må ha 9 siffer");
  await check(page, "10-orgnummer-feil");
  await field("Organisasjonsnummer").fill("310 000 205");
  await button("Lagre").click();
  await said(page, "Organisasjonsnummer er endret");
  assert.match(await fact(page, "Organisasjonsnummer"), /^310\u{a0}000\u{a0}205/u);

  await page.getByRole("link", { name: "Legg til integrasjon", exact: true }).click();
  await at(page, "Legg til integrasjon");
  await check(page, "10-ny-integrasjon");
  await field("Organisasjonsnummer").fill("310000108");
  await field("Utløpsdato for den forrige").fill(new Date(Date.now() + MONTH_MS).toISOString().slice(0, 10));
  await button("Legg til integrasjon").click();
  await said(page, "Integrasjonen er lagt til");
  world.server.secrets.add(await fact(page, "integrasjonPassord"));
  await check(page, "10-integrasjon-lagt-til");
  await page.getByRole("link", { name: "Gå til konfigurasjon" }).click();
  await at(page, TITTEL);
  assert.equal(await page.getByRole("term").filter({ hasText: /^integrasjonId$/ }).count(), 2);

  await field("Konfigureres av integrasjon (API)").uncheck();
  await button("Lagre API").click();
  await said(page, "API-konfigurasjon er slått av");
  await page.getByText("API-kall som endrer systemet, vil bli avvist.").waitFor();
  const warning = page.getByText("Alle organisasjoner kan da få tilgang uten at noen godkjenner det.");
  await field("Tilgjengelig for andre organisasjoner").check();
  assert.ok(await warning.isHidden());
  await field("Godkjenn forespørsler om tilgang automatisk").check();
  await warning.waitFor();
  await button("Lagre synlighet").click();
  await said(page, "Synlighet er lagret");
  await warning.waitFor();
  await check(page, "10-synlighet");

  // Another organisasjon finds it now.
  const lars = await world.loggedIn("Lars Lillefjord");
  await tilKonto(lars, "Mitt arkiv", "Mitt arkiv");
  await fane(lars, "Søk etter systemer", "Mitt arkiv – Søk etter systemer");
  await lars.getByLabel("Søk", { exact: true }).fill("aco");
  await lars.getByLabel("Vis bare systemer som kan utveksle meldinger med kontoen").uncheck();
  await lars.getByRole("button", { name: "Søk", exact: true }).click();
  await lars.getByRole("button", { name: "Gi tilgang til Acos", exact: true }).waitFor();

  await page.getByRole("link", { name: "Slett system" }).click();
  const dialog = page.getByRole("dialog", { name: "Slette Acos?" });
  await dialog.getByText("0 kontoer, 0 meldinger på kø og 0 tilganger slettes. Dette kan ikke angres.").waitFor();
  await check(page, "10-slett");
  await dialog.getByLabel("Skriv systemnavnet for å bekrefte").fill("acos");
  await dialog.getByRole("button", { name: "Slett system" }).click();
  await errors(page, "Navnet stemmer ikke med Acos");
  await check(page, "10-slett-feil");
  await page.getByLabel("Skriv systemnavnet for å bekrefte").fill("Acos");
  await page.getByRole("button", { name: "Slett system" }).click();
  await said(page, "Acos er slettet.");
  await check(page, "05-systemer");
  await per.reload();
  await at(per, "Fant ikke siden");
});

test("sending from a konto is stopped and started again", async () => {
  const page = await world.loggedIn("Lars Lillefjord");
  await tilKonto(page, "Mitt arkiv", "Mitt arkiv");
  await fane(page, "Konfigurasjon", "Mitt arkiv – Konfigurasjon");
  await page.getByRole("link", { name: "Stopp sending" }).click();
  const dialog = page.getByRole("dialog", { name: "Stoppe sendingen fra Mitt arkiv?" });
  await dialog.waitFor();
  await check(page, "15-stopp-sending");
  await dialog.getByRole("button", { name: "Behold sendingen" }).click();
  await dialog.waitFor({ state: "hidden" });
  await page.getByRole("link", { name: "Stopp sending" }).click();
  await dialog.getByRole("button", { name: "Stopp sending" }).click();
  await said(page, "Sendingen er stoppet.");
  await fane(page, "Oversikt", "Mitt arkiv – Oversikt");
  await page.getByRole("heading", { name: "Sending er stoppet" }).waitFor();
  await check(page, "12-sending-stoppet");
  await page.getByRole("link", { name: "Start sending igjen" }).click();
  await page.getByRole("button", { name: "Start sending" }).click();
  await said(page, "Sendingen er startet.");
});
