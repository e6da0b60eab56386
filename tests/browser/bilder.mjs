// Walks the guides of docs/brukerveiledning, step by step as they say it, and takes their pictures on the way.
import { join } from "node:path";
import { World, at, choosePerson, fact, said, until } from "./lib/browser.mjs";
import { bilde } from "./lib/bilde.mjs";
import { ekko, klient } from "./lib/klient.mjs";

const SYSTEM = "Fjell og Fjord Byggesak";
const KONTO = "Arkivering fra byggesak";
const PART = "klient.full";
const PING = "no.ks.fiks.arkiv.v1.ping";

let world;
let server;

/** What is pressed, be it a button or a link that looks like one. */
const button = (page, name) => page.getByRole("button", { name, exact: true }).or(page.getByRole("link", { name, exact: true }));
const link = (page, name) => page.getByRole("link", { name, exact: true });
const dialog = (page, name) => page.getByRole("dialog", { name });
const section = (page, name) => page.locator("main section").filter({ has: page.getByRole("heading", { name, exact: true }) });
const header = (page) => page.getByRole("banner");
const form = (page) => page.locator("main form.skjema");
const fane = (page, navn) => page.getByRole("navigation", { name: /^Faner for / }).getByRole("link", { name: new RegExp(`^${navn}( \\(\\d+\\))?$`) });

async function taIBruk() {
  const nina = await world.page();
  await nina.goto("/logg-inn");
  await at(nina, "Logg inn");
  const loggInn = link(nina, "Logg inn med ID-porten");
  await bilde(nina, "1-logg-inn", { fra: header(nina), til: loggInn, ring: [loggInn] });
  await loggInn.click();
  await choosePerson(nina, "Nina Nykommune");
  await at(nina, "Tjenester");
  await bilde(nina, "1-tjenester", { fra: header(nina), til: nina.locator("main nav"), ring: [button(nina, "Ta i bruk Fiks Protokoll")] });
  await button(nina, "Ta i bruk Fiks Protokoll").click();
  await dialog(nina, "Ta i bruk Fiks Protokoll").waitFor();
  await bilde(nina, "1-dialog", { ring: [link(nina, "Gå til signering")] });
  await link(nina, "Gå til signering").click();
  await at(nina, "Avtale om bruk av Fiks Protokoll");
  await nina.getByRole("checkbox").check();
  await bilde(nina, "1-signer", { fra: section(nina, "Signer avtalen"), ring: [button(nina, "Signer dokument")] });
  await button(nina, "Signer dokument").click();
  await choosePerson(nina, "Nina Nykommune");
  await said(nina, "Avtalen er signert");
  const taIBruk = button(nina, "Ta i bruk Fiks Protokoll");
  await bilde(nina, "1-signert", { fra: header(nina), til: section(nina, "Signatur"), ring: [taIBruk] });
  await taIBruk.click();
  await said(nina, "Fiks Protokoll er tatt i bruk. Nå kan du opprette det første systemet.");
  await bilde(nina, "1-tatt-i-bruk", { fra: header(nina), til: link(nina, "Opprett nytt system").last(), ring: [link(nina, "Opprett nytt system").last()] });
  await opprettSystem(nina);
}

