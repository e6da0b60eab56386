// Systems that are in use, without JavaScript: what a dialog asks is a page, and what is live is fetched again.
import { after, before, test } from "node:test";
import { World, check } from "./lib/browser.mjs";
import { Bruker } from "./lib/bruker.mjs";
import { drift } from "./lib/drift.mjs";
import { DRIFT } from "./lib/drift-tekster.mjs";

let world;
before(async () => void (world = await World.start()));
after(() => world.stop());

async function sett(page, _, bilde) {
  if (bilde) await check(page, `uten-script-${bilde}`);
}

test("systems in use without JavaScript", async () => {
  const how = { t: DRIFT.nb, sett };
  await drift(world.server, (navn) => Bruker.inn(world, navn, how, { script: false }), "ny-uten-script");
});
