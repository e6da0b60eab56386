// What is done with systems that are in use: the same steps in every language, and whatever the pages are worked with.
// The konto «Mitt arkiv» is Lillefjord's; the system «Mitt fagsystem», which sends to it, is Storevik's.
import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { amqpLogin } from "./amqp.mjs";
import { fact, hasFocus, said, until } from "./browser.mjs";
import { ekko } from "./klient.mjs";
import { tabTo } from "./tastatur.mjs";

const ARKIV = "Mitt arkiv";
const FAGSYSTEM = "Mitt fagsystem";
/** The page asks for numbers every fifteen seconds. */
const TWO_POLLS_MS = 35_000;

/** All of it. `inn` logs a person in; `navn` is that of the files of the new key. */
export async function drift(server, inn, navn) {
  const eier = await inn("Lars Lillefjord");
  const annen = await inn("Kari Storevik");
  await tilganger(eier, annen, server);
  await foresporsler(eier, annen, server);
  await status(eier, server);
  await nyNokkel(eier, server, navn);
  await sporing(await inn("Mona Mange"), server);
  await nyttPassord(annen, server);
}

/** Takes a tilgang away, gives it again after a search, and has the other side give it up. */
async function tilganger(eier, annen, server) {
  const { t } = eier;
  await eier.tilKonto(ARKIV, ARKIV);
  await eier.fane(t.tilganger, `${ARKIV} – ${t.tilganger}`, "13-tilganger");
  await eier.trykk(eier.lenke(t.fjernFor));
  await eier.videre(eier.knapp(t.fjern, await eier.sporsmal(t.fjerne(FAGSYSTEM), "13-fjern")));
  await said(eier.page, t.fjernet);
  await eier.overskrift(t.ingenSystemer);
  await eier.her(`${ARKIV} – ${t.tilganger}`);

  await annen.tilSystem(FAGSYSTEM);
  await annen.fane(t.tilganger, `${FAGSYSTEM} – ${t.tilganger}`);
  await annen.overskrift(t.ingenKontoer);

  await eier.fane(t.sokSystemer, `${ARKIV} – ${t.sokSystemer}`);
  await eier.skriv(t.sokKnapp, server.konto(FAGSYSTEM).systemId);
  await eier.videre(eier.knapp(t.sokKnapp));
  await eier.overskrift(t.ettSystem);
  await eier.her(`${ARKIV} – ${t.sokSystemer}`);
  await eier.videre(eier.knapp(t.gi));
  await said(eier.page, t.kanSende);
  await eier.page.getByText(t.harTilgang, { exact: true }).waitFor();
  await eier.her(`${ARKIV} – ${t.sokSystemer}`, "14-gitt");

  await annen.fane(t.tilganger, `${FAGSYSTEM} – ${t.tilganger}`, "09-tilganger");
  await annen.videre(annen.lenke(ARKIV, annen.page.getByRole("main")));
  await annen.her(ARKIV, "09-ekstern-konto");
  await annen.opp(t.tilganger, `${FAGSYSTEM} – ${t.tilganger}`);
  await annen.trykk(annen.lenke(t.fjernTil));
  await annen.videre(annen.knapp(t.fjern, await annen.sporsmal(t.fjerne(ARKIV))));
  await said(annen.page, t.fjernet);
  await annen.overskrift(t.ingenKontoer);
}

/** Asks for a tilgang, has it turned down, asks again and gets it. Both stand where `tilganger` leaves them. */
async function foresporsler(eier, annen, server) {
  const { t } = eier;
  await annen.videre(annen.lenke(t.beOm));
  await annen.her(`${FAGSYSTEM} – ${t.beOm}`);
  const answers = [
    [t.avvis, t.avvist],
    [t.godkjenn, t.kanSende],
  ];
  for (const [svar, sagt] of answers) {
    // The pages are the same the second time.
    const bilde = (navn) => (svar === t.avvis ? navn : undefined);
    await annen.skriv(t.sokKnapp, server.konto(ARKIV).kontoId);
    await annen.videre(annen.knapp(t.sokKnapp));
    await annen.overskrift(t.enKonto);
    await annen.her(`${FAGSYSTEM} – ${t.beOm}`);
    await annen.videre(annen.knapp(t.send));
    await said(annen.page, t.sendt);
    await annen.her(`${FAGSYSTEM} – ${t.beOm}`, bilde("09-forespurt"));

    await eier.fane(t.foresporsler, `${ARKIV} – ${t.foresporsler}`, bilde("13-foresporsler"));
    await eier.lenke(`${t.foresporsler} (1)`).waitFor();
    await eier.videre(eier.knapp(svar));
    await said(eier.page, sagt);
    await eier.her(`${ARKIV} – ${t.foresporsler}`);
  }
  await annen.opp(t.tilganger, `${FAGSYSTEM} – ${t.tilganger}`);
  await annen.lenke(t.fjernTil).waitFor();
}