async function opprettSystem(nina) {
  const steg = (n, navn) => at(nina, `Opprett nytt system, steg ${n} av 4: ${navn}`);
  const ta = (navn, til) => bilde(nina, navn, { fra: nina.getByRole("heading", { level: 1 }), til: form(nina).last(), ring: [button(nina, til)] });
  await link(nina, "Opprett nytt system").first().click();
  await steg(1, "Systeminfo");
  await button(nina, "Neste").click();
  await nina.getByRole("group", { name: "Du må rette 3 feil for å gå videre" }).waitFor();
  await bilde(nina, "9-feil-i-skjema", { fra: nina.getByRole("group", { name: /^Du må rette/ }), til: nina.locator(".ds-field").first() });
  await nina.getByLabel("Systemnavn").fill(SYSTEM);
  await nina.getByLabel("Beskrivelse").fill("Saksbehandling av byggesaker i Nyvik kommune.");
  await nina.getByLabel("E-postadresse 1").fill("arkiv@nyvik.example");
  await ta("2-steg-1", "Neste");
  await button(nina, "Neste").click();
  await steg(2, "Sett opp integrasjon");
  await nina.getByLabel("Organisasjonsnummer").fill("310 000 302");
  await ta("2-steg-2", "Neste");
  await button(nina, "Neste").click();
  await steg(3, "Kontroller og opprett");
  await ta("2-steg-3", "Opprett Fiks Protokoll-system");
  await button(nina, "Opprett Fiks Protokoll-system").click();
  await steg(4, "System opprettet");
  const system = {};
  for (const navn of ["systemId", "integrasjonId", "integrasjonPassord"]) system[navn] = await fact(nina, navn);
  server.secrets.add(system.integrasjonPassord);
  const videre = link(nina, "Gå til system");
  await bilde(nina, "2-steg-4", { fra: nina.getByText("Systemet er opprettet"), til: videre, ring: [button(nina, "Kopier alle"), videre] });
  await videre.click();
  await at(nina, `${SYSTEM} – Oversikt`);
  await bilde(nina, "2-oversikt", { fra: header(nina), til: section(nina, "Om systemet") });
  await opprettKonto(nina, system);
}

async function opprettKonto(nina, system) {
  await fane(nina, "Kontoer").click();
  await at(nina, `${SYSTEM} – Kontoer`);
  await bilde(nina, "3-kontoer", { fra: header(nina), til: link(nina, "Opprett ny konto").last(), ring: [link(nina, "Opprett ny konto").last()] });
  await link(nina, "Opprett ny konto").first().click();
  await at(nina, "Opprett ny konto");
  await nina.getByLabel("Navn", { exact: true }).fill(KONTO);
  await nina.getByLabel("Beskrivelse").fill("Sender dokumenter i byggesaker til arkivet, og får kvittering tilbake.");
  await nina.getByLabel("Protokoll", { exact: true }).selectOption({ label: "no.ks.fiks.arkiv" });
  const part = nina.getByLabel("Protokollpart", { exact: true });
  await part.selectOption(await part.locator("option").filter({ hasText: PART }).first().getAttribute("value"));
  await bilde(nina, "3-ny-konto", { fra: nina.getByRole("heading", { level: 1 }), til: part });
  const info = section(nina, /^klient\.full/);
  await info.getByText(/^Kan sende/).click();
  await bilde(nina, "3-part", { fra: nina.getByText("Protokollpart", { exact: true }), til: info.locator("details").first(), under: 2 });
  const mappe = await server.sertifikat("310000302", "byggesak");
  await nina.getByLabel("Last opp offentlig nøkkel").setInputFiles(join(mappe, "konto-byggesak.pem"));
  await bilde(nina, "3-nokkel", { fra: nina.getByRole("group", { name: /^Offentlig nøkkel/ }), til: button(nina, "Opprett konto"), ring: [button(nina, "Opprett konto")] });
  await button(nina, "Opprett konto").click();
  await said(nina, "Kontoen er opprettet. Konto-id-en skal inn i klienten.");
  system.kontoId = await fact(nina, "Konto-id");
  await bilde(nina, "3-opprettet", { fra: header(nina), til: section(nina, "Status") });
  await bilde(nina, "3-konto-id", { fra: section(nina, "Om kontoen"), ring: [nina.getByRole("button", { name: /^Kopier Konto-id/i })] });
  await giOgBeOmTilgang(nina, system);
}

