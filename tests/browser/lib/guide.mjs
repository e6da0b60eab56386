// The ways through the portal that several tests take, by the texts on the screen.
import { at, fact } from "./browser.mjs";

/** From «Tjenester» through the wizard. Answers what the last step shows; with `opprett: false` it stops before that. */
export async function nyttSystem(page, { navn, beskrivelse = "Sak og arkiv", orgnummer = "310000108", opprett = true }) {
  await at(page, "Tjenester");
  await page.getByRole("link", { name: "Konfigurasjon av Fiks Protokoll" }).click();
  await at(page, "Systemer");
  await page.getByRole("link", { name: "Opprett nytt system" }).click();
  await at(page, "Opprett nytt system, steg 1 av 4: Systeminfo");
  await page.getByLabel("Systemnavn").fill(navn);
  await page.getByLabel("Beskrivelse").fill(beskrivelse);
  await page.getByLabel("E-postadresse 1").fill("varsling@kommune.example");
  await page.getByRole("button", { name: "Neste" }).click();
  await at(page, "Opprett nytt system, steg 2 av 4: Sett opp integrasjon");
  await page.getByLabel("Organisasjonsnummer").fill(orgnummer);
  await page.getByRole("button", { name: "Neste" }).click();
  await at(page, "Opprett nytt system, steg 3 av 4: Kontroller og opprett");
  if (!opprett) return undefined;
  await page.getByRole("button", { name: "Opprett Fiks Protokoll-system" }).click();
  await at(page, "Opprett nytt system, steg 4 av 4: System opprettet");
  const system = {};
  for (const navn of ["systemId", "integrasjonId", "integrasjonPassord", "systemNavn"]) system[navn] = await fact(page, navn);
  page.knutepunkt.server.secrets.add(system.integrasjonPassord);
  await page.getByRole("link", { name: "Gå til system", exact: true }).click();
  await at(page, `${navn} – Oversikt`);
  return system;
}

/** The tab of a system or a konto. */
export async function fane(page, navn, tittel) {
  await page.getByRole("navigation", { name: /^Faner for / }).getByRole("link", { name: new RegExp(`^${navn}( \\(\\d+\\))?$`) }).click();
  await at(page, tittel);
}

/** From «Tjenester» to a konto of the small world. */
export async function tilKonto(page, system, konto) {
  await at(page, "Tjenester");
  await page.getByRole("link", { name: "Konfigurasjon av Fiks Protokoll" }).click();
  await page.getByRole("link", { name: system, exact: true }).click();
  await fane(page, "Kontoer", `${system} – Kontoer`);
  await page.getByRole("main").getByRole("link", { name: konto, exact: true }).click();
  await at(page, `${konto} – Oversikt`);
}
