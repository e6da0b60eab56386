// Somebody who uses the portal, in a language of theirs and with what they have to work it with.
import { at, hasFocus, until } from "./browser.mjs";
import { chooseFile, press, type } from "./tastatur.mjs";

/** What a page is worked with. */
export const MUS = {
  trykk: (_, target) => target.click(),
  skriv: (_, target, text) => target.fill(text),
  fil: (_, target, path) => target.setInputFiles(path),
};
export const TASTATUR = { trykk: press, skriv: type, fil: chooseFile };

export class Bruker {
  /** `sett` is called on each page they come to, with its h1 (none for a dialog) and what a picture of it is called. */
  constructor(page, { t, bruk = MUS, sett = async () => undefined }) {
    Object.assign(this, { page, t, bruk, sett, script: page.knutepunkt.script });
  }

  /** Logs a person in. `options` are those of `World.page`. */
  static async inn(world, navn, how, options) {
    const bruker = new Bruker(await world.page(options), how);
    const { page, t } = bruker;
    if (how.storrelse) await page.setViewportSize(how.storrelse);
    await page.goto("/logg-inn");
    await bruker.videre(bruker.lenke(t.loggInn));
    await bruker.videre(page.getByRole("button", { name: new RegExp(`^${navn} `) }));
    // The language of the browser is not the one that the person has chosen before.
    const sprak = bruker.knapp(t.sprak);
    await sprak.waitFor();
    if ((await sprak.getAttribute("aria-current")) === null) await bruker.videre(sprak);
    return bruker;
  }

  lenke(name, part = this.page) {
    return part.getByRole("link", { name, exact: true });
  }

  knapp(name, part = this.page) {
    return part.getByRole("button", { name, exact: true });
  }

  trykk(target) {
    return this.bruk.trykk(this.page, target);
  }

  /** Presses what leads to another page, which may have the h1 of this one. */
  async videre(target) {
    await Promise.all([this.page.waitForEvent("domcontentloaded"), this.trykk(target)]);
  }

  skriv(label, text) {
    return this.bruk.skriv(this.page, this.page.getByLabel(label, { exact: true }), text);
  }

  fil(label, path) {
    return this.bruk.fil(this.page, this.page.getByLabel(label, { exact: true }), path);
  }

  async overskrift(name) {
    await this.page.getByRole("heading", { name, exact: true }).waitFor();
  }

  /** The page with this h1 is there. */
  async her(tittel, bilde) {
    await at(this.page, tittel);
    await this.sett(this.page, tittel, bilde);
  }

  /** By a tab of the system or konto. */
  async fane(navn, tittel, bilde) {
    const name = new RegExp(`^${navn}( \\(\\d+\\))?$`);
    await this.videre(this.page.getByRole("main").getByRole("navigation").first().getByRole("link", { name }));
    await this.her(tittel, bilde);
  }

  /** By one of the links above the page. */
  async opp(navn, tittel, bilde) {
    await this.videre(this.page.locator("nav.ds-breadcrumbs").getByRole("link", { name: navn, exact: true }));
    await this.her(tittel, bilde);
  }

  /** What is asked before something is done: in a dialog, and without script on a page. */
  async sporsmal(tittel, bilde) {
    if (!this.script) {
      await this.her(tittel, bilde);
      return this.page.getByRole("main");
    }
    const dialog = this.page.getByRole("dialog", { name: tittel, exact: true });
    await dialog.waitFor();
    await until(() => hasFocus(dialog.getByRole("heading")), `focus on «${tittel}»`);
    await this.sett(this.page, undefined, bilde);
    return dialog;
  }

  async tilSystem(system) {
    await this.her(this.t.tjenester);
    await this.videre(this.lenke(this.t.tilKonfigurasjon));
    await this.her(this.t.systemer);
    await this.videre(this.lenke(system));
    await this.her(`${system} – ${this.t.oversikt}`);
  }

  async tilKonto(system, konto) {
    await this.tilSystem(system);
    await this.fane(this.t.kontoer, `${system} – ${this.t.kontoer}`);
    await this.videre(this.lenke(konto, this.page.getByRole("main")));
    await this.her(`${konto} – ${this.t.oversikt}`);
  }
}
