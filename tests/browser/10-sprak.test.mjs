// The guide in the other two languages: a system, a konto with its key, a tilgang given and taken away.
import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { World, at, check, said } from "./lib/browser.mjs";
import { keyFiles } from "./lib/keys.mjs";
import { bokmalLeft } from "./lib/sprak.mjs";

let world, keys;
before(async () => {
  world = await World.start();
  keys = await keyFiles(join(world.server.folder, "nokler"));
});
after(() => world.stop());

const SPRAK = {
  nn: {
    sprak: "Nynorsk",
    tjenester: "Tenester",
    konfigurasjon: "Konfigurasjon av Fiks Protokoll",
    systemer: "System",
    nyttSystem: "Opprett nytt system",
    steg: (n, navn) => `Opprett nytt system, steg ${n} av 4: ${navn}`,
    stegene: ["Systeminfo", "Set opp integrasjon", "Kontroller og opprett", "System oppretta"],
    felt: { systemnavn: "Systemnamn", beskrivelse: "Omtale", epost: "E-postadresse 1", orgnummer: "Organisasjonsnummer" },
    neste: "Neste",
    opprett: "Opprett Fiks Protokoll-system",
    gaTil: "Gå til system",
    oversikt: "Oversikt",
    kontoer: "Kontoar",
    nyKonto: "Opprett ny konto",
    navn: "Namn",
    part: "Protokollpart",
    protokoll: "Protokoll",
    fil: "Last opp offentleg nøkkel",
    feilFil: "Fila inneheld ein privat nøkkel. Han er ikkje lagra. Last opp berre sertifikatet.",
    opprettKonto: "Opprett konto",
    kontoOpprettet: "Kontoen er oppretta. Konto-id-en skal inn i klienten.",
    sok: "Søk etter system",
    gi: "Gje tilgang til Mitt fagsystem",
    gitt: "Mitt fagsystem kan no sende meldingar til Mottak.",
    tilganger: "Tilgangar",
    fjern: "Fjern tilgang for Mitt fagsystem",
    fjernTittel: "Fjerne tilgangen til Mitt fagsystem?",
    fjernKnapp: "Fjern tilgang",
    fjernet: "Mitt fagsystem kan ikkje lenger sende meldingar til Mottak.",
  },
  en: {
    sprak: "English",
    tjenester: "Services",
    konfigurasjon: "Configuration of Fiks Protokoll",
    systemer: "Systems",
    nyttSystem: "Create new system",
    steg: (n, navn) => `Create new system, step ${n} of 4: ${navn}`,
    stegene: ["System information", "Set up integration", "Check and create", "System created"],
    felt: { systemnavn: "System name", beskrivelse: "Description", epost: "E-mail address 1", orgnummer: "Organisation number" },
    neste: "Next",
    opprett: "Create Fiks Protokoll system",
    gaTil: "Go to system",
    oversikt: "Overview",
    kontoer: "Accounts",
    nyKonto: "Create new account",
    navn: "Name",
    part: "Protocol part",
    protokoll: "Protocol",
    fil: "Upload public key",
    feilFil: "The file contains a private key. It has not been stored. Upload the certificate only.",
    opprettKonto: "Create account",
    kontoOpprettet: "The account has been created. Enter the account ID in the client.",
    sok: "Search for systems",
    gi: "Grant access to Mitt fagsystem",
    gitt: "Mitt fagsystem can now send messages to Mottak.",
    tilganger: "Access",
    fjern: "Remove access for Mitt fagsystem",
    fjernTittel: "Remove the access: Mitt fagsystem?",
    fjernKnapp: "Remove access",
    fjernet: "Mitt fagsystem can no longer send messages to Mottak.",
  },
};

for (const [sprak, t] of Object.entries(SPRAK)) {
  test(`the guide in ${sprak}`, async () => {
    const page = await world.loggedIn("Per Protokoll");
    const button = (name) => page.getByRole("button", { name, exact: true });
    const link = (name) => page.getByRole("link", { name, exact: true });
    const fane = (name) => page.getByRole("main").getByRole("navigation").getByRole("link", { name: new RegExp(`^${name}( \\(\\d+\\))?$`) });
    const field = (name) => page.getByLabel(name, { exact: true });
    /** A page in this language and no other. */
    const here = async (tittel) => {
      await at(page, tittel);
      assert.equal(await page.evaluate(() => document.documentElement.lang), sprak);
      assert.deepEqual(await bokmalLeft(page, sprak), [], tittel);
    };
    await button(t.sprak).click();
    await here(t.tjenester);
    await link(t.konfigurasjon).click();
    await here(t.systemer);

    const navn = `Acos (${sprak})`;
    await link(t.nyttSystem).first().click();
    await here(t.steg(1, t.stegene[0]));
    await button(t.neste).click();
    await page.getByRole("group").getByRole("link").nth(2).waitFor();
    assert.deepEqual(await bokmalLeft(page, sprak), []);
    await field(t.felt.systemnavn).fill(navn);
    await field(t.felt.beskrivelse).fill("Acos");
    await field(t.felt.epost).fill("acos@storevik.example");
    await button(t.neste).click();
    await here(t.steg(2, t.stegene[1]));
    await field(t.felt.orgnummer).fill("310000108");
    await button(t.neste).click();
    await here(t.steg(3, t.stegene[2]));
    await button(t.opprett).click();
    await here(t.steg(4, t.stegene[3]));
    await check(page, `06-steg-4-${sprak}`);
    await link(t.gaTil).click();
    await here(`${navn} – ${t.oversikt}`);

    await fane(t.kontoer).click();
    await here(`${navn} – ${t.kontoer}`);
    await link(t.nyKonto).first().click();
    await here(t.nyKonto);
    await field(t.navn).fill("Mottak");
    await field(t.felt.beskrivelse).fill("Mottak");
    await field(t.protokoll).selectOption({ label: "no.ks.fiks.arkiv" });
    await field(t.part).selectOption({ label: "arkiv.full" });
    await field(t.fil).setInputFiles(keys.privateKey);
    await button(t.opprettKonto).click();
    await page.getByRole("group").getByRole("link", { name: t.feilFil }).waitFor();
    await here(t.nyKonto);
    await field(t.fil).setInputFiles(keys.good);
    await button(t.opprettKonto).click();
    await said(page, t.kontoOpprettet);
    await here(`Mottak – ${t.oversikt}`);
    await check(page, `12-ny-konto-${sprak}`);

    await fane(t.sok).click();
    await here(`Mottak – ${t.sok}`);
    await button(t.gi).click();
    await said(page, t.gitt);
    await here(`Mottak – ${t.sok}`);
    await fane(t.tilganger).click();
    await here(`Mottak – ${t.tilganger}`);
    await link(t.fjern).click();
    const dialog = page.getByRole("dialog", { name: t.fjernTittel });
    await dialog.waitFor();
    assert.deepEqual(await bokmalLeft(page, sprak), []);
    await dialog.getByRole("button", { name: t.fjernKnapp, exact: true }).click();
    await said(page, t.fjernet);
    await here(`Mottak – ${t.tilganger}`);
  });
}
