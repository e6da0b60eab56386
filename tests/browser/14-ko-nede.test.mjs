// The disk under the queues is full: people read on, are told so, and lose nothing; what was queued is there afterwards.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { World, at, check, fact, said, until } from "./lib/browser.mjs";
import { fane, tilKonto } from "./lib/guide.mjs";

const run = promisify(execFile);
/** No file may grow beyond this: more than the registry needs, less than the log of the queues can hold. */
const LIMIT = 16 * 1024 * 1024;
/** What goes along in the queue, and not by way of dokumentlager. */
const PAYLOAD = new Uint8Array(4 * 1024 * 1024);
/** How the installation is doing is looked at every half minute. */
const TWO_CHECKS_MS = 60_000;
const MELDING = "no.ks.fiks.arkiv.v1.innsyn.sok";

let world;
before(async () => void (world = await World.start()));
after(() => world.stop());

/** What the server answers a melding from one konto to the other. */
async function send(payload) {
  const [fra, til] = [world.server.konto("Mitt fagsystem"), world.server.konto("Mitt arkiv")];
  const form = new FormData();
  const metadata = { avsenderKontoId: fra.kontoId, mottakerKontoId: til.kontoId, meldingType: MELDING };
  form.append("metadata", new Blob([JSON.stringify(metadata)], { type: "application/json" }));
  form.append("data", new Blob([payload]), "melding");
  const organisasjon = world.server.organisasjon("Storevik kommune");
  const answer = await world.server.api("/fiks-io/api/v1/send", { organisasjon, ...fra, method: "POST", body: form });
  const body = await answer.json();
  return { status: answer.status, body };
}

test("while the queues are down every page loads and says so, and a restart brings them back", async () => {
  const page = await world.loggedIn("Kari Storevik");
  await tilKonto(page, "Mitt fagsystem", "Mitt fagsystem");
  const konto = page.url();
  assert.equal((await send(PAYLOAD)).status, 202);
  await run("prlimit", ["--pid", String(world.server.process.pid), `--fsize=${LIMIT}`]);
  let queued = 1;
  let answer = await send(PAYLOAD);
  for (; answer.status === 202; queued++) {
    assert.ok(queued * PAYLOAD.length <= LIMIT, "the log of the queues grows beyond the limit");
    answer = await send(PAYLOAD);
  }
  assert.equal(answer.status, 503);
  assert.equal(answer.body.message, "Tjenesten er ikke tilgjengelig akkurat nå. Prøv igjen om litt.");

  await page.reload();
  await page.getByText("Status er ikke tilgjengelig akkurat nå").first().waitFor();
  await page.getByRole("main").getByText("Ukjent", { exact: true }).first().waitFor();
  await check(page, "13-ko-nede");
  const system = konto.replace(/\/kontoer\/.*/, "");
  const organisasjon = konto.replace(/\/protokoll\/.*/, "");
  const ofOrg = ["/tjenester", "/protokoll/systemer", "/sporing", "/hendelser", "/personer", "/bruk"];
  const ofSystem = ["", "/kontoer", "/kontoer.csv", "/kontoer/ny", "/tilganger", "/tilganger/be-om"];
  const ofBoth = ["/konfigurasjon", "/konfigurasjon/slett"];
  const ofKonto = ["/tilganger", "/foresporsler", "/sok", "/sporing", "/testmelding"];
  const below = (sti, ...parts) => parts.flat().map((rest) => sti + rest);
  const pages = [...below(organisasjon, ofOrg), ...below(system, ofSystem, ofBoth), ...below(konto, ofKonto, ofBoth)];
  for (const path of pages) assert.equal((await page.request.get(path)).status(), 200, path);
  await page.goto(`${organisasjon}/status`);
  await page.getByText("Status er ikke tilgjengelig akkurat nå").first().waitFor();
  await check(page, "16-ko-nede");
  // What can be done without the queues is done, and what cannot is not half done.
  await page.goto(`${system}/kontoer/ny`);
  await page.getByLabel("Navn", { exact: true }).fill("Midt i alt");
  await page.getByLabel("Beskrivelse").fill("Skrevet mens køene var nede");
  await page.getByLabel("Protokoll", { exact: true }).selectOption({ label: "no.ks.fiks.arkiv" });
  await page.getByLabel("Protokollpart", { exact: true }).selectOption({ label: "arkiv.full" });
  await page.getByLabel("Klienten laster den opp selv ved oppstart").check();
  await page.getByRole("button", { name: "Opprett konto" }).click();
  await page.getByText("Noe gikk galt hos oss. Det du skrev, er tatt vare på. Prøv igjen om litt.").waitFor();
  await check(page, "13-ko-nede-skjema");
  const drift = await world.loggedIn("Dina Drift");
  await drift.goto("/drift");
  await at(drift, "Driftsstatus");
  const told = drift.getByText("Svarte ikke ved siste sjekk. Loggen sier hvorfor.");
  const looked = async () => (await drift.reload()) && (await told.count()) > 0;
  await until(looked, "the next check finds that the queues are down", undefined, TWO_CHECKS_MS);
  await check(drift, "18-ko-nede");

  // It starts without the limit.
  await world.server.restart({ code: 1 });
  await page.getByRole("button", { name: "Prøv igjen" }).click();
  await said(page, "Kontoen er opprettet. Konto-id-en skal inn i klienten.");
  const mottaker = await world.loggedIn("Lars Lillefjord");
  await tilKonto(mottaker, "Mitt arkiv", "Mitt arkiv");
  assert.equal(await fact(mottaker, "Meldinger på kø"), String(queued), "what was accepted is queued, and nothing else");
  assert.equal((await send(PAYLOAD)).status, 202);
});
