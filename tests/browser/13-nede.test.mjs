// The database fails while people are at work.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { World, at, check, said } from "./lib/browser.mjs";
import { fane, nyttSystem } from "./lib/guide.mjs";

const run = promisify(execFile);

let world;
before(async () => void (world = await World.start()));
after(() => world.stop());

/** Takes a table away from under the server, or gives it back. */
async function rename(from, to) {
  const script = "import sqlite3, sys; db = sqlite3.connect(sys.argv[1], timeout=20); db.execute(sys.argv[2]); db.commit()";
  await run("python3", ["-c", script, join(world.server.data, "register.sqlite"), `ALTER TABLE ${from} RENAME TO ${to}`]);
}

test("a database that fails is said to be no fault of theirs, and what they typed is kept", async () => {
  const page = await world.loggedIn("Kari Storevik");
  await nyttSystem(page, { navn: "Før" });
  await fane(page, "Konfigurasjon", "Før – Konfigurasjon");
  await page.getByLabel("Beskrivelse").fill("Skrevet mens databasen var borte");
  await rename("sesjon", "sesjon_borte");
  const other = await page.context().newPage();
  const answer = await other.goto("/velg-organisasjon");
  assert.equal(answer.status(), 503);
  await at(other, "Vi har tekniske problemer");
  await other.getByText("Dette skyldes ikke noe du gjorde.").waitFor();
  await other.close();
  await page.getByRole("button", { name: "Lagre systeminfo" }).click();
  await page.getByText("Noe gikk galt hos oss. Det du skrev, er tatt vare på. Prøv igjen om litt.").waitFor();
  await check(page, "19-feil-hos-oss");
  await rename("sesjon_borte", "sesjon");
  await page.getByRole("button", { name: "Prøv igjen" }).click();
  await said(page, "Systeminfo er lagret");
  assert.equal(await page.getByLabel("Beskrivelse").inputValue(), "Skrevet mens databasen var borte");
});