async function giOgBeOmTilgang(nina, system) {
  const lars = await world.loggedIn("Lars Lillefjord");
  await at(lars, "Tjenester");
  const tjenester = lars.url();
  await link(lars, "Konfigurasjon av Fiks Protokoll").click();
  await at(lars, "Systemer");
  await link(lars, "Mitt arkiv").click();
  await fane(lars, "Kontoer").click();
  await link(lars, "Mitt arkiv").last().click();
  await at(lars, "Mitt arkiv – Oversikt");

  // Give: from the konto that shall receive.
  await fane(lars, "Søk etter systemer").click();
  await at(lars, "Mitt arkiv – Søk etter systemer");
  await lars.getByLabel("Søk", { exact: true }).fill(system.systemId);
  await button(lars, "Søk").click();
  await lars.getByRole("heading", { name: "1 system", exact: true }).waitFor();
  const gi = lars.getByRole("button", { name: /^Gi tilgang/ });
  await bilde(lars, "4-sok", { fra: lars.getByRole("heading", { level: 1 }), til: lars.getByRole("table"), ring: [gi] });
  await gi.click();
  await said(lars, `${SYSTEM} kan nå sende meldinger til Mitt arkiv.`);
  await bilde(lars, "4-gitt", { fra: header(lars), til: lars.getByRole("heading", { level: 1 }) });
  await fane(lars, "Tilganger").click();
  await at(lars, "Mitt arkiv – Tilganger");
  const fjern = button(lars, `Fjern tilgang for ${SYSTEM}`);
  await bilde(lars, "4-tilganger", { fra: lars.getByRole("heading", { level: 1 }), til: lars.getByRole("table"), ring: [fjern] });
  await fjern.click();
  await dialog(lars, `Fjerne tilgangen til ${SYSTEM}?`).waitFor();
  const bekreft = lars.getByRole("dialog").getByRole("button", { name: "Fjern tilgang", exact: true });
  await bilde(lars, "4-fjern", { ring: [bekreft] });
  await bekreft.click();
  await said(lars, `${SYSTEM} kan ikke lenger sende meldinger til Mitt arkiv.`);

  // Be found by others.
  await lars.goto(tjenester);
  await link(lars, "Konfigurasjon av Fiks Protokoll").click();
  await link(lars, "Mitt arkiv").click();
  await fane(lars, "Konfigurasjon").click();
  await at(lars, "Mitt arkiv – Konfigurasjon");
  await lars.getByLabel("Tilgjengelig for andre organisasjoner").check();
  const lagre = button(lars, "Lagre synlighet");
  await bilde(lars, "4-synlighet", { fra: section(lars, "Synlighet"), ring: [lagre] });
  await lagre.click();
  await said(lars, "Synlighet er lagret");

  // Ask: from the system that shall send.
  await nina.getByRole("navigation", { name: "Du er her:" }).getByRole("link", { name: SYSTEM }).click();
  await fane(nina, "Tilganger").click();
  await at(nina, `${SYSTEM} – Tilganger`);
  await bilde(nina, "4-be-om", { fra: nina.getByRole("heading", { level: 1 }), til: link(nina, "Be om tilgang"), ring: [link(nina, "Be om tilgang")] });
  await link(nina, "Be om tilgang").click();
  await nina.getByLabel("Søk", { exact: true }).fill("arkiv");
  await button(nina, "Søk").click();
  const send = button(nina, "Send forespørsel om tilgang til Mitt arkiv");
  await send.waitFor();
  await bilde(nina, "4-be-om-sok", { fra: nina.getByRole("heading", { level: 1 }), til: nina.getByRole("table").first(), ring: [send] });
  await send.click();
  await said(nina, "Forespørselen om tilgang til Mitt arkiv er sendt til Lillefjord kommune.");
  await bilde(nina, "4-forespurt", { fra: header(nina), til: nina.getByRole("main") });

  await fane(lars, "Kontoer").click();
  await link(lars, "Mitt arkiv").last().click();
  await fane(lars, "Forespørsler").click();
  await at(lars, "Mitt arkiv – Forespørsler");
  const godkjenn = lars.getByRole("button", { name: /^Godkjenn/ });
  await bilde(lars, "4-foresporsler", { fra: lars.getByRole("heading", { level: 1 }), til: lars.getByRole("table"), ring: [godkjenn] });
  await godkjenn.click();
  await said(lars, `${SYSTEM} kan nå sende meldinger til Mitt arkiv.`);
  await nyttPassord(nina, system);
}

