// Systems that are in use, in nynorsk.
import { after, before, test } from "node:test";
import { World } from "./lib/browser.mjs";
import { Bruker } from "./lib/bruker.mjs";
import { drift } from "./lib/drift.mjs";
import { DRIFT } from "./lib/drift-tekster.mjs";
import { iSprak } from "./lib/sprak.mjs";

let world;
before(async () => void (world = await World.start()));
after(() => world.stop());

test("systems in use in nynorsk", async () => {
  const how = { t: DRIFT.nn, sett: iSprak("nn") };
  await drift(world.server, (navn) => Bruker.inn(world, navn, how, { sprak: "nn" }), "ny-nn");
});
