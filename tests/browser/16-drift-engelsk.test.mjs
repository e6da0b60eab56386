// Systems that are in use, in English.
import { after, before, test } from "node:test";
import { World } from "./lib/browser.mjs";
import { Bruker } from "./lib/bruker.mjs";
import { drift } from "./lib/drift.mjs";
import { DRIFT } from "./lib/drift-tekster.mjs";
import { iSprak } from "./lib/sprak.mjs";

let world;
before(async () => void (world = await World.start()));
after(() => world.stop());

test("systems in use in English", async () => {
  const how = { t: DRIFT.en, sett: iSprak("en") };
  await drift(world.server, (navn) => Bruker.inn(world, navn, how, { sprak: "en" }), "ny-en");
});
