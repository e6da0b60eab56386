// Systems that are in use, by keyboard only, on a screen as narrow as a page that is enlarged four times.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { World } from "./lib/browser.mjs";
import { Bruker, TASTATUR } from "./lib/bruker.mjs";
import { drift } from "./lib/drift.mjs";
import { DRIFT } from "./lib/drift-tekster.mjs";

let world;
before(async () => void (world = await World.start()));
after(() => world.stop());

const SMAL = { width: 320, height: 640 };

/** The page is no wider than the screen: what sticks out is hard to get at without a mouse. */
async function smal(page, tittel) {
  assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), SMAL.width, tittel);
}

test("systems in use by keyboard at 320 px", async () => {
  const how = { t: DRIFT.nb, bruk: TASTATUR, sett: smal, storrelse: SMAL };
  await drift(world.server, (navn) => Bruker.inn(world, navn, how), "ny-tastatur");
});
