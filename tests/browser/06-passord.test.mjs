import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { X509Certificate } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { World, at, check, fact, said } from "./lib/browser.mjs";
import { fane, tilKonto } from "./lib/guide.mjs";

let world;
before(async () => void (world = await World.start()));
after(() => world.stop());

/** The arkiv of the Rust client, at the konto of that name. Ends with `stop`. */
async function ekko(konto, { passord = konto.integrasjonPassord, nokkel = konto.privateKeyPem } = {}) {
  const { klient, folder } = world.server;
  const sertifikat = klient.organisasjoner.find(({ fiksOrgId }) => fiksOrgId === konto.fiksOrgId).sertifikat;
  const https = new URL(klient.httpsUrl);
  const settings = join(folder, "ekko.json");
  await writeFile(
    settings,
    JSON.stringify({
      kontoId: konto.kontoId,
      privateKeyFiles: [nokkel],
      integrasjonId: konto.integrasjonId,
      integrasjonPassord: passord,
      virksomhetssertifikatFile: sertifikat.chainPem,
      virksomhetssertifikatKeyFile: sertifikat.keyPem,
      maskinportenClientId: "ekko",
      maskinportenTokenEndpoint: klient.maskinporten.tokenEndpoint,
      maskinportenAudience: klient.maskinporten.audience,
      apiScheme: "https",
      apiHost: https.hostname,
      apiPort: Number(https.port),
      amqpHost: klient.amqp.host,
      amqpPort: klient.amqp.port,
      caCertificatesFile: klient.caPem,
    }),
  );
  const child = spawn(process.env.EKKO, [settings], { stdio: ["ignore", "pipe", "pipe"] });
  const ended = new Promise((resolve) => child.on("exit", resolve));
  let told = "";
  child.stderr.setEncoding("utf8").on("data", (chunk) => (told += chunk));
  const stop = async () => {
    child.kill("SIGTERM");
    await ended;
  };
  const listens = new Promise((resolve) => {
    child.stdout.setEncoding("utf8").on("data", (chunk) => {
      told += chunk;
      if (told.includes("ekko lytter på")) resolve(true);
    });
  });
  if ((await Promise.race([listens, ended])) !== true) throw new Error(`ekko ended: ${told}`);
  return { stop, told: () => told };
}

test("a new public key is used by a real client", async () => {
  const konto = world.server.konto("Mitt arkiv");
  const folder = await world.server.sertifikat(konto.orgnummer, "ny-nokkel");
  const page = await world.loggedIn("Lars Lillefjord");
  await tilKonto(page, "Mitt arkiv", "Mitt arkiv");
  await fane(page, "Konfigurasjon", "Mitt arkiv – Konfigurasjon");
  await page.getByText("Endre offentlig nøkkel").click();
  await page.getByLabel("Last opp offentlig nøkkel", { exact: true }).setInputFiles(join(folder, "konto-ny-nokkel.pem"));
  await page.getByRole("button", { name: "Last opp", exact: true }).click();
  await said(page, "Ny nøkkel er lagret. Legg den private nøkkelen inn i klienten før du tar imot flere meldinger.");
  // The client fetches the key of its konto when it starts, and does not start with another one's.
  const client = await ekko(konto, { nokkel: join(folder, "konto-ny-nokkel.key.pem") });
  await client.stop();
  const organisasjon = world.server.organisasjon("Lillefjord kommune");
  const answer = await world.server.api(`/fiks-io/katalog/api/v1/kontoer/${konto.kontoId}/offentligNokkel`, { organisasjon, ...konto });
  const given = new X509Certificate((await answer.json()).nokkel);
  const uploaded = new X509Certificate(await readFile(join(folder, "konto-ny-nokkel.pem")));
  assert.equal(given.fingerprint256, uploaded.fingerprint256, "the key that was uploaded is the one that is given out");
});

test("a new password: the old one is refused, the new one is taken", async () => {
  const konto = world.server.konto("Mitt fagsystem");
  const login = { organisasjon: world.server.organisasjon("Storevik kommune"), integrasjonId: konto.integrasjonId };
  const path = `/fiks-io/katalog/api/v1/kontoer/${konto.kontoId}`;
  const status = async (integrasjonPassord) => (await world.server.api(path, { ...login, integrasjonPassord })).status;
  assert.equal(await status(konto.integrasjonPassord), 200);
  const page = await world.loggedIn("Kari Storevik");
  await page.getByRole("link", { name: "Konfigurasjon av Fiks Protokoll" }).click();
  await page.getByRole("link", { name: "Mitt fagsystem", exact: true }).click();
  await fane(page, "Konfigurasjon", "Mitt fagsystem – Konfigurasjon");
  await check(page, "10-konfigurasjon");
  const opener = page.getByRole("link", { name: /^Generer nytt passord/ });
  await opener.click();
  const dialog = page.getByRole("dialog", { name: "Generere nytt passord?" });
  await dialog.waitFor();
  await check(page, "10-nytt-passord-sporsmal");
  await dialog.getByRole("button", { name: "Behold passordet" }).click();
  assert.equal(await status(konto.integrasjonPassord), 200);
  await opener.click();
  await dialog.getByRole("button", { name: "Lag nytt passord" }).click();
  await said(page, "Nytt passord er laget");
  const passord = await fact(page, "integrasjonPassord");
  world.server.secrets.add(passord);
  await check(page, "10-nytt-passord");
  assert.notEqual(passord, konto.integrasjonPassord);
  assert.equal(await status(konto.integrasjonPassord), 401);
  assert.equal(await status(passord), 200);
  await page.reload();
  await at(page, "Passordet er allerede laget");
  assert.equal(await status(passord), 200, "a repeat makes no other");
  await check(page, "10-passord-allerede");
});