/** A client comes and goes. With script the page follows where it is; without, when it is fetched again. */
async function status(eier, server) {
  const { page, t, script } = eier;
  await eier.fane(t.oversikt, `${ARKIV} – ${t.oversikt}`);
  const kobling = (text) => page.getByRole("definition").filter({ hasText: new RegExp(`^\\s*${text}\\s*$`) });
  const sporing = eier.lenke(t.tilSporing);
  if (script) {
    await tabTo(page, sporing);
    await page.evaluate(() => (globalThis.sammeSide = true));
  }
  /** The page says this of the connection, and says to those who do not see it that it has changed. */
  const blir = async (text, meldt) => {
    if (script) {
      await kobling(text).waitFor({ timeout: TWO_POLLS_MS });
      await page.getByRole("status").filter({ hasText: meldt }).waitFor({ state: "attached" });
      assert.ok(await hasFocus(sporing), "focus stays where it was");
      assert.ok(await page.evaluate(() => globalThis.sammeSide), "it is the page that was opened");
    } else {
      await until(async () => {
        await page.reload();
        return (await kobling(text).count()) > 0;
      }, text);
    }
  };
  await kobling(t.manglerKobling).waitFor();
  const client = await ekko(server, server.konto(ARKIV));
  await blir(t.koblet, t.meldtKoblet);
  assert.equal(await fact(page, t.konsumenter), "1");
  const varsel = page.getByRole("main").getByRole("heading", { name: t.manglerKobling, exact: true });
  await until(async () => (await varsel.count()) === 0, "the warning goes when a client comes");
  await eier.her(`${ARKIV} – ${t.oversikt}`, "12-koblet");
  await client.stop();
  if (script) await tabTo(page, sporing);
  await blir(t.manglerKobling, t.meldtMangler);
}

/** Another public key, which the client of the konto has from now on. */
async function nyNokkel(eier, server, navn) {
  const { page, t } = eier;
  const konto = server.konto(ARKIV);
  const folder = await server.sertifikat(konto.orgnummer, navn);
  const pem = join(folder, `konto-${navn}.pem`);
  await eier.fane(t.konfigurasjon, `${ARKIV} – ${t.konfigurasjon}`);
  await eier.trykk(page.getByText(t.endreNokkel, { exact: true }));
  await eier.fil(t.fil, pem);
  await eier.videre(eier.knapp(t.lastOpp));
  await said(page, t.nokkelLagret);
  const vist = (await fact(page, t.fingeravtrykk)).replaceAll(/\W/g, "").toUpperCase();
  assert.equal(vist, new X509Certificate(await readFile(pem)).fingerprint256.replaceAll(":", ""));
  await eier.her(`${ARKIV} – ${t.konfigurasjon}`, "15-ny-nokkel");
  konto.privateKeyPem = join(folder, `konto-${navn}.key.pem`);
}

/** A melding is followed from the sender to its receiver, and found again. `begge` acts for both organisasjoner. */
async function sporing(begge, server) {
  const { page, t, script } = begge;
  await begge.her(t.hvem);
  await begge.videre(page.getByRole("button", { name: /^Storevik kommune/ }));
  await begge.tilKonto(FAGSYSTEM, FAGSYSTEM);
  await begge.videre(begge.lenke(t.testmelding));
  await begge.her(t.testmeldingFra, "22-testmelding");
  await begge.videre(begge.knapp(t.testmelding));
  await begge.her(t.testmeldingSendt);
  await page.getByText(t.venter, { exact: true }).waitFor();
  const meldingId = await fact(page, t.meldingId);
  // It starts with none but the new key, and the melding is encrypted to that.
  const client = await ekko(server, server.konto(ARKIV));
  const tattImot = page.getByText(t.tattImot, { exact: true });
  if (script) {
    await tattImot.waitFor({ timeout: TWO_POLLS_MS });
  } else {
    await until(async () => {
      await begge.videre(begge.lenke(t.oppdater));
      return (await tattImot.count()) > 0;
    }, t.tattImot);
  }
  await client.stop();
  await begge.her(t.testmeldingSendt, "22-testmelding-bekreftet");
  await begge.videre(begge.lenke(t.folg));
  await begge.her(t.sporingAv);

  await begge.opp(t.tjenester, t.tjenester);
  await begge.videre(begge.lenke(t.sporing));
  await begge.her(t.sporing);
  await begge.skriv(t.sporingSok, meldingId);
  await begge.videre(begge.knapp(t.sokKnapp));
  const rad = page.getByRole("row").filter({ has: page.getByRole("cell", { name: t.bekreftet, exact: true }) });
  await until(async () => (await rad.count()) === 1, "one row, with the melding");
  await begge.her(t.sporing, "20-sporing-treff");
  await begge.videre(rad.getByRole("rowheader").getByRole("link"));
  await begge.her(t.sporingAv, "20-melding");
  assert.equal(await fact(page, t.meldingId), meldingId);
  await page.getByText(t.bekreftetAv, { exact: true }).waitFor();
}

/** Another password: the old one is refused, and the new one taken. */
async function nyttPassord(annen, server) {
  const { page, t } = annen;
  const konto = server.konto(FAGSYSTEM);
  const token = () => server.token(server.organisasjon("Storevik kommune"));
  const broker = async (integrasjonPassord) => amqpLogin(server, { ...konto, integrasjonPassord }, await token());
  assert.equal(await broker(konto.integrasjonPassord), "tune");
  await annen.fane(t.konfigurasjon, `${FAGSYSTEM} – ${t.konfigurasjon}`, "10-konfigurasjon");
  await annen.trykk(annen.lenke(`${t.generer} ${konto.integrasjonId}`));
  await annen.videre(annen.knapp(t.lagPassord, await annen.sporsmal(t.genererTittel, "10-nytt-passord-sporsmal")));
  await said(page, t.passordLaget);
  const passord = await fact(page, "integrasjonPassord");
  server.secrets.add(passord);
  await annen.her(`${FAGSYSTEM} – ${t.konfigurasjon}`, "10-nytt-passord");
  assert.equal(await broker(konto.integrasjonPassord), 403);
  assert.equal(await broker(passord), "tune");
  konto.integrasjonPassord = passord;
  await annen.videre(annen.lenke(t.tilKonfigurasjonen));
  await annen.her(`${FAGSYSTEM} – ${t.konfigurasjon}`);
  assert.ok(!(await page.content()).includes(passord), "the password is shown once");
}