async function nyttPassord(nina, system) {
  await nina.getByRole("navigation", { name: "Du er her:" }).getByRole("link", { name: SYSTEM }).click();
  await fane(nina, "Konfigurasjon").click();
  await at(nina, `${SYSTEM} – Konfigurasjon`);
  const generer = nina.getByRole("main").locator("a", { hasText: "Generer nytt passord" });
  await bilde(nina, "5-palogging", { fra: section(nina, "Integrasjonspålogging"), ring: [generer] });
  await generer.click();
  await dialog(nina, "Generere nytt passord?").waitFor();
  await bilde(nina, "5-dialog", { ring: [button(nina, "Lag nytt passord")] });
  await button(nina, "Lag nytt passord").click();
  await nina.getByText("Nytt passord er laget").waitFor();
  system.integrasjonPassord = await fact(nina, "integrasjonPassord");
  server.secrets.add(system.integrasjonPassord);
  await bilde(nina, "5-laget", { fra: header(nina), til: section(nina, "Integrasjonspålogging"), ring: [nina.getByRole("button", { name: "Kopier integrasjonPassord", exact: true })] });
  await link(nina, "Gå til konfigurasjon").click();
  await link(nina, "Legg til integrasjon").click();
  await at(nina, "Legg til integrasjon");
  await nina.getByLabel("Organisasjonsnummer").fill("310 000 302");
  await nina.getByLabel("Utløpsdato for den forrige").fill("2026-12-31");
  await bilde(nina, "5-ny-integrasjon", { fra: nina.getByRole("heading", { level: 1 }), til: form(nina), ring: [button(nina, "Legg til integrasjon")] });
  await link(nina, "Avbryt").click();
  await nyNokkel(nina, system);
}

async function nyNokkel(nina, system) {
  const mappe = await server.sertifikat("310000302", "byggesak-2027");
  await fane(nina, "Kontoer").click();
  await link(nina, KONTO).click();
  await fane(nina, "Konfigurasjon").click();
  await at(nina, `${KONTO} – Konfigurasjon`);
  const nokkel = section(nina, "Offentlig nøkkel");
  const endre = nokkel.locator("summary");
  await bilde(nina, "6-nokkel", { fra: nokkel, ring: [endre] });
  await endre.click();
  await nina.getByLabel("Last opp offentlig nøkkel").setInputFiles(join(mappe, "konto-byggesak-2027.pem"));
  await bilde(nina, "6-last-opp", { fra: endre, til: button(nina, "Last opp"), ring: [button(nina, "Last opp")] });
  await button(nina, "Last opp").click();
  await said(nina, "Ny nøkkel er lagret. Legg den private nøkkelen inn i klienten før du tar imot flere meldinger.");
  await bilde(nina, "6-lagret", { fra: header(nina), til: nina.getByRole("heading", { level: 1 }) });
  await bilde(nina, "6-tidligere", { fra: nina.getByRole("table"), til: nina.getByRole("table") });
  await personer(nina);
  await overvaking(nina, system);
}

async function personer(nina) {
  await link(nina, "Tjenester").click();
  await at(nina, "Tjenester");
  await link(nina, "Tilgangsstyring for personer").click();
  await at(nina, "Tilgangsstyring for personer");
  const leggTil = link(nina, "Legg til person");
  await bilde(nina, "10-personer", { fra: header(nina), til: nina.getByRole("table"), ring: [leggTil] });
  await leggTil.click();
  await at(nina, "Legg til person");
  await nina.getByLabel("Navn", { exact: true }).fill("Ola Nykommune");
  await nina.getByLabel("Protokolladministrator").check();
  await bilde(nina, "10-legg-til", { fra: nina.getByRole("heading", { level: 1 }), til: form(nina), ring: [button(nina, "Legg til person")] });
  await link(nina, "Avbryt").click();
}

