import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { amqpLogin } from "./lib/amqp.mjs";
import { World, at, check, fact, said, until } from "./lib/browser.mjs";
import { fane, tilKonto } from "./lib/guide.mjs";
import { ekko } from "./lib/klient.mjs";

let world;
before(async () => void (world = await World.start()));
after(() => world.stop());

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
  const client = await ekko(world.server, { ...konto, privateKeyPem: join(folder, "konto-ny-nokkel.key.pem") });
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
  const broker = async (integrasjonPassord) =>
    amqpLogin(world.server, { integrasjonId: konto.integrasjonId, integrasjonPassord }, await world.server.token(login.organisasjon));
  assert.equal(await status(konto.integrasjonPassord), 200);
  assert.equal(await broker(konto.integrasjonPassord), "tune");
  const client = await ekko(world.server, konto);
  const page = await world.loggedIn("Kari Storevik");
  const other = await page.context().newPage();
  await other.goto("/velg-organisasjon");
  await tilKonto(other, "Mitt fagsystem", "Mitt fagsystem");
  const konsumenter = async () => {
    await other.reload();
    return fact(other, "Konsumenter");
  };
  assert.equal(await konsumenter(), "1");
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
  assert.equal(await broker(konto.integrasjonPassord), 403);
  assert.equal(await broker(passord), "tune");
  await until(async () => (await konsumenter()) === "0", "the client that is connected is cut off");
  await client.stop();
  await page.reload();
  await at(page, "Passordet er allerede laget");
  assert.equal(await status(passord), 200, "a repeat makes no other");
  await check(page, "10-passord-allerede");
});