async function overvaking(nina, system) {
  const { kontoId } = system;
  await nyInnsynskonto(nina);
  const sertifikater = join(server.data, "sertifikater");
  const virksomhet = join(sertifikater, "virksomhet-310000302");
  const sender = await klient(
    server,
    { ...system, kontoId, privateKeyPem: join(sertifikater, "konto-byggesak-2027.key.pem") },
    { chainPem: `${virksomhet}.chain.pem`, keyPem: `${virksomhet}.key.pem` },
  );
  const arkiv = server.konto("Mitt arkiv");
  const mottaker = await ekko(server, arkiv);
  try {
    await sendPing(system, arkiv.kontoId);
    await link(nina, "Tjenester").click();
    await at(nina, "Tjenester");
    await link(nina, "Status for køer").click();
    await at(nina, "Status for køer");
    await bilde(nina, "8-status", { fra: nina.getByRole("heading", { level: 1 }), til: nina.getByRole("table") });
    await link(nina, "Tjenester").click();
    await link(nina, "Sporing").click();
    await at(nina, "Sporing");
    await until(async () => {
      await nina.reload();
      return (await nina.getByRole("row", { name: /Bekreftet/ }).count()) === 2;
    }, "ping and pong are confirmed");
    await bilde(nina, "8-sporing", { fra: nina.getByRole("heading", { level: 1 }), til: nina.getByRole("table") });
    await nina.getByRole("link", { name: PING }).click();
    await at(nina, "Sporing av melding");
    await bilde(nina, "8-melding", { fra: nina.getByRole("heading", { level: 1 }), til: section(nina, "Tidslinje") });
  } finally {
    await sender.stop();
    await mottaker.stop();
  }
  await link(nina, "Tjenester").click();
  await link(nina, "Hendelser").click();
  await at(nina, "Hendelser");
  await bilde(nina, "8-hendelser", { fra: nina.getByRole("caption"), til: nina.getByRole("row").nth(5), under: 2 });
}

/** A konto that nobody has connected to, and that has no key. */
async function nyInnsynskonto(nina) {
  await link(nina, "Tjenester").click();
  await link(nina, "Konfigurasjon av Fiks Protokoll").click();
  await link(nina, SYSTEM).click();
  await fane(nina, "Kontoer").click();
  await link(nina, "Opprett ny konto").first().click();
  await at(nina, "Opprett ny konto");
  await nina.getByLabel("Navn", { exact: true }).fill("Innsyn fra byggesak");
  await nina.getByLabel("Beskrivelse").fill("Søker i arkivet.");
  await nina.getByLabel("Protokoll", { exact: true }).selectOption({ label: "no.ks.fiks.arkiv" });
  await nina.getByLabel("Protokollpart", { exact: true }).selectOption({ label: "klient.innsyn" });
  await nina.getByLabel("Klienten laster den opp selv ved oppstart").check();
  await button(nina, "Opprett konto").click();
  await said(nina, "Kontoen er opprettet. Konto-id-en skal inn i klienten.");
}

/** Sends a melding without payload from the konto of Nyvik. */
async function sendPing({ kontoId, integrasjonId, integrasjonPassord }, mottakerKontoId) {
  const virksomhet = join(server.data, "sertifikater", "virksomhet-310000302");
  const token = await server.token({ orgnummer: "310000302", sertifikat: { certPem: `${virksomhet}.pem`, keyPem: `${virksomhet}.key.pem` } });
  const body = new FormData();
  body.append("metadata", JSON.stringify({ avsenderKontoId: kontoId, mottakerKontoId, meldingType: PING }));
  const headers = { authorization: `Bearer ${token}`, integrasjonId, integrasjonPassord };
  const answer = await fetch(`${server.url}/fiks-io/api/v1/send`, { method: "POST", headers, body });
  if (!answer.ok) throw new Error(`the melding was refused with ${answer.status}: ${await answer.text()}`);
}

async function drift() {
  const dina = await world.loggedIn("Dina Drift");
  await dina.goto("/drift");
  await at(dina, "Driftsstatus");
  await bilde(dina, "11-drift", { fra: header(dina), til: section(dina, "Installasjonen") });
}

world = await World.start();
server = world.server;
try {
  await taIBruk();
  await drift();
} finally {
  await world.stop();
}
